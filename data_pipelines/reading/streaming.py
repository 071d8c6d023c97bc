"""tf.data over Parquet shards that are never held as a whole."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from tf_gradcraft.data_pipelines.reading.layout import Layout
from tf_gradcraft.data_pipelines.reading.packing import packs_of
from tf_gradcraft.data_pipelines.reading.plan import Plan, passes
from tf_gradcraft.data_pipelines.reading.shards import Check, Shards

SHUFFLE_ROWS = 2**19


def streaming_dataset(
    shards: Shards, layout: Layout, plan: Plan, check: Check, shuffle_rows: int = SHUFFLE_ROWS
) -> tf.data.Dataset:
    """Returns a dataset of batches over Parquet shards.

    Rows are read a *window* at a time: as many row groups as have about `shuffle_rows` rows. Shuffled, the row groups
    of all shards come in a new order each pass, and the rows of a window in an order of their own. Batches are cut from
    the windows one after another, so that every batch is full but the last. What a window holds follows from the seed
    and its number alone: reading can begin anywhere without reading what comes before, and a worker reads little more
    than its own part. The next window is read while this one is used: memory holds about three.

    Args:
        shards: The shards of the split.
        layout: What an element holds.
        plan: Which rows make which batch.
        check: Called with a place and its columns once for each row group, when it is first read.
        shuffle_rows: Rows of a window, about; a row group is never parted.

    Returns:
        A dataset of `(features, labels)` or `(features, labels, weights)`, of known cardinality unless it repeats.

    Raises:
        tf.errors.InvalidArgumentError: While reading, with the text of the `ValueError` of a shard that can't be read
            or of a value that `check` refuses.
    """
    packs = packs_of(shards.empty(layout.columns))
    rows_of_group = tf.constant([rows for _, _, rows in shards.groups], tf.int64)
    windows = np.array(window_bounds([rows for _, _, rows in shards.groups], shuffle_rows))
    checked: set[int] = set()

    def read(groups: np.ndarray) -> list[np.ndarray]:
        columns = shards.read(layout.columns, groups)
        if not checked.issuperset(groups):
            path, number, _ = shards.groups[groups[0]]
            check(f"{path} (rows counted from row group {number})", columns)
            checked.update(groups)
        return [pack.join(columns) for pack in packs]

    def one_pass(seed: tf.Tensor, first: tf.Tensor) -> tf.data.Dataset:
        order = tf.range(len(shards.groups))
        if plan.seed is not None:
            order = tf.random.experimental.stateless_shuffle(order, seed=seed)
        ends = tf.gather(tf.cumsum(tf.gather(rows_of_group, order)), windows[1:] - 1)
        begins = tf.concat([tf.zeros(1, tf.int64), ends[:-1]], 0)

        def window(number: tf.Tensor) -> tuple[tf.Tensor, ...]:
            groups = order[tf.gather(windows, number) : tf.gather(windows, number + 1)]
            blocks = tf.numpy_function(read, [groups], [pack.dtype for pack in packs], stateful=False)
            begin, end = tf.gather(begins, number), tf.gather(ends, number)
            low, high = tf.maximum(first, begin) - begin, tf.minimum(tf.constant(plan.stop, tf.int64), end) - begin
            if plan.seed is None:
                blocks = [block[low:high] for block in blocks]
            else:
                rows = tf.random.experimental.stateless_shuffle(tf.range(end - begin), seed=seed + number + 1)
                blocks = [tf.gather(block, rows[low:high]) for block in blocks]
            return tuple(tf.ensure_shape(block, [None, pack.width]) for block, pack in zip(blocks, packs, strict=True))

        # The windows that hold a place from `first` to `plan.stop`.
        from_window = tf.searchsorted(ends, first[tf.newaxis], side="right")[0]
        to_window = tf.searchsorted(begins, [tf.constant(plan.stop, tf.int64)], side="left")[0]
        numbers = tf.data.Dataset.range(tf.cast(from_window, tf.int64), tf.cast(to_window, tf.int64))
        return numbers.map(window).prefetch(1).rebatch(plan.batch_size, drop_remainder=plan.drop_remainder)

    def unpack(*blocks: tf.Tensor) -> tuple:
        batch: dict[str, tf.Tensor] = {}
        for pack, block in zip(packs, blocks, strict=True):
            batch |= pack.part(block)
        return layout.element(batch)

    dataset = passes(plan, one_pass)
    return dataset.map(unpack, num_parallel_calls=2, deterministic=True).prefetch(tf.data.AUTOTUNE)


def window_bounds(rows: list[int], least: int) -> list[int]:
    """Returns the places where windows begin in the order of the row groups, and the end of the last.

    Every window has nearly the same number of row groups, so that the last one is no smaller than the others.

    Args:
        rows: Rows of the row groups.
        least: Rows a window, about.

    Example:
        >>> window_bounds([10, 10, 10, 10, 4], least=20)
        [0, 2, 5]
    """
    count = max(1, round(sum(rows) / max(1, least))) if rows else 0
    count = min(count, len(rows))
    return [window * len(rows) // max(1, count) for window in range(count + 1)]
