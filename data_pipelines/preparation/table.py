"""From a cleaned and joined table to a prepared folder: every step in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import duckdb
import narwhals as nw
import numpy as np
import pyarrow as pa

from tf_gradcraft.data_pipelines.preparation.columns import as_arrow
from tf_gradcraft.data_pipelines.preparation.core_filter import k_core
from tf_gradcraft.data_pipelines.preparation.encoding import Columns, RowEncoder
from tf_gradcraft.data_pipelines.preparation.engine import connect, in_duckdb, limit
from tf_gradcraft.data_pipelines.preparation.fitting import fit
from tf_gradcraft.data_pipelines.preparation.folder import FolderWriter
from tf_gradcraft.data_pipelines.preparation.options import Options, check_tasks
from tf_gradcraft.data_pipelines.preparation.parts import RowParts
from tf_gradcraft.data_pipelines.preparation.shards import ShardWriter
from tf_gradcraft.data_pipelines.preparation.splitting import SPLITS, check_no_empty_split
from tf_gradcraft.data_pipelines.preparation.staging import StagedRows, stage_rows
from tf_gradcraft.data_pipelines.preparation.table_spec import TableSpec
from tf_gradcraft.data_pipelines.preparation.vocabularies import ColumnEncoder, column_values
from tf_gradcraft.data_pipelines.prepared import PreparedData

Progress = Callable[[str], None]


def prepare_table(
    read: Callable[[], nw.LazyFrame],
    spec: TableSpec,
    options: Options,
    folder: str | Path,
    *,
    dataset: str,
    inputs: list[Path],
    arguments: dict,
    overwrite: bool = False,
    progress: Progress | None = None,
    fingerprints: Mapping[str, Any] | None = None,
) -> PreparedData:
    """Prepares any table: the core that every data set calls.

    Rows are never held: the engine filters and sorts them, they are written to a file in order of time, counts and
    sums of the training rows are taken from there by DuckDB, and the file is encoded batch by batch. Memory grows with
    the number of distinct ids, not of rows.

    Args:
        read: Returns the cleaned and joined log as a lazy frame; called only when there is something to do.
        spec: What the columns are.
        options: The choices of the preparation.
        folder: The prepared folder to write.
        dataset: Name of the data set, for the manifest.
        inputs: The files that are read; their hashes decide whether a repeated run has something to do.
        arguments: Further arguments that change the result (plain JSON types).
        overwrite: Whether to replace a prepared folder that was made with other arguments or inputs.
        progress: Called with a short text before each step.
        fingerprints: What stands in the manifest for inputs that are no files, by name.

    Returns:
        The `PreparedData`.

    Raises:
        ValueError: If the folder holds something else (and `overwrite` is not set), or the table is not fit for
            training; the folder then stays as it was.
    """
    progress = progress or (lambda text: None)
    if isinstance(options.smoothing, Mapping):
        check_tasks(options.smoothing, spec.task_names)
    arguments = {**arguments, **options.to_dict(), "tasks": list(spec.task_names)}
    progress("hashing the input files")
    writer = FolderWriter(folder, dataset, inputs, arguments, overwrite, fingerprints)
    if existing := writer.existing():
        progress("nothing to do: the folder was prepared from the same files with the same arguments")
        return existing
    where = f"the rows of {inputs[0]} in order of time" if len(inputs) else dataset
    with writer.place() as place, connect(options, place / "spill") as connection:
        frame = read()
        limit(frame, options, place / "spill")
        staged, encoder = fit_rows(frame, spec, options, connection, place, where, progress)
        progress("writing " + ", ".join(f"{n:,} {name}" for name, n in zip(SPLITS, staged.counts, strict=True)))
        label_rates = write_parts(place / "data", encoder.encode(staged), staged.counts, spec.task_names)
        counts = dict(zip(SPLITS, staged.counts.tolist(), strict=True))
        return writer.finish(place / "data", encoder.schema(), counts, label_rates)


def fit_rows(
    frame: nw.LazyFrame,
    spec: TableSpec,
    options: Options,
    connection: duckdb.DuckDBPyConnection,
    place: Path,
    where: str,
    progress: Progress,
) -> tuple[StagedRows, RowEncoder]:
    """Filters, sorts, splits and stages the rows of a log, and fits what their encoding needs.

    Args:
        frame: The log, a lazy frame of any engine.
        spec: What the columns are.
        options: The choices of the preparation.
        connection: The database that counts, and takes the rows of other engines.
        place: Folder for what is written on the way.
        where: What the log is, for errors.
        progress: Called with a short text before each step.

    Returns:
        The rows in order of time, and what encodes them.
    """
    frame = in_duckdb(filter_rows(frame, spec, options, progress), connection, place)
    progress("reading the rows in order of time")
    staged = stage_rows(frame, spec, RowParts(frame, spec, options), place / "rows.parquet", where)
    check_no_empty_split(staged.counts, split_hint(staged, options))
    progress(f"fitting on {staged.counts[0]:,} training rows")
    rows = nw.from_native(connection.read_parquet(str(staged.path)))
    fitted = fit(rows, staged, spec, options)
    return staged, RowEncoder(spec, options, fitted, all_users(rows, spec) if spec.histories else None)


def filter_rows(frame: nw.LazyFrame, spec: TableSpec, options: Options, progress: Progress) -> nw.LazyFrame:
    """Returns the columns of the spec, and of the rows those of the k-core.

    Raises:
        ValueError: If a column of the spec is missing.
    """
    known = frame.collect_schema().names()
    for column in spec.columns:
        if column not in known:
            raise ValueError(f"the table has no column {column!r}; it has {', '.join(known)}")
    if options.k_core > 1:
        progress(f"keeping the {options.k_core}-core of users and items")
        frame = k_core(frame, spec.user, spec.item, options.k_core)
    return frame.select(*spec.columns)


def split_hint(staged: StagedRows, options: Options) -> str:
    """Returns what may be done about a part without rows."""
    if options.split == "date":
        span = "the dates run from {} to {}".format(*staged.dates) if staged.dates else "no row is left at all"
        return f"{span}; choose valid_from and test_from inside, or a smaller k_core"
    return f"{int(staged.counts.sum())} rows are left in all; take more rows, or a smaller k_core"


def all_users(rows: nw.LazyFrame, spec: TableSpec) -> ColumnEncoder:
    """Returns an encoder that numbers the users of all parts."""
    users = rows.select(spec.user).unique().collect(backend="pyarrow").to_arrow()
    return ColumnEncoder(column_values(users[spec.user]))


def write_parts(
    folder: Path, batches: Iterator[tuple[Columns, np.ndarray]], counts: np.ndarray, tasks: tuple[str, ...]
) -> dict[str, dict[str, float]]:
    """Writes rows into the shards of their parts.

    Args:
        folder: Where the folders of the parts go; made here.
        batches: Columns by name, and the part of each row.
        counts: Number of rows of each part.
        tasks: The label columns.

    Returns:
        The mean of each label by part and task.
    """
    folder.mkdir()
    sums = {name: dict.fromkeys(tasks, 0.0) for name in SPLITS}
    with ExitStack() as stack:
        writers = [
            stack.enter_context(ShardWriter(folder / name, int(count)))
            for name, count in zip(SPLITS, counts, strict=True)
        ]
        for columns, split in batches:
            table = as_arrow(columns)
            for part, name in enumerate(SPLITS):
                mine = split == part
                if mine.any():
                    writers[part].write(table if mine.all() else table.filter(pa.array(mine)))
                    for task in tasks:
                        sums[name][task] += float(columns[task][mine].sum(dtype=np.float64))
    return {
        name: {task: total / int(count) for task, total in sums[name].items()}
        for (name, count) in zip(SPLITS, counts, strict=True)
    }
