"""The Parquet shards of one split: what is in them, and their rows a few row groups at a time."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tf_gradcraft.data_pipelines.manifest import AGAIN
from tf_gradcraft.suggestions import unknown_name

Check = Callable[[str, dict[str, np.ndarray]], None]


@dataclasses.dataclass(frozen=True)
class Shards:
    """The shards of a split, opened with `open_shards`.

    Args:
        folder: The folder of the split.
        groups: For each row group, in order, its file, its number in the file and its rows.
        types: Types of all columns.
    """

    folder: Path
    groups: tuple[tuple[Path, int, int], ...]
    types: pa.Schema

    @property
    def rows(self) -> int:
        """Number of rows."""
        return sum(rows for _, _, rows in self.groups)

    def bytes(self, columns: Iterable[str]) -> int:
        """Returns how much memory columns take as arrays."""
        widths = (self.types.field(name).type for name in columns)
        return self.rows * sum(row_bytes(width) for width in widths)

    def empty(self, columns: Sequence[str]) -> dict[str, np.ndarray]:
        """Returns columns without rows, for their types and shapes."""
        return arrays_of(self.types.empty_table().select(columns))

    def read(self, columns: Sequence[str], groups: Iterable[int]) -> dict[str, np.ndarray]:
        """Reads columns of some row groups, in the given order.

        Returns:
            For each column an array [n], or [n, length] for lists.

        Raises:
            ValueError: If a file is not there any more or was cut short.
        """
        tables = []
        for path, numbers in by_file(self.groups[group] for group in groups):
            try:
                with pq.ParquetFile(path) as file:
                    tables.append(file.read_row_groups(numbers, columns=list(columns)))
            except (pa.ArrowException, OSError, IndexError) as error:
                raise ValueError(f"{path}: a shard cannot be read ({error}); {AGAIN}") from error
        table = pa.concat_tables(tables) if tables else self.types.empty_table()
        return arrays_of(table.select(columns))


def open_shards(folder: Path, files: Sequence[str], columns: Iterable[str], rows: int) -> Shards:
    """Reads the footers of the shards of a split and checks that they belong together.

    Args:
        folder: The folder of the split.
        files: Names of its files, in order.
        columns: The columns that every one of them must have.
        rows: Rows that the manifest promises.

    Raises:
        ValueError: If there is no shard, one lacks a column or can't be read, or the rows are not as promised.
    """
    if not files:
        raise ValueError(f"{folder} holds no shard; {AGAIN}")
    groups: list[tuple[Path, int, int]] = []
    types = None
    for name in files:
        path = folder / name
        try:
            footer = pq.read_metadata(path)
            found = footer.schema.to_arrow_schema()
        except (pa.ArrowException, OSError) as error:
            raise ValueError(f"{path}: a shard cannot be read ({error}); {AGAIN}") from error
        for column in columns:
            if column not in found.names:
                raise ValueError(f"{path}: " + unknown_name("column", column, found.names))
            if types is not None and found.field(column).type != types.field(column).type:
                wrong = f"{found.field(column).type}, {types.field(column).type} in the first shard"
                raise ValueError(f"{path}: the column {column!r} is {wrong}; {AGAIN}")
        types = types or found
        groups += [(path, number, footer.row_group(number).num_rows) for number in range(footer.num_row_groups)]
    shards = Shards(folder, tuple(group for group in groups if group[2]), types)
    if shards.rows != rows:
        raise ValueError(f"{folder}: {shards.rows} rows in the shards, {rows} in the manifest; {AGAIN}")
    return shards


def by_file(groups: Iterable[tuple[Path, int, int]]) -> list[tuple[Path, list[int]]]:
    """Joins row groups that follow each other and lie in one file.

    Example:
        >>> by_file([(Path("a"), 1, 9), (Path("a"), 0, 9), (Path("b"), 0, 9)])
        [(PosixPath('a'), [1, 0]), (PosixPath('b'), [0])]
    """
    runs: list[tuple[Path, list[int]]] = []
    for path, number, _ in groups:
        if not runs or runs[-1][0] != path:
            runs.append((path, []))
        runs[-1][1].append(number)
    return runs


def arrays_of(table: pa.Table) -> dict[str, np.ndarray]:
    """Returns the columns of a table as arrays, fixed-size lists as [n, length].

    Example:
        >>> lists = pa.FixedSizeListArray.from_arrays(pa.array([1, 2, 3, -1], pa.int32()), 2)
        >>> arrays_of(pa.table({"tags": lists}))["tags"].tolist()
        [[1, 2], [3, -1]]
    """
    return {name: _array(table[name]) for name in table.column_names}


def _array(column: pa.ChunkedArray) -> np.ndarray:
    if not pa.types.is_fixed_size_list(column.type):
        return column.to_numpy()
    values = [chunk.flatten().to_numpy(zero_copy_only=False) for chunk in column.chunks]
    dtype = column.type.value_type.to_pandas_dtype()
    return np.concatenate([np.empty(0, dtype), *values]).reshape(-1, column.type.list_size)


def row_bytes(kind: pa.DataType) -> int:
    """Returns how many bytes a value of a column takes as part of an array.

    Example:
        >>> row_bytes(pa.float32()), row_bytes(pa.list_(pa.int32(), 20))
        (4, 80)
    """
    if pa.types.is_fixed_size_list(kind):
        return kind.list_size * row_bytes(kind.value_type)
    return int(kind.bit_width) // 8
