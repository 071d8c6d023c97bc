"""Stands in for `tf-gradcraft train` and `evaluate`: writes the files that they write, at once, with values by rule.

`InProcess` does it without a process. The environment says what goes wrong: `QUICK_FAIL` and `QUICK_HANG` are parts of
the names of runs, `QUICK_CALLS` is a file that gets a line a call.
"""

import argparse
import json
import os
import sys
import time
import zlib
from pathlib import Path


def value(*words):
    """A number in [0.5, 1) that depends on nothing but the words."""
    return 0.5 + zlib.crc32(" ".join(map(str, words)).encode()) / 2**33


def train(arguments):
    out = Path(arguments.out)
    wanted = os.environ.get("QUICK_HANG")
    if wanted and wanted in str(out):
        from tf_gradcraft.tuning.processes import end_with_parent

        end_with_parent()
        beside = out.parent / f".{out.name}.12345678.partial"
        beside.mkdir(parents=True)
        (beside / "history.json").write_text("{")
        with Path(os.environ["QUICK_CALLS"]).with_name("hanging").open("a") as hanging:
            hanging.write(f"{os.getpid()}\n")
        time.sleep(600)
    tasks = arguments.tasks.split(",")
    key = [arguments.balancing, sorted(arguments.set), arguments.learning_rate, arguments.dropout, arguments.seed]
    aucs = {f"{task}_auc": value(task, *key) for task in tasks}
    metrics = {**aucs, "loss": 1.0} | ({"auc_mean": sum(aucs.values()) / len(aucs)} if len(tasks) > 1 else {})
    monitor = "val_auc_mean" if len(tasks) > 1 else f"val_{tasks[0]}_auc"
    assert not out.exists()
    out.parent.mkdir(parents=True, exist_ok=True)
    beside = out.parent / f".{out.name}.{os.getpid()}.partial"
    beside.mkdir()
    write(beside / "config.json", {"format": 1, "monitor": monitor, "tasks": tasks, "arguments": vars(arguments)})
    write(beside / "history.json", {"loss": [1.0, 0.5, 0.6]})
    (beside / "model.keras").write_text("weights")
    write(beside / "metrics.json", {"split": "valid", "epoch": 2, "seconds": 1.5, "metrics": metrics})
    beside.rename(out)


def evaluate(arguments):
    run = Path(arguments.first)
    assert (run / "model.keras").is_file()
    tasks = json.loads((run / "config.json").read_text())["tasks"]
    metrics = {f"{task}_{metric}": value(task, metric, run.parent.name, run.name) for task in tasks for metric in NAMES}
    write(run / f"metrics_{arguments.split}.json", {"split": arguments.split, "rows": 9, "metrics": metrics})


NAMES = ("auc", "gauc")


def write(path, content):
    path.write_text(json.dumps(content))


def main(words, say=print):
    if "QUICK_CALLS" in os.environ:
        with Path(os.environ["QUICK_CALLS"]).open("a") as calls:
            calls.write(" ".join(words) + "\n")
    failing = os.environ.get("QUICK_FAIL")
    if failing and failing in " ".join(words):
        say("loading")
        say("the disk melted")
        return 1
    parser = argparse.ArgumentParser()
    parser.add_argument("command")
    parser.add_argument("first")
    parser.add_argument("--set", action="append", default=[])
    for name in ("out", "tasks", "balancing", "seed", "split", "prepared", "learning-rate", "dropout"):
        parser.add_argument(f"--{name}")
    arguments, _ = parser.parse_known_args(words)
    {"train": train, "evaluate": evaluate}[arguments.command](arguments)
    return 0


class InProcess:
    """Stands in for `Processes` where no test is about processes, since starting one takes longer than all it does."""

    def run(self, arguments, log, environment=None):
        from tf_gradcraft.comparison.processes import Ended

        log.parent.mkdir(parents=True, exist_ok=True)
        said = []
        code = main(arguments, said.append)
        with log.open("a") as file:
            file.writelines(f"{line}\n" for line in said)
        return Ended(code, 2.0, 1.0, 10**8)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
