"""What the losses of all kinds of tasks share: labels are checked, and rows without label do no harm."""

from __future__ import annotations

from typing import Any

import tensorflow as tf


class LabelledRows:
    """Mix-in of a Keras loss of one task: averages over the labelled rows.

    Rows of weight 0 are not labelled: whatever label they carry, a NaN included, is not looked at. The other labels
    must be what `is_label` says.

    Args:
        task: Name of the task, for error messages.
        kind: What the loss's name ends with.
        **kwargs: Arguments of the Keras loss.
    """

    task: str
    problem: str
    """What is wrong with a bad label, for the error."""

    def __init__(self, task: str, kind: str, **kwargs: Any) -> None:
        super().__init__(**{"reduction": "mean_with_sample_weight", "name": f"{task}_{kind}", **kwargs})
        self.task = task

    @staticmethod
    def is_label(labels: tf.Tensor) -> tf.Tensor:
        """Returns where labels are some that a task of this kind has."""
        raise NotImplementedError

    def shape_of_labels(self, y_pred: tf.Tensor) -> tf.Tensor:
        """Returns the shape that labels are brought to: by default that of the predictions."""
        return tf.shape(y_pred)

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> tf.Tensor:
        """Returns the loss of labels [B] or [B, 1] and predictions, as a scalar."""
        y_pred = tf.convert_to_tensor(y_pred)
        y_true = tf.reshape(tf.cast(y_true, y_pred.dtype), self.shape_of_labels(y_pred))
        if sample_weight is not None:
            sample_weight = tf.reshape(tf.cast(sample_weight, y_pred.dtype), tf.shape(y_pred)[:1])
            labelled = tf.reshape(sample_weight != 0, [-1, *[1] * (len(y_pred.shape) - 1)])
            y_true = tf.where(labelled, y_true, tf.zeros_like(y_true))
        y_true = checked_labels(y_true, self.is_label(y_true), self.task, self.problem)
        return super().__call__(y_true, y_pred, sample_weight)  # type: ignore[misc]

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "task": self.task}  # type: ignore[misc]


def checked_labels(labels: tf.Tensor, valid: tf.Tensor, task: str, problem: str) -> tf.Tensor:
    """Returns the labels if all are valid.

    Raises:
        tf.errors.InvalidArgumentError: If one is not (not under XLA, where nothing can be raised).
    """
    check = tf.debugging.Assert(
        tf.reduce_all(valid),
        [f"task {task}: {problem}. Check the label column, or give rows without a label the sample weight 0."],
    )
    with tf.control_dependencies([] if check is None else [check]):
        return tf.identity(labels)


def score_of(prediction: tf.Tensor) -> tf.Tensor | None:
    """Returns the score [B, 1] behind a prediction, which its link layer hung on it; None if there is none.

    Keras's sigmoid and softmax hand on their logits in this way. A loss that takes the score needs no inverse of the
    link, which loses digits where the prediction is very large or small.
    """
    score = getattr(prediction, "score", None)
    return getattr(prediction, "_keras_logits", None) if score is None else score
