"""A column that grows with an evaluation."""

from __future__ import annotations

import tensorflow as tf

_FIRST_CAPACITY = 1024


class RowBuffer(tf.Module):
    """A column that grows: appending n rows in all costs O(n).

    Args:
        dtype: dtype of the column.
        name: Name of the variable.
    """

    def __init__(self, dtype: tf.DType, name: str) -> None:
        super().__init__(name=name)
        self._rows = tf.Variable(tf.zeros([_FIRST_CAPACITY], dtype), trainable=False, name=name, shape=[None])
        self._count = tf.Variable(0, trainable=False, name=name + "_count", dtype=tf.int64)

    def append(self, values: tf.Tensor) -> None:
        """Adds values [n] at the end."""
        start = tf.identity(self._count)
        end = start + tf.size(values, out_type=tf.int64)
        capacity = tf.size(self._rows, out_type=tf.int64)

        def grow() -> tf.Tensor:
            more = tf.zeros([tf.maximum(end - capacity, capacity)], values.dtype)
            self._rows.assign(tf.concat([self._rows, more], axis=0))
            return end

        tf.cond(end > capacity, grow, lambda: end)
        self._rows[start:end].assign(values)
        self._count.assign(end)

    def rows(self) -> tf.Tensor:
        """Returns all rows [N]."""
        return self._rows[: self._count]

    def clear(self) -> None:
        """Forgets all rows."""
        self._count.assign(0)


def of_all_replicas(column: tf.Tensor) -> tf.Tensor:
    """Returns the rows [n] of all replicas of a `tf.distribute` strategy: each keeps them all."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return column
    return context.all_gather(column, axis=0)
