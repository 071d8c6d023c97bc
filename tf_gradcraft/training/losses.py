"""Losses of tasks: averaged over labelled rows, with labels checked."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("tf_gradcraft")
class TaskCrossentropy(keras.losses.BinaryCrossentropy):
    """Binary crossentropy of one task, averaged over its labelled rows.

    Rows of weight 0 are not labelled: whatever label they carry, a NaN included, is not looked at. Labels of the other
    rows must be 0 or 1.

    Args:
        task: Name of the task, for error messages.
        **kwargs: Arguments of `keras.losses.BinaryCrossentropy`.

    Raises:
        tf.errors.InvalidArgumentError: When it meets another label (not under XLA, where nothing can be raised).

    Example:
        >>> loss = TaskCrossentropy("click")
        >>> round(float(loss([[1.0], [0.0]], [[0.5], [0.9]], sample_weight=[1.0, 0.0])), 4)
        0.6931
    """

    def __init__(self, task: str, **kwargs: Any) -> None:
        super().__init__(**{"reduction": "mean_with_sample_weight", "name": f"{task}_crossentropy", **kwargs})
        self.task = task

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> tf.Tensor:
        """Returns the loss of labels and predictions [B, 1] or [B], as a scalar."""
        y_pred = tf.convert_to_tensor(y_pred)
        y_true = tf.reshape(tf.cast(y_true, y_pred.dtype), tf.shape(y_pred))
        if sample_weight is not None:
            sample_weight = tf.reshape(tf.cast(sample_weight, y_pred.dtype), tf.shape(y_pred)[:1])
            labelled = tf.reshape(sample_weight != 0, [-1, *[1] * (len(y_pred.shape) - 1)])
            y_true = tf.where(labelled, y_true, tf.zeros_like(y_true))
        check = tf.debugging.Assert(
            tf.reduce_all((y_true == 0) | (y_true == 1)),
            [
                f"task {self.task}: a label is neither 0 nor 1. Check the label column, or give rows without a label "
                "the sample weight 0."
            ],
        )
        with tf.control_dependencies([] if check is None else [check]):
            y_true = tf.identity(y_true)
        return super().__call__(y_true, y_pred, sample_weight)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "task": self.task}
