"""The worked example of CONTRIBUTING.md: its files are put where it says, tested by the laws, and trained with."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import toy

import tf_gradcraft as gc
from tf_gradcraft import balancing

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
EXAMPLE = PAGE[PAGE.index("### A worked example") : PAGE.index("## Adding a model or a data set")]
METHOD, ORACLE, REGISTRATION = re.findall(r"```python\n(.*?)```", EXAMPLE, flags=re.DOTALL)
REGISTRY_LINES, ROW = re.findall(r"```diff\n(.*?)```", EXAMPLE, flags=re.DOTALL)

TRAINING = """
import numpy as np
import toy

import tf_gradcraft
from tf_gradcraft.balancing import EqualNorms


def test_two_steps_of_training():
    assert tf_gradcraft.__file__.startswith({folder!r})
    model = toy.compiled("equal_norms")
    start = model.get_weights()
    for _ in range(2):
        model.train_on_batch(*toy.log(32))
    assert model.balancing == EqualNorms()
    for old, new in zip(start, model.get_weights(), strict=True):
        assert np.isfinite(new).all()
        assert (old != new).any()
"""


def apply_diff(path, diff):
    """Puts each line marked by + behind the unmarked line that stands before it."""
    content = path.read_text(encoding="utf-8")
    for place, added in re.findall(r"^ (.*\n)\+(.*\n)", diff, flags=re.MULTILINE):
        assert content.count(place) == 1, f"{path.name}: {place!r}"
        content = content.replace(place, place + added)
    path.write_text(content, encoding="utf-8")


def test_one_file_one_registry_line_and_one_row_make_a_method(tmp_path):
    package, tests = tmp_path / "tf_gradcraft", tmp_path / "tests"
    shutil.copytree(ROOT / "tf_gradcraft", package, ignore=shutil.ignore_patterns("__pycache__"))
    (tests / "balancing").mkdir(parents=True)
    of_methods = ("balancing/laws.py", "balancing/methods_table.py", "balancing/test_methods.py")
    for name in ("conftest.py", "toy.py", "balancing_oracles.py", "loss_oracles.py", *of_methods):
        shutil.copy(ROOT / "tests" / name, tests / name)

    (package / "balancing" / "equal_norms.py").write_text(METHOD, encoding="utf-8")
    apply_diff(package / "balancing" / "__init__.py", REGISTRY_LINES)
    apply_diff(tests / "balancing" / "methods_table.py", ROW)
    with (tests / "balancing_oracles.py").open("a", encoding="utf-8") as file:
        file.write("\n\n" + ORACLE)
    (tests / "test_training.py").write_text(TRAINING.format(folder=str(tmp_path)), encoding="utf-8")

    run = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--exhaustive", "--doctest-modules"),
            *("-k", "EqualNorms or equal_norms or covers_the_registry or two_steps"),
            *("tests", "tf_gradcraft/balancing/equal_norms.py"),
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-1000:]
    # The laws that hold for every method, the doctest, and the training.
    assert int(re.search(r"(\d+) passed", run.stdout)[1]) > 30
    assert "failed" not in run.stdout


@pytest.fixture
def equal_norms(tmp_path):
    """The example as a module of someone else's."""
    path = tmp_path / "their_methods.py"
    path.write_text(METHOD, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("their_methods", path)
    module = sys.modules["their_methods"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module.EqualNorms
    del sys.modules["their_methods"]
    balancing._METHODS.pop("equal_norms", None)


def test_a_method_from_outside_can_be_registered_trained_with_saved_and_loaded(equal_norms, tmp_path):
    with pytest.raises(ValueError, match="balancing='equal_norms' is not known"):
        toy.compiled("equal_norms")
    exec(REGISTRATION, {"tf_gradcraft": gc, "EqualNorms": equal_norms})
    assert "equal_norms" in balancing.names()
    model = toy.compiled("equal_norms")
    toy.train(model, epochs=1, batch_size=32)
    model.save(tmp_path / "model.keras")
    loaded = gc.load_model(tmp_path / "model.keras")
    assert loaded.balancing == equal_norms()
    for made in (model, loaded):
        toy.train(made, epochs=1, batch_size=32)
    assert toy.difference(model, loaded) < 1e-6
