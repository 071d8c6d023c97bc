"""The same training by Keras 3 here and by Keras 2 in another process; and each stack's door in the other one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import both_stacks
import numpy as np
import pytest

import tf_gradcraft

LEGACY = {**os.environ, "TF_USE_LEGACY_KERAS": "1"}


def in_keras_2(*arguments, **settings):
    return subprocess.run([sys.executable, *arguments], env=LEGACY, capture_output=True, text=True, **settings)


@pytest.mark.thorough
def test_both_kinds_of_models_make_the_same_steps_from_equal_variables(tmp_path):
    file = tmp_path / "keras_2.npz"
    process = in_keras_2(str(Path(both_stacks.__file__)), str(file), check=False)
    assert process.returncode == 0, process.stderr[-3000:]
    here, there = both_stacks.train_all(), np.load(file)
    assert set(here) == set(there)
    for what in ("gram", "weights", "gradient click_tower/0", "after embeddings/0"):
        assert any(what in name for name in here)
    for name, values in here.items():
        scale = max(1.0, np.abs(values).max())
        np.testing.assert_allclose(there[name] / scale, values / scale, rtol=0, atol=1e-6, err_msg=name)
    moved = [name for name in here if "after" in name and (here[name] != here[name.replace("after", "before")]).any()]
    assert len(moved) == sum("after" in name for name in here)


def test_the_door_says_in_keras_3_what_to_set():
    with pytest.raises(ImportError, match=r"^tf_gradcraft.tfrs needs Keras 2: .* TF_USE_LEGACY_KERAS=1 .* before .*$"):
        _ = tf_gradcraft.tfrs


KERAS_3_ONLY = """
import json, sys
import tf_gradcraft as gc, tf_gradcraft.training
assert "tensorflow" not in sys.modules
found = {}
for name in ("MultiTaskModel", "load_model", "optimizers", "models.PLE", "models.SchemaModel", "serving.export"):
    try:
        part = gc
        for attribute in name.split("."):
            part = getattr(part, attribute)
    except ImportError as error:
        found[name] = str(error)
try:
    gc.metrics.AUC()
except ImportError as error:
    found["metrics.AUC"] = str(error)
from typer.testing import CliRunner
from tf_gradcraft.cli import app
result = CliRunner().invoke(app, ["train", ".", "--out", "run"])
found["the command"] = result.stderr.strip().splitlines()[-1].removeprefix("error: ")
assert result.exit_code == 1
gc.balancing, gc.data_pipelines, gc.gradients, gc.tfrs.BalancedModel, gc.SharedRepresentation, gc.models.Gate
print(json.dumps(found))
"""


def test_what_needs_keras_3_says_so_in_keras_2(tmp_path):
    process = in_keras_2("-c", KERAS_3_ONLY, check=False, cwd=tmp_path)
    assert process.returncode == 0, process.stderr[-3000:]
    found = json.loads(process.stdout.splitlines()[-1])
    assert len(found) == 8
    for message in found.values():
        assert "\n" not in message
        assert "needs Keras 3: start Python again without TF_USE_LEGACY_KERAS" in message
