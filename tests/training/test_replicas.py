import json
import subprocess
import sys
from pathlib import Path

import pytest

METHODS = {
    "one": ("gradcraft:representation:3:metrics",),
    "some": ("sum:parameters:1:metrics", "metabalance:parameters:3"),
    "more": ("gradcraft", "metabalance", "dwa", "famo"),
}


@pytest.mark.parametrize("methods", METHODS.values(), ids=METHODS)
@pytest.mark.quick("one")
def test_two_replicas_train_and_evaluate_as_one_device_does(methods):
    script = Path(__file__).with_name("replica_training.py")
    run = subprocess.run([sys.executable, str(script), *methods], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-3000:]
    reports = [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]
    assert [report["what"] for report in reports] == list(methods)
    for report in reports:
        assert report["replicas"] == 2
        assert report["moved"] > 1e-2
        assert report["weights"] < 1e-5
        # A method that looks at no gradients is not looked at across replicas; the others say the same of both.
        alone, together = report["noted"]
        assert alone == (3 if ":3" in report["what"] else 8)
        assert together == (0 if report["what"].split(":")[0] in ("sum", "dwa", "famo") else alone)
        assert report.get("record", 0) < 1e-3
    for report in (report for report in reports if report["what"].endswith(":metrics")):
        assert {"loss", "click_auc", "click_gauc", "like_log_loss", "auc_mean"} < set(report["metrics"])
        assert max(report["metrics"].values()) < 1e-5
