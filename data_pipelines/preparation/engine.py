"""Where the rows are worked on: DuckDB, within limits that can be set, whatever frame a log comes as."""

from __future__ import annotations

import contextlib
from pathlib import Path

import duckdb
import narwhals as nw
import pyarrow as pa

from tf_gradcraft.data_pipelines.preparation.options import Options


def connect(options: Options, spill: Path) -> duckdb.DuckDBPyConnection:
    """Opens an empty DuckDB database in memory that keeps to the limits of a preparation.

    Args:
        options: Its `memory_limit`, `threads` and `temp_directory` count.
        spill: Folder for what does not fit into memory, unless the options name one.

    Example:
        >>> import tempfile
        >>> with connect(Options(threads=1), Path(tempfile.mkdtemp())) as connection:
        ...     connection.sql("SELECT current_setting('threads')").fetchall()
        [(1,)]
    """
    connection = duckdb.connect()
    for setting in settings(options, spill):
        connection.execute(setting)
    return connection


def limit(frame: nw.LazyFrame, options: Options, spill: Path) -> None:
    """Sets the limits of a preparation on the DuckDB database that a frame reads from; other frames stay as they are.

    A database that has spilled already keeps the folder it spilled to.
    """
    native = frame.to_native()
    if isinstance(native, duckdb.DuckDBPyRelation):
        for setting in settings(options, spill):
            with contextlib.suppress(duckdb.NotImplementedException):
                native.query("unused_view", setting)


def settings(options: Options, spill: Path) -> list[str]:
    """Returns the limits as statements of DuckDB.

    Example:
        >>> settings(Options(memory_limit="2GB"), Path("spill"))[0]
        "SET memory_limit = '2GB'"
    """
    folder = str(options.temp_directory or spill).replace("'", "''")
    limits = [f"SET memory_limit = '{options.memory_limit}'", f"SET temp_directory = '{folder}'"]
    if options.threads is not None:
        limits.append(f"SET threads = {options.threads}")
    # The order of the rows is set by sorting; to keep that of the files would take memory.
    return [*limits, "SET preserve_insertion_order = false"]


def in_duckdb(frame: nw.LazyFrame, connection: duckdb.DuckDBPyConnection, folder: Path) -> nw.LazyFrame:
    """Returns a frame of any engine as one of DuckDB.

    Args:
        frame: The rows. Frames of DuckDB come back as they are.
        connection: The database for all others.
        folder: Where a Spark frame is written as Parquet (Spark's workers must see it, in local mode any folder).

    Example:
        >>> import pandas as pd
        >>> frame = nw.from_native(pd.DataFrame({"user": [1, 2]})).lazy()
        >>> in_duckdb(frame, duckdb.connect(), Path("unused")).implementation.name
        'DUCKDB'
    """
    if frame.implementation.is_duckdb():
        return frame
    if frame.implementation.is_spark_like():
        target = folder / "spark"
        frame.to_native().write.parquet(str(target))
        return nw.from_native(connection.read_parquet(str(target / "*.parquet")))
    return nw.from_native(connection.from_arrow(frame.collect(backend="pyarrow").to_arrow()))


def record_batches(frame: nw.LazyFrame, rows: int) -> pa.RecordBatchReader:
    """Evaluates a frame of DuckDB and returns its rows in batches, as they come.

    Example:
        >>> [len(batch) for batch in record_batches(nw.from_native(duckdb.sql("SELECT unnest([1, 2]) AS user")), 10)]
        [2]
    """
    relation = frame.to_native()
    # The name of before DuckDB 1.5.
    reader = getattr(relation, "to_arrow_reader", None) or relation.fetch_record_batch
    return reader(rows)
