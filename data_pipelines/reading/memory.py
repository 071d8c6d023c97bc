"""tf.data over columns that fit in memory: one gather a dtype and batch."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from tf_gradcraft.data_pipelines.reading.layout import Layout
from tf_gradcraft.data_pipelines.reading.packing import packs_of
from tf_gradcraft.data_pipelines.reading.plan import Plan, passes


def memory_dataset(columns: Mapping[str, np.ndarray], layout: Layout, plan: Plan) -> tf.data.Dataset:
    """Returns a dataset of batches over columns.

    The columns of a dtype are held as one array [n, columns], so that a batch costs one gather a dtype, whatever the
    number of features, and never a step for each row.

    Args:
        columns: Columns [n], or [n, length] of lists, by name.
        layout: What an element holds.
        plan: Which rows make which batch.

    Returns:
        A dataset of `(features, labels)` or `(features, labels, weights)`, of known cardinality unless it repeats.

    Example:
        >>> columns = {"user": np.arange(5, dtype="int32"), "click": np.ones(5, "float32")}
        >>> dataset = memory_dataset(columns, Layout(["user"], {"click": None}), Plan(rows=5, batch_size=2))
        >>> [features["user"].numpy().tolist() for features, labels in dataset]
        [[0, 1], [2, 3], [4]]
    """
    packs = packs_of({name: columns[name] for name in layout.columns})
    tensors = [tf.constant(pack.join(columns)) for pack in packs]

    def gather(indices: tf.Tensor) -> tuple:
        batch: dict[str, tf.Tensor] = {}
        for pack, tensor in zip(packs, tensors, strict=True):
            batch |= pack.part(tf.gather(tensor, indices))
        return layout.element(batch)

    dataset = passes(plan, lambda seed, first: index_batches(plan, seed, first))
    return dataset.map(gather, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True).prefetch(tf.data.AUTOTUNE)


def index_batches(plan: Plan, seed: tf.Tensor, first: tf.Tensor) -> tf.data.Dataset:
    """Returns the batches of row numbers (int64 [B]) of one pass.

    Args:
        plan: The plan.
        seed: int64 [2], of the order of this pass.
        first: The place in the order where the pass begins.

    Example:
        >>> plan = Plan(rows=5, batch_size=2, seed=3)
        >>> batches = index_batches(plan, tf.constant([3, 0], tf.int64), tf.constant(0, tf.int64))
        >>> sorted(int(row) for batch in batches for row in batch)
        [0, 1, 2, 3, 4]
    """
    starts = tf.data.Dataset.range(first, plan.stop, plan.batch_size)

    def places(start: tf.Tensor) -> tf.Tensor:
        if plan.drop_remainder:
            return tf.ensure_shape(tf.range(start, start + plan.batch_size), [plan.batch_size])
        return tf.range(start, tf.minimum(start + plan.batch_size, plan.stop))

    if plan.seed is None:
        return starts.map(places)
    order = tf.random.experimental.stateless_shuffle(tf.range(plan.rows, dtype=tf.int64), seed=seed)
    return starts.map(lambda start: tf.gather(order, places(start)))
