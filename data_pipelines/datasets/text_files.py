"""Text files without a header, whose columns have their names from the release's description."""

from __future__ import annotations

import gzip
import io
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

import duckdb
import narwhals as nw

from tf_gradcraft.data_pipelines.preparation.cleaning import materialise
from tf_gradcraft.data_pipelines.preparation.reading import DATABASE_TYPES


def read_text(
    connection: duckdb.DuckDBPyConnection, path: str | Path, types: Mapping[str, str], delimiter: str = ","
) -> duckdb.DuckDBPyRelation:
    r"""Reads a text file without header (also gzip) lazily, in UTF-8, without quoting.

    Only the first line is read here. Errors in the values appear when the frame is evaluated; evaluate inside
    `reading_errors` to get them with file, line and column.

    Args:
        connection: The DuckDB connection that does the reading.
        path: The file. Empty fields are missing values.
        types: All columns of the file, in order, each `"int64"`, `"float32"` or `"string"`.
        delimiter: What stands between two values.

    Returns:
        A relation with these columns.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the first line has another number of values than there are columns.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "ratings.dat"
        >>> _ = path.write_text("1::1193::5\n")
        >>> read_text(duckdb.connect(), path, {"user": "int64", "movie": "int64", "rating": "int64"}, "::").fetchall()
        [(1, 1193, 5)]
    """
    path = Path(path)
    values = first_line(path).split(delimiter)
    if len(values) != len(types):
        raise ValueError(
            f"{path}, line 1: {len(values)} values with {delimiter!r} between them, but the release has {len(types)}: "
            f"{', '.join(types)}. Take the file of the official release as it is"
        )
    return connection.read_csv(
        str(path),
        header=False,
        columns={name: DATABASE_TYPES[kind] for name, kind in types.items()},
        auto_detect=False,
        delimiter=delimiter,
        quotechar="",
        escapechar="",
    )


def first_line(path: Path) -> str:
    """Returns the first line of a text file (also gzip) without its end.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is empty.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist; check the path, or download the data set again")
    with open_text(path, "utf-8") as file:
        line = file.readline()
    if not line:
        raise ValueError(f"{path} is empty; download the file again")
    return line.rstrip("\r\n")


def open_text(path: Path, encoding: str) -> TextIO:
    """Opens a text file (also gzip) for reading; what is not in the encoding is replaced."""
    if path.suffix == ".gz":
        return io.TextIOWrapper(gzip.open(path), encoding=encoding, errors="replace")
    return path.open(encoding=encoding, errors="replace")


def numbered(relation: duckdb.DuckDBPyRelation, name: str) -> nw.LazyFrame:
    """Adds the number of each row in its file, from 0, as an integer column.

    The rows are read at once, into a table of the connection: later their order may be any.

    Example:
        >>> letters = numbered(duckdb.connect().sql("SELECT unnest(['a', 'b']) AS letter"), "row")
        >>> letters.collect().to_dict(as_series=False)
        {'letter': ['a', 'b'], 'row': [0, 1]}
    """
    return materialise(nw.from_native(relation.project(f'*, row_number() OVER () - 1 AS "{name}"')))
