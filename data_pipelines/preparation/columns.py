"""Arrow columns as the types that a table needs, and as NumPy arrays."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from tf_gradcraft.data_pipelines.preparation.options import TableSpec

ARROW_TYPES = {"int64": pa.int64(), "string": pa.string()}


def typed_table(table: pa.Table, spec: TableSpec, where: str) -> pa.Table:
    """Casts categorical features to their raw dtype, and the keys of a row to integers or strings.

    Args:
        table: The rows. Integers as floats (pandas does that where values are missing) become integers again.
        spec: What the columns are.
        where: What the table is, for errors.

    Raises:
        ValueError: If a value does not fit, for instance 4.5 in an integer column.

    Example:
        >>> spec = TableSpec(user="u", item="i", time="t", tasks=("click",), categorical={"u": "int64"})
        >>> typed_table(pa.table({"u": [1.0, None], "i": ["a", "b"], "t": [1, 2]}), spec, "log")["u"].to_pylist()
        [1, None]
    """
    wanted = {name: ARROW_TYPES[dtype] for name, dtype in spec.categorical.items()}
    for name in (spec.user, spec.item, spec.time, spec.date or spec.time, spec.group or spec.user):
        numeric = pa.types.is_integer(table[name].type) or pa.types.is_floating(table[name].type)
        wanted.setdefault(name, pa.int64() if numeric else pa.string())
    for name, kind in wanted.items():
        if table[name].type == kind:
            continue
        try:
            # From pandas a missing number is NaN, which is no integer.
            column = pa.chunked_array([pa.array(table[name].to_pandas(), from_pandas=True)]).cast(kind)
        except pa.ArrowException as error:
            raise ValueError(f"{where}, column {name!r}: the values are not all {kind} ({error}); repair it") from error
        table = table.set_column(table.column_names.index(name), name, column)
    return table


def as_floats(column: pa.ChunkedArray) -> np.ndarray:
    """Returns an Arrow column of numbers as float64, NaN where missing."""
    return column.cast(pa.float64()).to_numpy()


def hashed_column(column: pa.ChunkedArray, size: int) -> np.ndarray:
    """Returns the ids of a raw column of an open vocabulary, see `tf_gradcraft.data_pipelines.hashing`.

    Args:
        column: Raw values [n], int64 or string; missing ones are allowed.
        size: Number of ids.

    Returns:
        int32 [n]; 0 where missing.

    Example:
        >>> hashed_column(pa.chunked_array([["cat", None, "dog"]]), 100).tolist()
        [66, 0, 87]
    """
    import tensorflow as tf

    from tf_gradcraft.data_pipelines.hashing import MISSING, hashed_ids

    dtype = "int64" if pa.types.is_integer(column.type) else "string"
    coded = column.fill_null(MISSING[dtype]).combine_chunks().dictionary_encode()
    values = coded.dictionary.to_numpy(zero_copy_only=False)
    ids = hashed_ids(tf.constant(values.tolist(), tf.string if dtype == "string" else tf.int64), size).numpy()
    return ids[coded.indices.to_numpy()]


def as_arrow(columns: dict[str, np.ndarray]) -> pa.Table:
    """Returns columns as an Arrow table; arrays [n, length] become fixed-size lists.

    Example:
        >>> as_arrow({"id": np.array([1, 2]), "tags": np.array([[1, 2], [3, -1]])})["tags"].to_pylist()
        [[1, 2], [3, -1]]
    """
    return pa.table(
        {
            name: pa.array(values)
            if values.ndim == 1
            else pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), values.shape[1])
            for name, values in columns.items()
        }
    )
