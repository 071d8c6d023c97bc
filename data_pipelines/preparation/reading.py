"""Typed reading of CSV files, with errors that name file, line and column."""

from __future__ import annotations

import csv
import gzip
import re
from collections.abc import Mapping
from pathlib import Path

import duckdb
import narwhals as nw

DATABASE_TYPES = {"int64": "BIGINT", "float32": "DOUBLE", "string": "VARCHAR"}
DESCRIPTIONS = {"int64": "an integer", "float32": "a number", "string": "text"}


def read_csv(connection: duckdb.DuckDBPyConnection, path: str | Path, types: Mapping[str, str]) -> nw.LazyFrame:
    r"""Reads the named columns of a CSV file (also gzip) lazily.

    Nothing but the header is read here. Errors in the values appear when the frame is evaluated; evaluate inside
    `reading_errors` to get them with file, line and column.

    Args:
        connection: The DuckDB connection that does the reading.
        path: The file. Its first line is the header; empty fields are missing values.
        types: For each column to read its type: `"int64"`, `"float32"` or `"string"`.

    Returns:
        A lazy frame with these columns, in this order (float32 columns are read as float64).

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a column is not in the header.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "users.csv"
        >>> _ = path.write_text("user_id,age\n7,31\n")
        >>> read_csv(duckdb.connect(), path, {"user_id": "int64"}).collect().to_dict(as_series=False)
        {'user_id': [7]}
    """
    path = Path(path)
    header = read_header(path)
    for column in types:
        if column not in header:
            raise ValueError(
                f"{path}: the column {column!r} is missing; the header has {', '.join(header)}. "
                "Take the file of the official release, or add the column"
            )
    relation = connection.read_csv(
        str(path),
        header=True,
        columns={name: DATABASE_TYPES[types.get(name, "string")] for name in header},
        auto_detect=False,
        delimiter=",",
        quotechar='"',
        escapechar='"',
        # Unneeded columns are not converted: a broken value there harms nobody.
    )
    return nw.from_native(relation).select(*types)


def read_header(path: Path) -> list[str]:
    """Returns the column names in the first line of a CSV file.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is empty.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist; check the path, or download the data set again")
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8-sig") as file:
        header = next(csv.reader(file), None)
    if not header:
        raise ValueError(f"{path} is empty: it has no header; download the file again")
    return header


class reading_errors:  # noqa: N801 - reads as a statement: `with reading_errors(types):`
    """Context manager that turns DuckDB's reading errors into short ones that name file, line and column.

    Args:
        types: The types of the columns, to say what was expected.

    Raises:
        ValueError: In place of an error of DuckDB about a CSV file.
    """

    def __init__(self, types: Mapping[str, str]) -> None:
        self.types = types

    def __enter__(self) -> None:
        """Does nothing."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Re-raises reading errors in words of ours."""
        # An error that shows up while batches are read comes from Arrow, not from DuckDB.
        if not isinstance(error, Exception) or "CSV Error" not in str(error):
            return
        text = str(error)

        def find(pattern: str) -> str:
            match = re.search(pattern, text)
            return match.group(1).strip() if match else "?"

        file, line = find(r"file ?= ?(.+)"), find(r"CSV Error on Line: (\d+)")
        if "converting column" in text:
            column = find(r'converting column "(.+?)"')
            value = find(r'Could not convert string "(.*?)"')
            what = f"column {column!r}: {value!r} is not {DESCRIPTIONS[self.types.get(column, 'int64')]}"
        else:
            what = text.splitlines()[1].strip() if "\n" in text else "?"
        raise ValueError(f"{file}, line {line}, {what}; repair or remove that line") from error
