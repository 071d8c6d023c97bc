"""A prepared folder with every kind of column, written by the tests themselves."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tf_gradcraft.data_pipelines import Feature, Schema, Task
from tf_gradcraft.data_pipelines.manifest import describe_file

FEATURES = ("row", "price", "tags", "items")


def draw_columns(rows, seed=0):
    random = np.random.default_rng(seed)
    return {
        "row": np.arange(rows, dtype=np.int32),
        "price": random.normal(size=rows).astype(np.float32),
        "tags": random.integers(-1, 7, (rows, 3)).astype(np.int32),
        "items": random.integers(-1, rows, (rows, 2)).astype(np.int32),
        "group": random.integers(-(2**40), 2**40, rows),
        "click": random.integers(0, 2, rows).astype(np.float32),
        "buy": random.integers(0, 2, rows).astype(np.float32),
        "known": random.choice([0, 0.5, 1], rows).astype(np.float32),
    }


def write_folder(folder, rows=None, files=3, group_rows=7):
    """Writes splits of these rows, each in files of uneven size; returns the columns by split."""
    rows = rows or {"train": 100, "valid": 23, "test": 5}
    size = max(rows.values())
    schema = Schema(
        features=(
            Feature(name="row", kind="categorical", dtype="int64", size=size),
            Feature(name="price", kind="numeric"),
            Feature(name="tags", kind="tags", dtype="string", size=7, length=3),
            Feature(name="items", kind="history", of="row", length=2),
        ),
        tasks=(Task(name="click"), Task(name="buy", mask="known")),
    )
    schema.save(folder)
    columns = {split: draw_columns(count, seed) for seed, (split, count) in enumerate(rows.items())}
    for split, of in columns.items():
        (folder / split).mkdir()
        cuts = np.sort(np.random.default_rng(1).choice(rows[split] + 1, files - 1))
        for number, at in enumerate(np.split(np.arange(rows[split]), cuts)):
            path = folder / split / f"part-{number:05d}.parquet"
            pq.write_table(table_of({name: values[at] for name, values in of.items()}), path, row_group_size=group_rows)
    write_manifest(folder)
    return columns


def table_of(columns):
    def array(values):
        if values.ndim == 1:
            return pa.array(values)
        return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])

    return pa.table({name: array(values) for name, values in columns.items()})


def write_manifest(folder):
    """Writes a manifest that agrees with the files."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "manifest.json")
    rows = {
        s: sum(pq.read_metadata(path).num_rows for path in (folder / s).iterdir()) for s in ("train", "valid", "test")
    }
    manifest = {
        "dataset": "own",
        "library_version": "0",
        "arguments": {},
        "inputs": {},
        "rows": rows,
        "label_rates": {},
    }
    manifest["outputs"] = {path.relative_to(folder).as_posix(): describe_file(path) for path in files}
    (folder / "manifest.json").write_text(json.dumps(manifest))
