"""The prepared folder: atomic, repeatable, verified."""

import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tf_gradcraft.data_pipelines import PreparedData, datasets
from tf_gradcraft.data_pipelines.manifest import describe_file
from tf_gradcraft.data_pipelines.preparation import folder as folder_module
from tf_gradcraft.data_pipelines.preparation import leftovers, shards


def snapshot(folder):
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_manifest_says_what_was_made_from_what(log, original):
    data = PreparedData(original)
    manifest = data.manifest
    assert sum(data.rows.values()) == 1500
    assert manifest["inputs"]["log.csv"] == describe_file(log.path / "log.csv")
    assert manifest["arguments"]["split"] == "date"
    assert set(manifest["outputs"]) == set(snapshot(original)) - {"manifest.json"}
    train = data.columns("train")
    assert manifest["label_rates"]["train"]["click"] == pytest.approx(train["click"].mean(), abs=1e-6)
    assert "1,0" in repr(data) or "train" in repr(data)


def test_repeated_run_does_nothing(log, folder):
    before = snapshot(folder)
    messages = []
    log.prepare(folder, progress=messages.append)
    assert snapshot(folder) == before
    assert any("nothing to do" in message for message in messages)


def test_same_arguments_same_bytes(log, folder, tmp_path):
    again = log.prepare(tmp_path / "again")
    assert again.manifest == PreparedData(folder).manifest


def test_other_arguments_need_overwrite(log, folder):
    before = snapshot(folder)
    with pytest.raises(ValueError, match=r"other arguments: seed is 0 there, 1 here; pass overwrite=True"):
        log.prepare(folder, seed=1)
    assert snapshot(folder) == before
    assert log.prepare(folder, seed=1, overwrite=True).manifest["arguments"]["seed"] == 1
    assert os.listdir(folder.parent) == ["data"]


def test_other_inputs_need_overwrite(folder, tmp_path):
    other = datasets.Synthetic.write(tmp_path / "raw", rows=1500, seed=3)
    with pytest.raises(ValueError, match=r"other inputs: log\.csv"):
        other.prepare(folder)


def test_a_folder_of_something_else_is_never_touched(log, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("years of work")
    for overwrite in (False, True):
        with pytest.raises(ValueError, match="is no prepared folder"):
            log.prepare(tmp_path / "thesis", overwrite=overwrite)
    assert (tmp_path / "thesis" / "chapter.txt").read_text() == "years of work"


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError("No space left on device")])
@pytest.mark.parametrize("step", ["write", "move_into_place", "describe_file"])
def test_interrupted_runs_leave_nothing_new_and_nothing_broken(log, folder, monkeypatch, error, step):
    before = snapshot(folder)
    where = shards.ShardWriter if step == "write" else folder_module
    real, calls = getattr(where, step), []

    def interrupted(*arguments, **keywords):
        calls.append(1)
        # The second part, and the first output file after the inputs were hashed.
        if step == "move_into_place" or len(calls) == (2 if step == "write" else 5):
            raise error
        return real(*arguments, **keywords)

    monkeypatch.setattr(where, step, interrupted)
    for target, overwrite in ((folder, True), (folder.parent / "new", False)):
        calls.clear()
        with pytest.raises(error if isinstance(error, type) else OSError):
            log.prepare(target, seed=9, overwrite=overwrite)
    assert os.listdir(folder.parent) == ["data"]
    assert snapshot(folder) == before
    PreparedData(folder)


def test_failing_last_rename_puts_the_old_folder_back(folder, monkeypatch):
    real, beside = os.rename, folder.parent / "beside"
    beside.mkdir()
    before = snapshot(folder)

    def rename(source, target):
        if source == beside:
            raise OSError("broken disk")
        real(source, target)

    monkeypatch.setattr(folder_module.os, "rename", rename)
    with pytest.raises(OSError, match="broken disk"):
        folder_module.move_into_place(beside, folder)
    assert snapshot(folder) == before


def test_failing_preparation_leaves_the_old_folder(log, folder):
    before = snapshot(folder)
    with pytest.raises(ValueError, match="no row in: test"):
        log.prepare(folder, test_from=99, overwrite=True)
    assert snapshot(folder) == before


