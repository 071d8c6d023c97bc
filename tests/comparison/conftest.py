import json

import pytest
from quick_trainer import InProcess
from rich.console import Console

from tf_gradcraft.comparison.plan import compare_plan
from tf_gradcraft.comparison.progress import RunProgress
from tf_gradcraft.comparison.runner import run_plan


@pytest.fixture
def prepared(tmp_path):
    """What a plan looks at of a prepared folder."""
    folder = tmp_path / "prepared"
    folder.mkdir()
    (folder / "manifest.json").write_text(json.dumps({"outputs": {}}))
    return folder


@pytest.fixture
def make_plan(prepared):
    """Plans of two tasks."""

    def make(methods=("gradcraft",), seeds=(1, 2), trials=2, tasks=("click", "like"), **settings):
        return compare_plan(prepared, tasks, methods, seeds, trials=trials, **settings)

    return make


@pytest.fixture
def calls(tmp_path, monkeypatch):
    """Gives a function that returns the calls of the quick trainer since it was asked last."""
    file = tmp_path / "calls"
    monkeypatch.setenv("QUICK_CALLS", str(file))

    def since():
        lines = file.read_text().splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return lines

    return since


@pytest.fixture
def run_quickly(tmp_path):
    """Runs a plan in `tmp_path / "out"`, with what stands in for training; returns what failed."""

    def run(plan, **settings):
        if "command" not in settings:
            settings = {"command": (), "processes": InProcess(), **settings}
        return run_plan(plan, tmp_path / "out", RunProgress(Console(quiet=True)), **settings)

    return run
