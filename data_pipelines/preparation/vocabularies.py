"""Vocabularies from the training part, and ids of raw columns."""

from __future__ import annotations

import narwhals as nw
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tf_gradcraft.data_pipelines.vocabulary import Vocabulary, cross_codes

COUNT = "rows_of_value"
DENSE = 8
"""Integers that fill at least one part in so many of their range are looked up in a table, others by bisection."""


def fit_vocabulary(frame: nw.DataFrame | nw.LazyFrame, column: str, min_count: int = 1) -> Vocabulary:
    """Builds a vocabulary: the most frequent value gets id 1; equally frequent ones go by value.

    Args:
        frame: The training rows.
        column: Name of an integer or string column; missing values get no id.
        min_count: Values in fewer rows get no id (and so become unknown, id 0).

    Example:
        >>> import pandas as pd
        >>> frame = nw.from_native(pd.DataFrame({"tab": [4, 1, 1, 0]}))
        >>> fit_vocabulary(frame, "tab").values.tolist()
        [1, 0, 4]
    """
    kept = frame.lazy().filter(~nw.col(column).is_null()).group_by(column).agg(nw.len().alias(COUNT))
    table = kept.filter(nw.col(COUNT) >= min_count).collect(backend="pyarrow").to_arrow()
    return ranked(column_values(table[column]), table[COUNT].to_numpy().astype(np.int64))


def fit_cross(combinations: pa.Table, parts: tuple[str, ...], encoders: dict, min_count: int = 1) -> Vocabulary:
    """Builds the vocabulary of a cross from the combinations of raw values in the training part.

    Args:
        combinations: Each combination of raw values and, in the column `COUNT`, its number of rows (it may stand there
            several times).
        parts: Names of the crossed columns.
        encoders: For each of them its `ColumnEncoder`.
        min_count: Combinations in fewer rows get no id.

    Example:
        >>> table = pa.table({"a": [1, 1], "b": [2, 3], COUNT: [1, 5]})
        >>> fit_cross(table, ("a", "b"), {"a": ColumnEncoder([1]), "b": ColumnEncoder([2, 3])}).values.tolist()
        [5, 4]
    """
    codes = codes_of_parts(combinations, parts, encoders)
    values, at = np.unique(codes, return_inverse=True)
    counts = np.bincount(at, combinations[COUNT].to_numpy(), minlength=len(values)).astype(np.int64)
    kept = counts >= min_count
    return ranked(values[kept], counts[kept])


def codes_of_parts(table: pa.Table, parts: tuple[str, ...], encoders: dict) -> np.ndarray:
    """Returns the int64 code of each row's combination of raw values, see `cross_codes`."""
    return cross_codes([encoders[part](table[part]) for part in parts], [encoders[part].size for part in parts])


def ranked(values: np.ndarray, counts: np.ndarray) -> Vocabulary:
    """Returns the vocabulary of values by falling count, then by value."""
    return Vocabulary(values[np.lexsort((values, -counts))])


def distinct_values(frame: nw.LazyFrame, column: str) -> np.ndarray:
    """Returns the distinct values of a column as strings, without missing ones."""
    kept = frame.select(nw.col(column).cast(nw.String)).filter(~nw.col(column).is_null()).unique()
    return column_values(kept.collect(backend="pyarrow").to_arrow()[column])


def column_values(column: pa.ChunkedArray) -> np.ndarray:
    """Returns an Arrow column without missing values as int64 or str array."""
    if pa.types.is_integer(column.type):
        return column.to_numpy().astype(np.int64)
    return np.array(column.to_pylist(), dtype=np.str_) if len(column) else np.zeros(0, "U1")


class ColumnEncoder:
    """Turns raw columns into ids, again and again by the same vocabulary.

    Args:
        values: Raw values of the ids 1, 2, ..., int64 or str [size - 1].

    Example:
        >>> encoder = ColumnEncoder(np.array(["a", "b"]))
        >>> encoder(pa.chunked_array([["b", None, "c"]])).tolist()
        [2, 0, 0]
    """

    def __init__(self, values: np.ndarray) -> None:
        values = np.asarray(values)
        self.size = len(values) + 1
        self._strings = None if values.dtype.kind in "iu" else pa.array(values.tolist(), pa.string())
        if self._strings is not None or not len(values):
            return
        self._order = np.argsort(values, kind="stable")
        self._sorted = values[self._order]
        self._first, span = int(self._sorted[0]), int(self._sorted[-1]) - int(self._sorted[0]) + 1
        self._table = None
        if span <= DENSE * len(values) + 2**16:
            self._table = np.zeros(span, np.int32)
            self._table[values - self._first] = np.arange(1, self.size, dtype=np.int32)

    def __call__(self, column: pa.ChunkedArray) -> np.ndarray:
        """Returns the ids of a raw column, int32 [n]; 0 for values that are missing or not in the vocabulary."""
        if self.size == 1:
            return np.zeros(len(column), np.int32)
        if self._strings is not None:
            at = pc.index_in(column.cast(pa.string()), value_set=self._strings)
            return pc.fill_null(at, -1).to_numpy().astype(np.int32) + np.int32(1)
        ids = self.of_integers(column.fill_null(0).to_numpy())
        return np.where(column.is_null().to_numpy(), np.int32(0), ids) if column.null_count else ids

    def of_integers(self, values: np.ndarray) -> np.ndarray:
        """Returns the ids of int64 values [n], int32."""
        if self.size == 1:
            return np.zeros(len(values), np.int32)
        if self._table is not None:
            inside = (values >= self._first) & (values < self._first + len(self._table))
            return np.where(inside, self._table[np.where(inside, values - self._first, 0)], np.int32(0))
        at = np.minimum(np.searchsorted(self._sorted, values), self.size - 2)
        return np.where(self._sorted[at] == values, self._order[at] + 1, 0).astype(np.int32)


def encode_column(vocabulary: Vocabulary, column: pa.ChunkedArray) -> np.ndarray:
    """Returns the ids of a raw column.

    Args:
        vocabulary: The vocabulary.
        column: Raw values [n]; missing ones are allowed.

    Returns:
        int32 [n]; 0 for values that are missing or not in the vocabulary.

    Example:
        >>> encode_column(Vocabulary(np.array(["a", "b"])), pa.chunked_array([["b", None, "c"]])).tolist()
        [2, 0, 0]
    """
    return ColumnEncoder(vocabulary.values)(column)
