"""Calling the command as a user does."""

import dataclasses
import json
import re
from pathlib import Path

from typer.testing import CliRunner

from tf_gradcraft.cli import app

FAST = ["--batch-size", "512", "--embedding-dim", "4", "--model", "shared_bottom", "--tasks", "click,like"]
RUN_OPTIONS = [*FAST, "--set", "tau=0.25", "--epochs", "3", "--patience", "1", "--seed", "5"]
"""The options of the run that most tests look at."""


@dataclasses.dataclass
class Called:
    """What a call of the command ended with; escape codes of colours are taken out."""

    code: int
    out: str
    err: str


def call(*arguments):
    """Calls `tf-gradcraft` in this process."""
    result = CliRunner(env={"COLUMNS": "200", "TERM": "dumb"}).invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Called(result.exit_code, *(re.sub(r"\x1b\[[0-9;]*m", "", text) for text in (result.stdout, result.stderr)))


def succeed(*arguments):
    called = call(*arguments)
    assert called.code == 0, called.err
    return called


def fail(*arguments):
    """Calls the command with something wrong; the error must be one line on stderr. Returns it."""
    called = call(*arguments)
    assert called.code == 1, called
    [line] = [line for line in called.err.splitlines() if line.startswith("error: ")]
    assert called.err.rstrip().endswith(line)
    assert "Traceback" not in called.err + called.out
    return line


def read_json(path):
    return json.loads(Path(path).read_text())


def snapshot(folder):
    """Every file under a folder with its content."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}
