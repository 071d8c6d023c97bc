"""Reading while a model trains: after a kill, and on two replicas."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from prepared_files import write_folder
from resumed_training import train

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prepared")
    write_folder(folder)
    return folder


@pytest.mark.parametrize("mode", ["memory", "streaming"])
@pytest.mark.quick("streaming")
def test_training_that_was_killed_goes_on_as_if_it_had_not_been(folder, tmp_path, mode):
    # 13 steps a pass: the kill comes in the second pass, two steps after a backup.
    script = [sys.executable, str(HERE / "resumed_training.py"), str(folder), str(tmp_path / "backup"), mode, "18"]
    assert subprocess.run(script, check=False).returncode == 9
    assert json.loads((tmp_path / "backup" / "training_metadata.json").read_text())["epoch"] == 4
    resumed = train(folder, tmp_path / "backup", mode)
    straight = train(folder, tmp_path / "none", mode)
    for one, other in zip(resumed, straight, strict=True):
        np.testing.assert_array_equal(one, other)


def test_two_replicas_get_all_rows_and_train(folder):
    run = subprocess.run(
        [sys.executable, str(HERE / "replica_reading.py"), str(folder)], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr[-3000:]
    reports = [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]
    assert [report["mode"] for report in reports] == ["memory", "streaming"]
    for report in reports:
        assert [[len(half) for half in batch] for batch in report["halves"]] == [[8, 8]] * 6 + [[2, 2]]
        assert sorted(row for batch in report["halves"] for half in batch for row in half) == list(range(100))
        assert sorted(row for part in report["by_function"] for row in part) == list(range(100))
        assert report["steps"] == [2 * 6, 2 * 6]
        assert np.isfinite(report["loss"]).all()