def test_folder_without_manifest_does_not_open(folder, tmp_path):
    (folder / "manifest.json").unlink()
    for path in (folder, tmp_path / "nowhere"):
        with pytest.raises(FileNotFoundError, match="is no prepared folder"):
            PreparedData(path)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "train/part-00000.parquet").unlink(), r"train/part-00000\.parquet is missing"),
        (
            lambda f: (f / "test/part-00000.parquet").write_bytes((f / "test/part-00000.parquet").read_bytes()[:-9]),
            r"test/part-00000\.parquet is damaged: \d+ bytes, the manifest says \d+; prepare the folder again",
        ),
        (lambda f: flip_byte(f / "valid/part-00000.parquet"), r"valid/part-00000\.parquet was changed"),
        (lambda f: flip_byte(f / "schema.json"), r"schema\.json was changed"),
        (lambda f: (f / "vocabularies/user_id.parquet").unlink(), r"user_id\.parquet is missing"),
        (lambda f: shutil.copy(f / "test/part-00000.parquet", f / "train/part-00001.parquet"), "does not belong there"),
        (lambda f: (f / "manifest.json").write_text('{"rows": {"train'), r"manifest\.json is damaged"),
        (lambda f: (f / "manifest.json").write_text("[]"), r"manifest\.json is no manifest"),
        (lambda f: (f / "manifest.json").write_text("{}"), r"manifest\.json has no dataset, .*outputs"),
    ],
)
def test_damaged_folders_are_refused(folder, damage, message):
    damage(folder)
    with pytest.raises(ValueError, match=message):
        PreparedData(folder)


def flip_byte(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_damaged_folder_is_not_silently_kept(log, folder):
    (folder / "train/part-00000.parquet").unlink()
    with pytest.raises(ValueError, match=r"is missing.*overwrite=True"):
        log.prepare(folder)
    assert log.prepare(folder, overwrite=True).rows["train"] > 0


def test_shards_have_even_sizes_whatever_the_batches(tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "ROWS_PER_GROUP", 3)
    table = pa.table({"x": np.arange(10)})
    for name, batches in (("one", [10]), ("many", [1, 5, 0, 4])):
        with shards.ShardWriter(tmp_path / name, rows=10, limit=4) as writer:
            for start, size in zip(np.cumsum([0, *batches]), batches, strict=False):
                writer.write(table.slice(start, size))
        metadata = [pq.read_metadata(path) for path in sorted((tmp_path / name).iterdir())]
        assert [file.num_rows for file in metadata] == [4, 3, 3]
        assert [file.row_group(0).num_rows for file in metadata] == [3, 3, 3]
        assert pq.read_table(tmp_path / name)["x"].to_pylist() == list(range(10))
    with pytest.raises(ValueError, match="more rows than the 1 that were announced"):
        shards.ShardWriter(tmp_path / "few", rows=1).write(table)


KILLED = """
import os, signal, sys
from tf_gradcraft.data_pipelines import datasets
from tf_gradcraft.data_pipelines.preparation import leftovers, shards

def kill(*arguments):
    os.kill(os.getpid(), signal.SIGKILL)

shards.ShardWriter._flush = kill
datasets.Synthetic(sys.argv[1]).prepare(sys.argv[2], overwrite=True, seed=9)
"""


def test_a_killed_run_leaves_nothing_that_loads_and_the_next_one_clears_up(log, folder):
    before = snapshot(folder)
    for target in (folder, folder.parent / "new"):
        killed = subprocess.run([sys.executable, "-c", KILLED, log.path, target], capture_output=True, check=False)
        assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert snapshot(folder) == before
    left = sorted(name for name in os.listdir(folder.parent) if name != "data")
    assert [name.split(".")[1] for name in left] == ["data", "new"]
    for name in left:
        assert any((folder.parent / name / "data").rglob("*.parquet"))  # it was writing
        with pytest.raises(FileNotFoundError, match="is no prepared folder"):
            PreparedData(folder.parent / name / "data")
    assert log.prepare(folder.parent / "new", seed=9).rows["train"] > 0
    log.prepare(folder)  # nothing to do, but to clear up
    assert sorted(os.listdir(folder.parent)) == ["data", "new"]


def test_a_running_preparation_is_no_leftover_and_a_lost_old_folder_comes_back(log, folder):
    with leftovers.beside(folder) as place:
        leftovers.remove_leftovers(folder)
        assert place.exists()
    before = snapshot(folder)
    folder.rename(folder.parent / ".data.12345678.old")  # killed between the two renames
    log.prepare(folder)
    assert snapshot(folder) == before
    assert os.listdir(folder.parent) == ["data"]


def test_a_full_disk_leaves_the_old_folder(log, folder):
    before = snapshot(folder)
    code = (
        "import resource, sys; from tf_gradcraft.data_pipelines import datasets; "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)); import signal; "
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "datasets.Synthetic(sys.argv[1]).prepare(sys.argv[2], overwrite=True, seed=9)"
    )
    full = subprocess.run([sys.executable, "-c", code, log.path, folder], capture_output=True, text=True, check=False)
    assert full.returncode != 0
    assert "File too large" in full.stderr
    assert os.listdir(folder.parent) == ["data"]
    assert snapshot(folder) == before
