"""Rows that agree in the sort keys, put in order by all their other columns: the order then depends on no engine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def in_full_order(batches: Iterable[pa.RecordBatch], keys: Sequence[str]) -> Iterator[pa.Table]:
    """Yields rows that are sorted by their keys such that rows with equal keys are sorted by their other columns.

    To sort by all columns at once would take an engine several times as long, for the few rows that tie.

    Args:
        batches: Rows in the order of the keys.
        keys: Names of the key columns.

    Yields:
        At least one table, perhaps without rows; rows with equal keys are in the same one.

    Example:
        >>> rows = pa.RecordBatch.from_pydict({"time": [1, 2, 2, 3], "label": [0, 1, 0, 0]})
        >>> [table.to_pydict() for table in in_full_order([rows.slice(0, 2), rows.slice(2)], ["time"])][-1]
        {'time': [3], 'label': [0]}
    """
    held: pa.Table | None = None
    for batch in batches:
        table = pa.Table.from_batches([batch])
        table = table if held is None else pa.concat_tables([held, table])
        if not len(table):
            held = table
            continue
        settled = len(table) - 1 - last_change(table, keys)
        held = table.slice(len(table) - settled)
        ready = table.slice(0, len(table) - settled)
        if len(ready):
            yield order_ties(ready, keys)
    if held is not None:
        yield order_ties(held, keys)


def last_change(table: pa.Table, keys: Sequence[str]) -> int:
    """Returns the last row that is followed by a row with other keys; -1 if all rows agree."""
    changes = np.flatnonzero(~same_as_before(table, keys)[1:])
    return int(changes[-1]) if len(changes) else -1


def same_as_before(table: pa.Table, keys: Sequence[str]) -> np.ndarray:
    """Whether each row has the keys of the row before, bool [n]; missing keys agree with each other."""
    same = np.ones(len(table), bool)
    same[:1] = False
    for key in keys:
        column = table[key].combine_chunks()
        before, here = column.slice(0, max(0, len(column) - 1)), column.slice(1)
        equal = pc.fill_null(pc.equal(before, here), False).to_numpy(zero_copy_only=False)
        both_missing = pc.and_(pc.is_null(before), pc.is_null(here)).to_numpy(zero_copy_only=False)
        same[1:] &= equal | both_missing
    return same


def order_ties(table: pa.Table, keys: Sequence[str]) -> pa.Table:
    """Sorts the rows of each run of equal keys by all their columns but lists."""
    same = same_as_before(table, keys)
    tied = np.flatnonzero(same | np.append(same[1:], False))
    if not len(tied):
        return table
    by = [*keys, *(name for name in table.column_names if name not in keys)]
    by = [name for name in by if not pa.types.is_nested(table[name].type)]
    order = pc.sort_indices(table.take(tied), [(name, "ascending") for name in by])
    rows = np.arange(len(table))
    rows[tied] = tied[order.to_numpy()]
    return table.take(rows)
