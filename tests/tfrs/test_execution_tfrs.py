"""A TFRS model under XLA, several steps a call, and on two replicas: the same training."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tower_ids import batches, made, values

METHODS = ("metabalance:parameters:2", "gradcraft:representation:1")


@pytest.mark.parametrize(
    ("how", "balancing", "over"),
    [({"jit_compile": True}, "gradcraft", "parameters"), ({"steps_per_execution": 2}, "metabalance", "representation")],
    ids=["XLA", "two steps a call"],
)
def test_a_compiled_step_is_the_eager_one(how, balancing, over):
    models = [made(balancing=balancing, balance_over=over, **by) for by in ({"run_eagerly": True}, how)]
    start = values(models[0])
    for model in models:
        model.fit(batches(), verbose=0)
    assert max(np.abs(a - b).max() for a, b in zip(start, values(models[0]), strict=True)) > 1e-2
    for one, other in zip(*map(values, models), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-5)


def test_two_replicas_train_as_one_device_does():
    script = Path(__file__).with_name("replica_training_tfrs.py")
    run = subprocess.run([sys.executable, str(script), *METHODS], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-3000:]
    reports = [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]
    assert [report["what"] for report in reports] == list(METHODS)
    for report in reports:
        assert report["replicas"] == 2
        assert report["moved"] > 1e-2
        assert report["weights"] < 1e-5
