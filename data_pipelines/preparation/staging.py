"""The rows of a log, sorted, checked and split: written once, as they come, for all that follows."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import narwhals as nw
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tf_gradcraft.data_pipelines.checks import check_labels, check_weights, refuse_rows
from tf_gradcraft.data_pipelines.preparation.columns import as_floats, typed_table
from tf_gradcraft.data_pipelines.preparation.engine import record_batches
from tf_gradcraft.data_pipelines.preparation.ordering import in_full_order
from tf_gradcraft.data_pipelines.preparation.parts import SPLIT, RowParts
from tf_gradcraft.data_pipelines.preparation.splitting import SPLITS
from tf_gradcraft.data_pipelines.preparation.table_spec import TableSpec

BATCH_ROWS = 250_000
REPAIR = "repair the input and prepare again"


@dataclasses.dataclass(frozen=True)
class StagedRows:
    """A Parquet file with the rows in order of time: typed, checked, with the part and fold of each.

    Args:
        path: The file.
        counts: Number of rows in train, valid and test, int64 [3].
        dates: First and last date; None without rows.
    """

    path: Path
    counts: np.ndarray
    dates: tuple[int, int] | None

    def batches(self, rows: int = BATCH_ROWS) -> Iterator[pa.Table]:
        """Yields the rows in order."""
        for batch in pq.ParquetFile(self.path).iter_batches(rows):
            yield pa.Table.from_batches([batch])

    def column(self, name: str, split: int) -> np.ndarray:
        """Returns one numeric column of one part as float64, NaN where missing."""
        table = pq.read_table(self.path, columns=[name, SPLIT])
        return as_floats(table[name])[table[SPLIT].to_numpy() == split]


def stage_rows(frame: nw.LazyFrame, spec: TableSpec, parts: RowParts, path: Path, where: str) -> StagedRows:
    """Evaluates a lazy log once, in order of time, and writes its rows batch by batch.

    Args:
        frame: The log, a frame of DuckDB.
        spec: What the columns are.
        parts: Says the part and fold of each row.
        path: The Parquet file to write.
        where: What the log is, for errors.

    Raises:
        ValueError: If a label, weight, key or number is not what it should be; the message names column and row.
    """
    ordered = frame.select(*spec.columns).sort(*spec.sort_keys, nulls_last=True)
    counts, dates = np.zeros(len(SPLITS), np.int64), []
    writer, offset = None, 0
    try:
        for table in in_full_order(record_batches(ordered, BATCH_ROWS), spec.sort_keys):
            place = where if not offset else f"{where}, after the first {offset:,}"
            checked = check_rows(typed_table(table, spec, place), spec, place)
            checked = parts.add(checked)
            if writer is None:
                writer = pq.ParquetWriter(path, checked.schema, compression="lz4")
            writer.write_table(checked)
            counts += np.bincount(checked[SPLIT].to_numpy(), minlength=len(SPLITS))
            if len(checked):
                days = checked[spec.date or spec.time].to_numpy()
                dates += [int(days.min()), int(days.max())]
            offset += len(checked)
    finally:
        if writer is not None:
            writer.close()
    return StagedRows(path, counts, (min(dates), max(dates)) if dates else None)


def check_rows(table: pa.Table, spec: TableSpec, where: str) -> pa.Table:
    """Returns typed rows with labels and weights in float32 and numbers in float64, null where missing.

    Raises:
        ValueError: If a label is none of its task, a weight is negative, a number infinite or a key missing.

    Example:
        >>> spec = TableSpec(user="u", item="i", time="t", tasks=("click",), categorical={"u": "int64"})
        >>> check_rows(pa.table({"u": [1], "i": [2], "t": [3], "click": [1]}), spec, "log")["click"].type
        DataType(float)
    """
    for name in (*spec.sort_keys, spec.date or spec.time):
        if missing := table[name].null_count:
            raise ValueError(f"{where}, column {name!r}: {missing} values are missing; {REPAIR}")
    changed: dict[str, np.ndarray] = {}
    for task in spec.task_list:
        labels = as_floats(table[task.name])
        if task.mask is not None:
            weights = as_floats(table[task.mask])
            check_weights(weights, where, task.mask, REPAIR)
            changed[task.mask] = weights.astype(np.float32)
            labels = np.where(weights == 0, 0.0, labels)
        check_labels(labels, task, where, task.name, REPAIR)
        changed[task.name] = labels.astype(np.float32)
    for name in spec.numeric:
        values = as_floats(table[name])
        refuse_rows(np.isinf(values), values, where, name, "is infinite", REPAIR)
        changed[name] = values
    for name, values in changed.items():
        column = pa.array(values, from_pandas=True)
        # A column may be a key, or a category, as well as a number; then it keeps its own type.
        if name not in (*spec.sort_keys, spec.date, spec.group, *spec.categorical):
            table = table.set_column(table.column_names.index(name), name, column)
    return table
