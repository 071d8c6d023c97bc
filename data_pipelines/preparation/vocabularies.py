"""Vocabularies from the training part, and ids of raw columns."""

from __future__ import annotations

import narwhals as nw
import numpy as np
import pyarrow as pa

from tf_gradcraft.data_pipelines.vocabulary import Vocabulary

COUNT = "rows_of_value"


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
    values, counts = column_values(table[column]), table[COUNT].to_numpy().astype(np.int64)
    return Vocabulary(values[np.lexsort((values, -counts))])


def column_values(column: pa.ChunkedArray) -> np.ndarray:
    """Returns an Arrow column without missing values as int64 or str array."""
    if pa.types.is_integer(column.type):
        return column.to_numpy().astype(np.int64)
    return np.array(column.to_pylist(), dtype=np.str_) if len(column) else np.zeros(0, "U1")


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
    # Strings are compared once a distinct value, not once a row.
    coded = column.combine_chunks().dictionary_encode()
    if isinstance(coded, pa.ChunkedArray):
        coded = coded.combine_chunks()
    if not len(coded.dictionary):
        return np.zeros(len(column), np.int32)
    ids = vocabulary.encode(column_values(pa.chunked_array([coded.dictionary])))
    missing = coded.indices.is_null().to_numpy(zero_copy_only=False)
    return np.where(missing, 0, ids[coded.indices.fill_null(0).to_numpy()]).astype(np.int32)
