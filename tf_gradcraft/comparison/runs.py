"""The single runs of a plan, and the folder and command of each."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

from tf_gradcraft.comparison.method import SINGLE, Method
from tf_gradcraft.comparison.plan import Plan, folder_name
from tf_gradcraft.comparison.spaces import Trial
from tf_gradcraft.files.json_files import read_json
from tf_gradcraft.files.run_folder import CONFIG_FILE, METRICS_FILE, TEST_FILE

COST_FILE, CHOICE_FILE = "cost.json", "chosen.json"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Part:
    """A model that a method consists of: the one of all tasks, or that of one task.

    Args:
        method: The method.
        tasks: The tasks of the model.
    """

    method: Method
    tasks: tuple[str, ...]

    @property
    def name(self) -> str:
        """Name of its folder, below `search` and `runs`."""
        inside = f"/{folder_name(self.tasks[0])}" if self.method.balancing == SINGLE else ""
        return folder_name(self.method.label) + inside


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run:
    """One training.

    Args:
        part: The model.
        trial: Its settings.
        seed: Seed of weights, dropout and order of the rows.
        name: Its folder, relative to that of the comparison.
        counts: Whether it is one of those that count, and is evaluated on the test part. Search runs never are.
    """

    part: Part
    trial: Trial
    seed: int
    name: str
    counts: bool

    def train_command(self, plan: Plan, out: Path) -> list[str]:
        """Returns the arguments of `tf-gradcraft` that train it."""
        balancing = "sum" if self.part.method.balancing == SINGLE else self.part.method.balancing
        settings = [f"{name}={json.dumps(value)}" for name, value in self.trial.settings.items()]
        return [
            *("train", plan.prepared, "--out", str(out / self.name), "--balancing", balancing),
            *(word for setting in settings for word in ("--set", setting)),
            *("--tasks", ",".join(self.part.tasks), "--seed", str(self.seed)),
            *plan.training.options(self.trial.learning_rate, self.trial.dropout),
        ]

    def evaluate_command(self, plan: Plan, out: Path) -> list[str]:
        """Returns the arguments of `tf-gradcraft` that evaluate it on the test part."""
        return ["evaluate", str(out / self.name), "--split", "test", "--prepared", plan.prepared]

    def trained(self, out: Path) -> bool:
        """Whether the training is there."""
        return (out / self.name / METRICS_FILE).is_file()

    def done(self, out: Path) -> bool:
        """Whether nothing is left to do for it."""
        return (out / self.name / TEST_FILE).is_file() if self.counts else self.trained(out)


def parts_of(plan: Plan) -> list[Part]:
    """Returns all models that are tuned apart."""
    return [Part(method=method, tasks=tasks) for method in plan.methods for tasks in method.parts]


def search_runs(plan: Plan, out: Path) -> Iterator[Run]:
    """Gives the search runs, without those of parts whose choice is made."""
    for part in parts_of(plan) if plan.trials else []:
        if not choice_file(part, out).is_file():
            yield from trial_runs(plan, part)


def trial_runs(plan: Plan, part: Part) -> list[Run]:
    """Returns the search runs of a model, first trial first."""
    return [
        Run(
            part=part,
            trial=trial,
            seed=plan.search_seed,
            name=f"search/{part.name}/trial-{number}",
            counts=False,
        )
        for number, trial in enumerate(plan.trials_of(part.method))
    ]


def counting_run(part: Part, trial: Trial, seed: int) -> Run:
    """Returns the run of a model that counts, with a seed and the chosen settings."""
    return Run(part=part, trial=trial, seed=seed, name=f"runs/{part.name}/seed-{seed}", counts=True)


def choice_file(part: Part, out: Path) -> Path:
    """Returns where the choice of a model's search is written."""
    return out / "search" / part.name / CHOICE_FILE


def valid_value(folder: Path) -> float:
    """Returns the value on the valid part that decides, larger being better: the mean AUC; else the loss, negative."""
    monitor = read_json(folder / CONFIG_FILE)["monitor"].removeprefix("val_")
    value = read_json(folder / METRICS_FILE)["metrics"][monitor]
    if value is None:
        return float("-inf")
    return -value if monitor == "loss" else value
