"""Keras metrics that keep a few sums, in float64, and no rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tf_gradcraft.metrics.exact import ExactMetric


class SumsMetric(ExactMetric):
    """A metric that is a function of sums over the rows: streaming, in constant memory, and exact.

    Keras passes sample weights to `weighted_metrics` alone; `MultiTaskModel` passes them to these metrics wherever they
    are given. In its `metrics` they are computed at the end of an evaluation; in its `weighted_metrics` Keras shows
    them during training too.

    Args:
        shape: Shape of the sums.
        name: Name of the metric.
        dtype: dtype of the result.
    """

    def __init__(self, shape: Sequence[int], name: str, dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype)
        self._sums = tf.Variable(tf.zeros(shape, tf.float64), trainable=False, name="sums")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Adds a batch.

        Args:
            y_true: Labels [B] or [B, 1].
            y_pred: Predictions [B] or [B, 1].
            sample_weight: Weights [B], all 1 by default; rows of weight 0 do not count.
        """
        sums = self._sums_of(y_true, y_pred, sample_weight)
        context = tf.distribute.get_replica_context()
        if context is not None and context.num_replicas_in_sync > 1:
            # Each replica keeps the sums of all.
            sums = context.all_reduce(tf.distribute.ReduceOp.SUM, sums)
        self._sums.assign_add(sums)

    def reset_state(self) -> None:
        """Forgets all rows."""
        self._sums.assign(tf.zeros_like(self._sums))

    def _sums_of(self, labels: Any, predictions: Any, sample_weight: Any) -> tf.Tensor:
        """Returns what a batch adds."""
        raise NotImplementedError
