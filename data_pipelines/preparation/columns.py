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


def group_codes(column: pa.ChunkedArray) -> np.ndarray:
    """Returns one int64 for each raw value: integers as they are, strings by their rank among all values.

    Example:
        >>> group_codes(pa.chunked_array([["b", "a", "b"]])).tolist()
        [1, 0, 1]
    """
    if pa.types.is_integer(column.type):
        return column.fill_null(-1).to_numpy().astype(np.int64)
    return np.unique(np.array(column.fill_null("").to_pylist(), dtype=np.str_), return_inverse=True)[1].astype(np.int64)
