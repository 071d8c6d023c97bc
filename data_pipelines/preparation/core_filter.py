"""The k-core: only users and items with at least k rows each."""

from __future__ import annotations

import narwhals as nw

from tf_gradcraft.data_pipelines.preparation.cleaning import materialise

COUNT = "rows_of_key"


def k_core(frame: nw.LazyFrame, user: str, item: str, k: int) -> nw.LazyFrame:
    """Drops the rows of users and of items with fewer than k rows, again and again until nothing changes.

    Each round is materialised on the two key columns alone: stacked lazily over all columns, the plan doubles each
    round and runs out of memory.

    Args:
        frame: The log.
        user: Name of the user column.
        item: Name of the item column.
        k: Least number of rows; 0 and 1 keep everything.

    Returns:
        The rows of `frame` that remain (none, perhaps), in no particular order.

    Raises:
        ValueError: If k is negative.

    Example:
        >>> import pandas as pd
        >>> log = pd.DataFrame({"user": [1, 1, 2, 2, 3], "item": [8, 9, 8, 9, 9]})
        >>> sorted(k_core(nw.from_native(log).lazy(), "user", "item", 2).collect()["user"].to_list())
        [1, 1, 2, 2]
    """
    if k < 0:
        raise ValueError(f"k_core must be 0 (off) or positive, got {k}")
    if k < 2:
        return frame
    pairs = materialise(frame.select(user, item))
    rows = count_rows(pairs)
    while True:
        for key in (user, item):
            pairs = materialise(pairs.join(frequent(pairs, key, k), on=key, how="semi"))
        before, rows = rows, count_rows(pairs)
        if rows == before:
            break
    # A row remains exactly when both its user and its item do.
    for key in (user, item):
        frame = frame.join(pairs.select(key).unique(), on=key, how="semi")
    return frame


def frequent(pairs: nw.LazyFrame, key: str, k: int) -> nw.LazyFrame:
    """Returns the values of a column that stand in at least k rows."""
    return pairs.group_by(key).agg(nw.len().alias(COUNT)).filter(nw.col(COUNT) >= k).select(key)


def count_rows(frame: nw.LazyFrame) -> int:
    """Returns the number of rows of a lazy frame."""
    return int(frame.select(nw.len()).collect().item())
