"""Means by group, and how far they are apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from tf_gradcraft.training.objective import column_of


def check_groups(groups: Sequence[Any], what: str) -> None:
    """Refuses fewer than two groups, or one that is named twice."""
    if len(groups) < 2 or len(set(groups)) < len(groups):
        raise ValueError(f"{what}: groups={groups!r} must be two or more different values of the group feature")


def membership(x: Any, feature: str, groups: Sequence[Any], what: str) -> tf.Tensor:
    """Returns which rows belong to which of G groups, float32 [B, G]."""
    column = column_of(x, feature, what)
    return tf.cast(column[:, tf.newaxis] == tf.constant(list(groups), column.dtype), tf.float32)


def weights_of(sample_weight: Any, task: str, rows: tf.Tensor) -> tf.Tensor:
    """Returns the weights of a task's rows [B], 1 where none are given."""
    weights = sample_weight.get(task) if isinstance(sample_weight, Mapping) else sample_weight
    if weights is None:
        return tf.ones([rows])
    return tf.reshape(tf.cast(weights, tf.float32), [-1])


def mean_squared_gap(values: tf.Tensor, members: tf.Tensor) -> tf.Tensor:
    r"""Returns the mean over pairs of groups of the squared difference of their means.

    $\frac{1}{|P|} \sum_{(g, h) \in P} (m_g - m_h)^2$ with P the pairs of groups that have rows; 0 if there is none.

    Args:
        values: Values [B].
        members: Weight of each row in each of G groups [B, G].

    Example:
        >>> members = tf.constant([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
        >>> round(float(mean_squared_gap(tf.constant([0.2, 0.4, 0.6]), members)), 4)
        0.09
    """
    size = tf.reduce_sum(members, axis=0)
    # A value in a row of no group may be anything, NaN too.
    values = tf.where(tf.reduce_sum(members, axis=-1) == 0, 0.0, values)
    means = tf.math.divide_no_nan(tf.linalg.matvec(members, values, transpose_a=True), size)
    present = tf.cast(size > 0, tf.float32)
    pairs = present[:, tf.newaxis] * present * (1 - tf.eye(members.shape[-1]))
    gaps = tf.square(means[:, tf.newaxis] - means)
    return tf.math.divide_no_nan(tf.reduce_sum(pairs * gaps), tf.reduce_sum(pairs))
