"""Running a plan: what is run, resumed, retried and reported; the trainings are those of `quick_trainer.py`."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import quick_trainer
from rich.console import Console

from tf_gradcraft.comparison.plan import settle, write_plan
from tf_gradcraft.comparison.progress import RunProgress
from tf_gradcraft.comparison.runner import run_plan

TRAINER = str(Path(quick_trainer.__file__))
QUICK = (sys.executable, "-S", TRAINER)


def read(path):
    return json.loads(path.read_text())


def word_after(call, option):
    words = call.split()
    return words[words.index(option) + 1]


def test_everything_is_run_once_with_equal_budgets(make_plan, run_quickly, calls, tmp_path):
    plan = make_plan(methods=["uw", "gradcraft"], seeds=(3, 5), trials=3)
    assert run_quickly(plan) == {}
    done = calls()
    searches = [call for call in done if "/search/" in call]
    trained = [call for call in done if call.startswith("train") and "/runs/" in call]
    evaluated = [call for call in done if call.startswith("evaluate")]
    # Two single-task models and four methods of one model each.
    assert len(searches) == 6 * 3
    assert len(trained) == len(evaluated) == 6 * 2
    assert len(done) == 18 + 12 + 12
    assert {word_after(call, "--seed") for call in searches} == {"0"}
    assert {word_after(call, "--seed") for call in trained} == {"3", "5"}
    # The test part is looked at once a run that counts, and never for a search.
    assert all("/runs/" in call and word_after(call, "--split") == "test" for call in evaluated)
    assert len({call.split()[1] for call in evaluated}) == 12
    assert not list(tmp_path.rglob("model.keras"))


def test_the_best_trial_on_the_valid_part_is_used_for_all_seeds(make_plan, run_quickly, tmp_path):
    run_quickly(make_plan(trials=4))
    out = tmp_path / "out"
    for part in ("gradcraft", "fixed", "sum", "single/click", "single/like"):
        values = []
        for number in range(4):
            metrics = read(out / "search" / part / f"trial-{number}" / "metrics.json")["metrics"]
            task = part.partition("/")[2]
            values.append(metrics[f"{task}_auc" if task else "auc_mean"])
        chosen = read(out / "search" / part / "chosen.json")
        assert chosen["trial"] == values.index(max(values))
        assert [tried["valid"] for tried in chosen["tried"]] == values
        best = read(out / "search" / part / f"trial-{chosen['trial']}" / "config.json")["arguments"]
        for seed in (1, 2):
            used = read(out / "runs" / part / f"seed-{seed}" / "config.json")["arguments"]
            for name in ("set", "learning_rate", "dropout", "balancing", "tasks"):
                assert used[name] == best[name]


def test_a_second_call_does_nothing(make_plan, run_quickly, calls):
    plan = make_plan()
    run_quickly(plan)
    assert calls()
    run_quickly(plan)
    assert calls() == []


def test_added_methods_and_seeds_are_all_that_is_run(make_plan, run_quickly, calls, tmp_path):
    run_quickly(make_plan(trials=0))
    calls()
    plan = settle(make_plan(trials=0, methods=["uw"], seeds=(2, 3)), tmp_path / "out")
    assert [method.label for method in plan.methods] == ["single", "sum", "gradcraft", "uw"]
    run_quickly(plan)
    folders = sorted(word_after(call, "--out") for call in calls() if call.startswith("train"))
    names = [f"{name}/seed-3" for name in ("gradcraft", "single/click", "single/like", "sum")]
    names += [f"uw/seed-{seed}" for seed in (1, 2, 3)]
    assert folders == [str(tmp_path / "out" / "runs" / name) for name in sorted(names)]


def test_a_run_that_was_trained_is_only_evaluated(make_plan, run_quickly, calls, tmp_path):
    plan = make_plan(trials=0)
    run_quickly(plan, keep_models=True)
    calls()
    (tmp_path / "out" / "runs" / "sum" / "seed-1" / "metrics_test.json").unlink()
    run_quickly(plan)
    [call] = calls()
    assert call.startswith("evaluate")


def test_a_failure_is_tried_again_reported_and_passed_over(make_plan, run_quickly, calls, tmp_path, monkeypatch):
    monkeypatch.setenv("QUICK_FAIL", "runs/gradcraft/seed-1")
    plan = make_plan(trials=0)
    failures = run_quickly(plan, command=QUICK, jobs=2)
    assert set(failures) == {"runs/gradcraft/seed-1"}
    assert "train ended with code 1: the disk melted" in failures["runs/gradcraft/seed-1"]
    assert read(tmp_path / "out" / "failures.json") == failures
    done = calls()
    assert sum("runs/gradcraft/seed-1" in call for call in done) == 2
    log = (tmp_path / "out" / "logs" / "runs_gradcraft_seed-1.log").read_text()
    assert log.count("the disk melted") == log.count("loading") == log.count("$ ") == 2
    assert (tmp_path / "out" / "runs" / "gradcraft" / "seed-2" / "metrics_test.json").is_file()

    monkeypatch.delenv("QUICK_FAIL")
    assert run_quickly(plan) == {}
    assert len(calls()) == 2
    assert read(tmp_path / "out" / "failures.json") == {}


def test_a_failed_trial_leaves_the_choice_among_the_others(make_plan, run_quickly, tmp_path, monkeypatch):
    monkeypatch.setenv("QUICK_FAIL", "search/gradcraft/trial-0")
    failures = run_quickly(make_plan(trials=2))
    assert set(failures) == {"search/gradcraft/trial-0"}
    chosen = read(tmp_path / "out" / "search" / "gradcraft" / "chosen.json")
    assert chosen["trial"] == 1
    assert chosen["tried"][0]["valid"] is None


def test_without_any_successful_trial_a_method_is_left_out(make_plan, run_quickly, tmp_path, monkeypatch):
    monkeypatch.setenv("QUICK_FAIL", "search/gradcraft/")
    failures = run_quickly(make_plan(trials=2))
    assert "no search run succeeded" in failures["runs/gradcraft"]
    assert not (tmp_path / "out" / "runs" / "gradcraft").exists()
    assert (tmp_path / "out" / "runs" / "sum" / "seed-2" / "metrics_test.json").is_file()


def test_costs_are_kept_with_the_run(make_plan, run_quickly, tmp_path):
    run_quickly(make_plan(trials=0), jobs=2)
    cost = read(tmp_path / "out" / "runs" / "sum" / "seed-1" / "cost.json")
    of_each = {"seconds": 2.0, "cpu_seconds": 1.0, "peak_memory": 10**8}
    assert cost == {"jobs": 2, "train": of_each, "evaluate": of_each}


MEASURE = """
import sys
from pathlib import Path
from tf_gradcraft.comparison.processes import Processes
work = "import time; block = b'x' * 200_000_000\\nwhile time.process_time() < 0.3: pass"
ended = Processes().run([sys.executable, "-S", "-c", work], Path(sys.argv[1]))
print(ended.code, ended.cpu_seconds, ended.peak_memory)
"""


def test_memory_and_seconds_are_those_of_the_child(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(tmp_path / "log")], capture_output=True, text=True, check=True
    )
    code, cpu_seconds, memory = map(float, done.stdout.split())
    assert code == 0
    assert 0.3 < cpu_seconds < 10
    # The block, and an interpreter.
    assert 2e8 < memory < 3e8


PARENT = """
import signal
import sys
from pathlib import Path
from rich.console import Console
from tf_gradcraft.comparison.plan import read_plan
from tf_gradcraft.comparison.progress import RunProgress
from tf_gradcraft.comparison.runner import run_plan
# Tests that run in the background are handed down that Ctrl-C is to be ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
out = Path(sys.argv[1])
run_plan(read_plan(out), out, RunProgress(Console()), jobs=2, command=sys.argv[2:])
"""


def alive(process_id):
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    # A child that has ended and that nobody waits for.
    return "Z" not in Path(f"/proc/{process_id}/stat").read_text().split(")")[1].split()[0]


def wait_until(condition):
    for _ in range(1200):
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError("it did not happen within two minutes")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=["kill -9", "Ctrl-C"])
def test_what_is_stopped_in_the_middle_leaves_no_process_and_goes_on(
    make_plan, run_quickly, calls, tmp_path, monkeypatch, number
):
    plan, out = make_plan(trials=0), tmp_path / "out"
    write_plan(plan, out)
    command = (sys.executable, TRAINER)
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(out), *command],
        env={**os.environ, "QUICK_HANG": "runs/gradcraft/seed-"},
        stderr=subprocess.PIPE,
    )
    hanging = tmp_path / "hanging"
    try:
        # Both jobs hang in the end, so that nothing else is under way when the parent goes.
        wait_until(lambda: hanging.is_file() and hanging.read_text().count("\n") == 2)
        children = [int(line) for line in hanging.read_text().split()]
        assert all(map(alive, children))
        with pytest.raises(FileExistsError, match="is being compared in by another command"):
            run_quickly(plan)
    finally:
        parent.send_signal(number)
        parent.communicate(timeout=60)
    wait_until(lambda: not any(map(alive, children)))
    before = calls()
    finished = sum((folder / "metrics_test.json").is_file() for folder in (out / "runs").rglob("seed-*"))
    hung = [out / "runs" / "gradcraft" / f"seed-{seed}" for seed in (1, 2)]
    assert all(run.with_name(f".{run.name}.12345678.partial").is_dir() for run in hung)

    assert run_quickly(plan) == {}
    after = calls()
    assert len([call for call in after if call.startswith("evaluate")]) == 8 - finished
    trained = [word_after(call, "--out") for call in before + after if call.startswith("train")]
    assert [trained.count(str(run)) for run in hung] == [2, 2]
    assert not list(out.rglob("*.partial"))


def test_progress_is_one_line_a_run(make_plan, tmp_path):
    console = Console(file=io.StringIO(), width=200)
    processes = quick_trainer.InProcess()
    run_plan(make_plan(trials=0), tmp_path / "out", RunProgress(console), command=(), processes=processes)
    lines = console.file.getvalue().splitlines()
    assert len(lines) == 8
    assert [line.split()[0] for line in lines] == [f"{number}/8" for number in range(1, 9)]
    assert all("; about 0:00:" in line for line in lines[:-1])
    assert "left" not in lines[-1]
