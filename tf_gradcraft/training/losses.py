"""Crossentropies of tasks: averaged over labelled rows, with labels checked."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from tf_gradcraft.training.labelled_rows import LabelledRows


@keras.saving.register_keras_serializable("tf_gradcraft")
class TaskCrossentropy(LabelledRows, keras.losses.BinaryCrossentropy):
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

    problem = "a label is neither 0 nor 1"

    def __init__(self, task: str, **kwargs: Any) -> None:
        super().__init__(task, "crossentropy", **kwargs)

    @staticmethod
    def is_label(labels: tf.Tensor) -> tf.Tensor:
        """Returns where labels are 0 or 1."""
        return (labels == 0) | (labels == 1)


@keras.saving.register_keras_serializable("tf_gradcraft")
class ClassCrossentropy(LabelledRows, keras.losses.SparseCategoricalCrossentropy):
    r"""Crossentropy of one multi-class task, averaged over its labelled rows.

    $-\ln p_{y}$ for predictions p [B, C] that add up to 1 and the label y, a class from 0 to C - 1.

    Args:
        task: Name of the task, for error messages.
        classes: Number C of classes.
        **kwargs: Arguments of `keras.losses.SparseCategoricalCrossentropy`.

    Raises:
        tf.errors.InvalidArgumentError: When it meets another label (not under XLA, where nothing can be raised).

    Example:
        >>> loss = ClassCrossentropy("mood", classes=3)
        >>> round(float(loss([2.0, 9.0], [[0.2, 0.3, 0.5], [0.1, 0.1, 0.8]], sample_weight=[1.0, 0.0])), 4)
        0.6931
    """

    def __init__(self, task: str, classes: int, **kwargs: Any) -> None:
        super().__init__(task, "crossentropy", **kwargs)
        self.classes = classes
        self.problem = f"a label is no class, 0 to {classes - 1}"

    def is_label(self, labels: tf.Tensor) -> tf.Tensor:  # type: ignore[override]
        """Returns where labels are classes."""
        return (labels >= 0) & (labels < self.classes) & (labels == tf.floor(labels))

    def shape_of_labels(self, y_pred: tf.Tensor) -> tf.Tensor:
        """Returns [B, 1]."""
        return tf.stack([tf.shape(y_pred)[0], 1])

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "classes": self.classes}
