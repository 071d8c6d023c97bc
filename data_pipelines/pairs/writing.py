"""Writing the prepared folder of pairs."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tf_gradcraft.data_pipelines.manifest import MANIFEST_FILE, describe_file
from tf_gradcraft.data_pipelines.preparation.folder import move_into_place
from tf_gradcraft.data_pipelines.preparation.splitting import SPLITS
from tf_gradcraft.data_pipelines.schema import Schema


def write_pairs(
    folder: Path, origin: Mapping[str, Any], schema: Schema, columns: Mapping[str, np.ndarray], split: np.ndarray
) -> None:
    """Writes a prepared folder beside its place and moves it there in the end: one Parquet file a split.

    Args:
        folder: The prepared folder.
        origin: What it is made from, the first part of its manifest.
        schema: Features, behaviours and vocabularies.
        columns: Columns [n] by name.
        split: int8 [n]: 0 train, 1 valid, 2 test.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = folder.parent / f".{folder.name}.{uuid.uuid4().hex[:8]}.partial"
    try:
        beside.mkdir()
        schema.save(beside)
        rows, rates = {}, {}
        for part, name in enumerate(SPLITS):
            at = np.flatnonzero(split == part)
            (beside / name).mkdir()
            table = pa.table({column: values[at] for column, values in columns.items()})
            pq.write_table(table, beside / name / "part-00000.parquet", compression="zstd")
            rows[name] = len(at)
            rates[name] = {task: float(columns[task][at].mean(dtype=np.float64)) for task in schema.task_names}
        files = sorted(path for path in beside.rglob("*") if path.is_file())
        outputs = {path.relative_to(beside).as_posix(): describe_file(path) for path in files}
        manifest = {**origin, "rows": rows, "label_rates": rates, "outputs": outputs}
        # Last: a folder without a manifest does not load.
        (beside / MANIFEST_FILE).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
        move_into_place(beside, folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
