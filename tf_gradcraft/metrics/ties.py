"""Where a sorted column takes a new value."""

from __future__ import annotations

import tensorflow as tf


def starts_of_runs(*columns: tf.Tensor) -> tf.Tensor:
    """Returns for each row [N] whether any of the columns [N] differs from the row before; False for the first row.

    Example:
        >>> starts_of_runs(tf.constant([1, 1, 2, 2])).numpy().tolist()
        [False, False, True, False]
    """
    changes = tf.zeros_like(columns[0][1:], tf.bool)
    for column in columns:
        changes |= column[1:] != column[:-1]
    # Of no rows there is no first one.
    return tf.concat([tf.zeros_like(columns[0][:1], tf.bool), changes], axis=0)
