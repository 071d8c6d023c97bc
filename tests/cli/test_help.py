"""`--help` teaches, and does not wait for what it does not need."""

import re
import subprocess
import sys

import pytest
from calling import call, succeed

COMMANDS = ("demo", "datasets", "synthesize", "prepare", "prepare-table", "train", "search", "evaluate", "export")
COMMANDS += ("serve-check", "serve-config", "compare", "ablate", "report", "log-mlflow")

HELP = """
import sys
from tf_gradcraft.cli import app
for command in [(), *zip(sys.argv[1:])]:
    app([*command, "--help"], standalone_mode=False)
loaded = {"tensorflow", "keras", "pandas", "pyarrow", "duckdb", "matplotlib"} & set(sys.modules)
assert not loaded, loaded
"""


def test_help_imports_nothing_heavy():
    done = subprocess.run([sys.executable, "-c", HELP, *COMMANDS], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Usage: ") == 1 + len(COMMANDS)


def test_help_lists_all_commands():
    text = succeed("--help").out
    assert all(re.search(rf"^\W*{command} ", text, re.MULTILINE) for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example_of_the_command(command):
    text = succeed(command, "--help").out
    assert "Example" in text
    assert f"tf-gradcraft {command} " in text


def test_help_of_train_names_methods_and_models_that_exist():
    from tf_gradcraft import balancing, models

    text = " ".join(succeed("train", "--help").out.split())
    assert all(name in text for name in models.names())
    named = re.search(r"balanced: (.*?) \(the plain sum", re.sub(r"[│|]", " ", text)).group(1)
    mentioned = set(re.findall(r"[a-z_]+", named)) - {"or", "default", "str", "balancing"}
    assert {"gradcraft", "metabalance", "sum"} <= mentioned <= set(balancing.names())


def test_defaults_are_shown():
    text = " ".join(succeed("train", "--help").out.split())
    for default in ("ple", "gradcraft", "20", "2048", "0.001"):
        assert f"[default: {default}]" in text


def test_no_command_shows_help():
    called = call()
    assert "Commands" in called.out + called.err


def test_version():
    import tf_gradcraft

    assert succeed("--version").out.strip() == f"tf-gradcraft {tf_gradcraft.__version__}"
