"""The vocabulary of a categorical feature: which raw value has which id, and what is known of each id."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

VALUE_COLUMN = "value"


@dataclasses.dataclass(frozen=True)
class Vocabulary:
    """Raw values in the order of their ids, and statistics by id.

    Args:
        values: Raw values [size - 1] (int64 or str) of the ids 1, 2, ...; id 0 is unknown. The values of a crossed
            feature are int64 codes: the mixed-radix number of the crossed ids, see `cross_codes`.
        statistics: For each statistic feature of this key its values [size] (float32) by id; entry 0 is what an unknown
            id gets. Raw (neither transformed nor normalised).

    Example:
        >>> vocabulary = Vocabulary(np.array([30, 10]), {"rate": np.array([0.5, 0.9, 0.1], "float32")})
        >>> vocabulary.size, vocabulary.encode(np.array([10, 99, 30])).tolist()
        (3, [2, 0, 1])
    """

    values: np.ndarray
    statistics: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)

    @property
    def size(self) -> int:
        """Number of ids, id 0 included."""
        return len(self.values) + 1

    def encode(self, raw: np.ndarray) -> np.ndarray:
        """Returns the ids (int32) of raw values; 0 for values that are not in the vocabulary."""
        if len(self.values) == 0:
            return np.zeros(len(raw), np.int32)
        order = np.argsort(self.values, kind="stable")
        at = np.minimum(np.searchsorted(self.values, raw, sorter=order), len(self.values) - 1)
        found = order[at]
        return np.where(self.values[found] == raw, found + 1, 0).astype(np.int32)

    def save(self, path: str | Path) -> None:
        """Writes the vocabulary as Parquet: row i is id i, its value null for id 0."""
        columns = {VALUE_COLUMN: pa.array([None, *self.values.tolist()], pa.int64() if self._numeric else pa.string())}
        columns |= {name: pa.array(np.asarray(values, np.float32)) for name, values in self.statistics.items()}
        pq.write_table(pa.table(columns), path)

    @property
    def _numeric(self) -> bool:
        return bool(np.issubdtype(self.values.dtype, np.integer))

    @classmethod
    def load(cls, path: str | Path) -> Vocabulary:
        """Reads what `save` wrote."""
        table = pq.read_table(path)
        column = table[VALUE_COLUMN].slice(1)
        if pa.types.is_integer(column.type):
            values = column.to_numpy().astype(np.int64)
        else:
            values = np.array(column.to_pylist(), dtype=np.str_) if len(column) else np.zeros(0, "U1")
        names = [name for name in table.column_names if name != VALUE_COLUMN]
        return cls(values, {name: table[name].to_numpy() for name in names})


def cross_codes(ids: list[np.ndarray], sizes: list[int]) -> np.ndarray:
    """Returns the int64 codes of combinations of ids: id_1, then id_1 * size_2 + id_2, and so on.

    Args:
        ids: One array [n] of ids for each crossed feature.
        sizes: Size of each crossed feature's vocabulary.

    Example:
        >>> cross_codes([np.array([1, 2]), np.array([0, 3])], [5, 4]).tolist()
        [4, 11]
    """
    code = np.zeros(len(ids[0]), np.int64)
    for column, size in zip(ids, sizes, strict=True):
        code = code * size + column.astype(np.int64)
    return code
