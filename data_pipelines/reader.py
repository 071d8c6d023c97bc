"""tf.data over columns that fit in memory: one gather a dtype and batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf


def memory_dataset(
    columns: Mapping[str, np.ndarray],
    features: Sequence[str],
    masks: Mapping[str, str | None],
    batch_size: int,
    seed: int | None = None,
    drop_remainder: bool = False,
) -> tf.data.Dataset:
    """Returns a dataset of batches over columns.

    The columns of a dtype are held as one array [n, columns], so that a batch costs one gather a dtype, whatever the
    number of features, and never a step for each row.

    Args:
        columns: Columns [n] by name.
        features: Names of the columns of the first part of an element.
        masks: For each task (a column of labels) the name of its mask column, or None.
        batch_size: Rows a batch.
        seed: Seed of the shuffling, a new order each epoch; None keeps the order of the rows.
        drop_remainder: Whether to leave out the last, smaller batch.

    Returns:
        A dataset of `(features, labels)` or, when there is any mask, `(features, labels, weights)`, of known
        cardinality.

    Example:
        >>> columns = {"user": np.arange(5, dtype="int32"), "click": np.ones(5, "float32")}
        >>> dataset = memory_dataset(columns, ["user"], {"click": None}, batch_size=2)
        >>> [features["user"].numpy().tolist() for features, labels in dataset]
        [[0, 1], [2, 3], [4]]
    """
    weighted = any(masks.values())
    needed = dict.fromkeys([*features, *masks, *(mask for mask in masks.values() if mask)])
    packs = pack_by_dtype({name: columns[name] for name in needed})
    rows = len(columns[next(iter(masks))])
    tensors = {dtype: tf.constant(array) for dtype, (_, array) in packs.items()}

    def gather(indices: tf.Tensor) -> tuple:
        batch: dict[str, tf.Tensor] = {}
        for dtype, (names, _) in packs.items():
            block = tf.gather(tensors[dtype], indices)
            batch.update(zip(names, tf.unstack(tf.transpose(block), num=len(names)), strict=True))
        element: tuple = ({name: batch[name] for name in features}, {task: batch[task] for task in masks})
        if weighted:
            ones = tf.ones_like(batch[next(iter(masks))])
            element += ({task: batch[mask] if mask else ones for task, mask in masks.items()},)
        return element

    dataset = index_batches(rows, batch_size, seed, drop_remainder)
    return dataset.map(gather, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True).prefetch(tf.data.AUTOTUNE)


def pack_by_dtype(columns: Mapping[str, np.ndarray]) -> dict[str, tuple[list[str], np.ndarray]]:
    """Groups columns [n] by dtype into arrays [n, columns of that dtype].

    Example:
        >>> packs = pack_by_dtype({"a": np.arange(2), "b": np.arange(2) + 5, "c": np.zeros(2, "float32")})
        >>> packs["int64"][0], packs["int64"][1].tolist(), packs["float32"][0]
        (['a', 'b'], [[0, 5], [1, 6]], ['c'])
    """
    names: dict[str, list[str]] = {}
    for name, values in columns.items():
        names.setdefault(str(values.dtype), []).append(name)
    return {dtype: (group, np.stack([columns[name] for name in group], axis=1)) for dtype, group in names.items()}


def index_batches(rows: int, batch_size: int, seed: int | None, drop_remainder: bool) -> tf.data.Dataset:
    """Returns batches of row numbers (int64 [B]) that cover each row once an epoch.

    Args:
        rows: Number of rows.
        batch_size: Rows a batch.
        seed: Seed of a new order each epoch, or None for ascending order.
        drop_remainder: Whether to leave out the last, smaller batch.

    Example:
        >>> sorted(int(i) for batch in index_batches(5, 2, seed=3, drop_remainder=False) for i in batch)
        [0, 1, 2, 3, 4]
    """
    count = rows // batch_size if drop_remainder else -(-rows // batch_size)
    starts = tf.data.Dataset.range(0, count * batch_size, batch_size)

    def ascending(start: tf.Tensor) -> tf.Tensor:
        if drop_remainder:
            return tf.ensure_shape(tf.range(start, start + batch_size), [batch_size])
        return tf.range(start, tf.minimum(start + batch_size, rows))

    if seed is None:
        return starts.map(ascending)

    def epoch(seed_of_epoch: tf.Tensor) -> tf.data.Dataset:
        order = tf.random.experimental.stateless_shuffle(
            tf.range(rows, dtype=tf.int64), seed=tf.stack([seed_of_epoch, tf.constant(rows, tf.int64)])
        )
        return starts.map(lambda start: tf.gather(order, ascending(start)))

    # One number an epoch: each pass over the dataset draws the next one of a sequence that the seed fixes.
    seeds = tf.data.Dataset.random(seed=seed, rerandomize_each_iteration=True).take(1)
    return seeds.flat_map(epoch).apply(tf.data.experimental.assert_cardinality(count))
