"""Running a plan: one process a run, what is there already not again, what fails reported and passed over."""

from __future__ import annotations

import dataclasses
import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

from tf_gradcraft.comparison.plan import Plan, write_plan
from tf_gradcraft.comparison.processes import Ended, Processes
from tf_gradcraft.comparison.progress import RunProgress
from tf_gradcraft.comparison.runs import (
    COST_FILE,
    Part,
    Run,
    choice_file,
    counting_run,
    parts_of,
    search_runs,
    trial_runs,
    valid_value,
)
from tf_gradcraft.comparison.spaces import Trial
from tf_gradcraft.files.json_files import read_json, write_json
from tf_gradcraft.files.lock import alone
from tf_gradcraft.files.run_folder import MODEL_FILE

COMMAND = (sys.executable, "-m", "tf_gradcraft.cli.child")
FAILURES_FILE = "failures.json"
ATTEMPTS = 2
THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")


@dataclasses.dataclass(frozen=True)
class Runner:
    """Runs a plan in a folder.

    Args:
        plan: The plan.
        out: The folder of the comparison.
        progress: Is told what begins and ends.
        jobs: Processes side by side; each gets an equal share of the cores.
        keep_models: Whether to keep the models of the runs that count, once they are evaluated.
        command: The program that takes `train ...` and `evaluate ...`.
    """

    plan: Plan
    out: Path
    progress: RunProgress
    jobs: int = 1
    keep_models: bool = False
    command: Sequence[str] = COMMAND
    processes: Processes = dataclasses.field(default_factory=Processes)
    failures: dict[str, str] = dataclasses.field(default_factory=dict)

    def run(self) -> dict[str, str]:
        """Runs all that is not there yet: first the searches, then, with the chosen settings, what counts.

        Returns:
            `{run: what went wrong}`; also in failures.json.

        Raises:
            FileExistsError: If another process runs a comparison in the folder.
            KeyboardInterrupt: On Ctrl-C, when all processes are ended. A second call goes on where this one stopped.
        """
        self.out.mkdir(parents=True, exist_ok=True)
        with alone(self.out, "compared in"):
            write_plan(self.plan, self.out)
            write_json(self.out / FAILURES_FILE, {})
            parts = parts_of(self.plan)
            searches = [run for run in search_runs(self.plan, self.out) if not run.done(self.out)]
            # What is chosen does not matter for how many runs there are.
            nothing = Trial(learning_rate=1.0, dropout=0.0, settings={})
            counting = [counting_run(part, nothing, seed) for seed in self.plan.seeds for part in parts]
            with self.progress.of(len(searches) + sum(not run.done(self.out) for run in counting)):
                self._run_all(searches)
                trials = {part.name: self.choose(part) for part in parts}
                self._run_all(
                    counting_run(part, trial, seed)
                    for seed in self.plan.seeds
                    for part in parts
                    if (trial := trials[part.name]) is not None
                )
        return self.failures

    def choose(self, part: Part) -> Trial | None:
        """Returns the settings to use for a model, and keeps the choice; None if no search run of it succeeded."""
        if not self.plan.trials:
            return self.plan.trials_of(part.method)[0]
        file = choice_file(part, self.out)
        if file.is_file():
            return Trial(**read_json(file)["chosen"])
        runs = trial_runs(self.plan, part)
        values = [valid_value(self.out / run.name) if run.trained(self.out) else None for run in runs]
        found = [value for value in values if value is not None]
        if not found:
            self._fail(f"runs/{part.name}", "no search run succeeded, so there are no settings to use")
            return None
        best = values.index(max(found))
        tried = [{**dataclasses.asdict(run.trial), "valid": value} for run, value in zip(runs, values, strict=True)]
        chosen = dataclasses.asdict(runs[best].trial)
        write_json(file, {"chosen": chosen, "trial": best, "seed": self.plan.search_seed, "tried": tried})
        return runs[best].trial

    def _run_all(self, runs: Iterable[Run]) -> None:
        todo = [run for run in runs if not run.done(self.out)]
        with ThreadPoolExecutor(self.jobs) as executor:
            pending: set[Future[None]] = set()
            try:
                for run in todo:
                    pending.add(executor.submit(self._complete, run))
                while pending:
                    # Not without end: a Ctrl-C that comes just before a wait begins does not end it.
                    done, pending = wait(pending, timeout=1.0, return_when=FIRST_EXCEPTION)
                    for future in done:
                        future.result()
            except BaseException:
                self.processes.stop()
                executor.shutdown(cancel_futures=True)
                raise

    def _complete(self, run: Run) -> None:
        """Trains a run and, where it counts, evaluates it."""
        folder = self.out / run.name
        self.progress.begin(run.name)
        costs: dict[str, Any] = {"jobs": self.jobs}
        if run.trained(self.out):
            costs = read_json(folder / COST_FILE) if (folder / COST_FILE).is_file() else costs
        else:
            remove_leftovers(folder)
            if (ended := self._attempt(run, run.train_command(self.plan, self.out))) is None:
                return
            costs["train"] = described(ended)
            write_json(folder / COST_FILE, costs)
        if run.counts:
            if (ended := self._attempt(run, run.evaluate_command(self.plan, self.out))) is None:
                return
            write_json(folder / COST_FILE, {**costs, "evaluate": described(ended)})
        if not (run.counts and self.keep_models):
            (folder / MODEL_FILE).unlink(missing_ok=True)
        seconds = costs.get("train", {}).get("seconds", 0)
        self.progress.end(run.name, f"valid {valid_value(folder):.4f}, {seconds:.0f} s")

    def _attempt(self, run: Run, arguments: list[str]) -> Ended | None:
        """Runs the command, once more if it fails; returns None, and keeps the failure, if it fails again."""
        log = self.out / "logs" / f"{run.name.replace('/', '_')}.log"
        share = str(max(1, (os.cpu_count() or 1) // self.jobs))
        threads = {name: share for name in THREADS if self.jobs > 1 and name not in os.environ}
        for _ in range(ATTEMPTS):
            ended = self.processes.run([*self.command, *arguments], log, {"COLUMNS": "120", **threads})
            if ended.code == 0:
                return ended
        self._fail(run.name, f"{arguments[0]} ended with code {ended.code}: {last_line(log)} (see {log})")
        self.progress.end(run.name, f"failed, see {log}")
        return None

    def _fail(self, name: str, text: str) -> None:
        self.failures[name] = text
        write_json(self.out / FAILURES_FILE, dict(self.failures))


def run_plan(plan: Plan, out: Path, progress: RunProgress, **settings: Any) -> dict[str, str]:
    """Runs a plan in a folder, see `Runner`; returns what failed."""
    return Runner(plan, Path(os.path.abspath(out)), progress, **settings).run()


def described(ended: Ended) -> dict[str, Any]:
    """Returns what a process cost, for a file."""
    return {
        "seconds": round(ended.seconds, 2),
        "cpu_seconds": round(ended.cpu_seconds, 2),
        "peak_memory": ended.peak_memory,
    }


def last_line(log: Path) -> str:
    """Returns the last line of a log that is not empty."""
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines()]
    return next((line for line in reversed(lines) if line), "")


def remove_leftovers(folder: Path) -> None:
    """Removes what a training that was killed left beside the place of its run."""
    for partial in folder.parent.glob(f".{folder.name}.*.partial"):
        shutil.rmtree(partial, ignore_errors=True)
