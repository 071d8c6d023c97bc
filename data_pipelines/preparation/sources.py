"""Any log to a prepared folder: files, or a frame of pandas, Polars, PyArrow, DuckDB or Spark."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import duckdb
import narwhals as nw
import pyarrow as pa
import pyarrow.parquet as pq

from tf_gradcraft.data_pipelines.preparation.cleaning import drop_duplicates
from tf_gradcraft.data_pipelines.preparation.labels import define_labels
from tf_gradcraft.data_pipelines.preparation.options import Options
from tf_gradcraft.data_pipelines.preparation.reading import read_csv, reading_errors
from tf_gradcraft.data_pipelines.preparation.shards import fingerprint
from tf_gradcraft.data_pipelines.preparation.table import Progress, prepare_table
from tf_gradcraft.data_pipelines.preparation.table_spec import TableSpec
from tf_gradcraft.data_pipelines.prepared import PreparedData

FRAME = "frame"


def prepare(
    log: Any,
    spec: TableSpec,
    folder: str | Path,
    *,
    labels: Mapping[str, nw.Expr] | None = None,
    types: Mapping[str, str] | None = None,
    duplicates: str = "drop",
    options: Options | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
    **choices: Any,
) -> PreparedData:
    """Prepares a log of your own: duplicates, labels, k-core, split, vocabularies, historical rates, Parquet.

    Args:
        log: One path or several, CSV (also `.gz`) or Parquet; or a frame of pandas, Polars, PyArrow, DuckDB or
            PySpark, or one of Narwhals.
        spec: What the columns are.
        folder: The prepared folder to write.
        labels: Columns to define, by name, as Narwhals expressions; see `at_least`, `ratio_at_least` and `any_of` in
            `tf_gradcraft.data_pipelines.preparation.labels`.
        types: CSV files: types of columns that `labels` need beside those of the spec, `"int64"`, `"float32"` or
            `"string"`.
        duplicates: `"drop"` keeps one of rows that are equal in all columns that are read; `"keep"` keeps all.
        options: The choices of the preparation; or give them by name, such as `k_core=10`.
        overwrite: Whether to replace a prepared folder that was made otherwise.
        progress: Called with a short text before each step.
        **choices: Fields of `Options`.

    Returns:
        The `PreparedData`. A repeated run with equal files or equal frames in memory does nothing. What a DuckDB or
        Spark frame holds can't be known without evaluating it: a repeated run needs `overwrite=True`.

    Raises:
        FileNotFoundError: If a file does not exist.
        ValueError: If a column is missing, a value is not what it should be, a part of the split is empty, or
            `folder` holds something else. `folder` then stays as it was.
        TypeError: If `log` is no frame, or options are given twice.

    Example:
        >>> import pandas as pd, tempfile
        >>> log = pd.DataFrame({"user": [1, 2] * 50, "film": list("abcde") * 20, "when": range(100)})
        >>> log["stars"] = [5, 3, 4, 1] * 25
        >>> spec = TableSpec(user="user", item="film", time="when", tasks=("liked",),
        ...                  categorical={"user": "int64", "film": "string"})
        >>> data = prepare(log, spec, tempfile.mkdtemp(), labels={"liked": nw.col("stars") >= 4}, seed=1)
        >>> sum(data.rows.values())
        100
    """
    if options is not None and choices:
        raise TypeError(f"give either options or {', '.join(choices)}, not both")
    if duplicates not in ("drop", "keep"):
        raise ValueError(f"duplicates is 'drop' or 'keep', got {duplicates!r}")
    options = options or Options(**choices)
    labels = dict(labels or {})
    arguments = {
        "spec": dataclasses.asdict(spec),
        "labels": {name: str(label) for name, label in labels.items()},
        "duplicates": duplicates,
    }

    def finish(frame: nw.LazyFrame) -> nw.LazyFrame:
        frame = drop_duplicates(frame) if duplicates == "drop" else frame
        return define_labels(frame, labels)

    paths = paths_of(log)
    with duckdb.connect() as connection:
        fingerprints: dict[str, Any] = {}
        errors: Any = nullcontext()
        if paths:
            wanted = column_types(spec, labels, types or {})
            errors = reading_errors(wanted)

            def read() -> nw.LazyFrame:
                return finish(read_files(connection, paths, wanted))

        else:
            frame = nw.from_native(log).lazy()
            if frame.implementation.is_duckdb() or frame.implementation.is_spark_like():
                fingerprints[FRAME] = {"id": uuid.uuid4().hex}
            else:
                # Without the index of a pandas frame, which would tell equal rows apart.
                table = frame.collect(backend="pyarrow").to_arrow().select(frame.collect_schema().names())
                fingerprints[FRAME] = fingerprint(table)
                frame = nw.from_native(connection.from_arrow(table))

            def read() -> nw.LazyFrame:
                return finish(frame)

        with errors:
            return prepare_table(
                read,
                spec,
                options,
                folder,
                dataset="table",
                inputs=paths,
                arguments=arguments,
                overwrite=overwrite,
                progress=progress,
                fingerprints=fingerprints,
            )


def paths_of(log: Any) -> list[Path]:
    """Returns the paths that a log is given as; none if it is a frame.

    Example:
        >>> paths_of(["a.csv", "b.csv"])[1].name, paths_of(nw)
        ('b.csv', [])
    """
    if isinstance(log, (str, Path)):
        return [Path(log)]
    if isinstance(log, Sequence) and log and all(isinstance(path, (str, Path)) for path in log):
        return [Path(path) for path in log]
    return []


def column_types(spec: TableSpec, labels: Mapping[str, nw.Expr], types: Mapping[str, str]) -> dict[str, str]:
    """Returns the type of each column to read from CSV: those of the spec that are no defined label, and `types`.

    Keys that are no features are integers unless `types` says otherwise; labels and numbers are read as numbers.
    """
    wanted = dict.fromkeys(spec.columns, "float32")
    wanted |= dict.fromkeys((spec.user, spec.item, spec.time, spec.date or spec.time, spec.group or spec.user), "int64")
    wanted |= {**dict.fromkeys(spec.tags, "string"), **spec.categorical}
    return {**{name: kind for name, kind in wanted.items() if name not in labels}, **types}


def read_files(connection: duckdb.DuckDBPyConnection, paths: list[Path], types: Mapping[str, str]) -> nw.LazyFrame:
    """Returns the named columns of files, one below the other, as a lazy frame of DuckDB.

    Raises:
        FileNotFoundError: If a file does not exist.
        ValueError: If a column is missing.
    """
    return nw.concat([read_file(connection, path, types) for path in paths])


def read_file(connection: duckdb.DuckDBPyConnection, path: Path, types: Mapping[str, str]) -> nw.LazyFrame:
    """Returns the named columns of one file, CSV unless its name ends in `.parquet`."""
    if path.suffix != ".parquet":
        return read_csv(connection, path, types)
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist; check the path")
    try:
        known = pq.read_schema(path).names
    except pa.ArrowInvalid as error:
        raise ValueError(f"{path} is no Parquet file, or was cut short ({error}); write it again") from error
    for column in types:
        if column not in known:
            raise ValueError(f"{path}: the column {column!r} is missing; the file has {', '.join(known)}")
    return nw.from_native(connection.read_parquet(str(path))).select(*types)
