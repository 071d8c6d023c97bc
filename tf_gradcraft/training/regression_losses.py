"""Losses of regression tasks."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from tf_gradcraft.suggestions import unknown_name
from tf_gradcraft.training.labelled_rows import LabelledRows, score_of

ERRORS = ("mse", "huber")


@keras.saving.register_keras_serializable("tf_gradcraft")
class TaskRegression(LabelledRows, keras.losses.Loss):
    r"""Squared or Huber error of one task, of the label or of its logarithm, averaged over its labelled rows.

    With the error $e = s - t(y)$ of the score s against the transformed label: $e^2$ ("mse"), or $\frac{1}{2} e^2$ for
    $|e| \le \delta$ and $\delta (|e| - \frac{1}{2} \delta)$ beyond ("huber"; Huber, "Robust Estimation of a Location
    Parameter", 1964). With `transform="log1p"`, $t(y) = \log(1 + y)$, and the prediction is $e^s - 1$: the median of y
    where the error of its logarithm is symmetric, below the mean of y.

    Args:
        task: Name of the task, for error messages.
        error: `"mse"` or `"huber"`.
        transform: `"log1p"` or None.
        delta: Where the Huber error becomes linear, in the unit of t(y).
        **kwargs: Arguments of `keras.losses.Loss`.

    Raises:
        ValueError: If the error is not known.
        tf.errors.InvalidArgumentError: When a label is below 0 and `transform` is given (not under XLA).

    Example:
        >>> loss = TaskRegression("price", transform="log1p")
        >>> round(float(loss([[0.0], [7.0]], [[0.0], [7.0]])), 4), round(float(loss([[0.0]], [[1.718282]])), 4)
        (0.0, 1.0)
    """

    def __init__(
        self, task: str, error: str = "mse", transform: str | None = None, delta: float = 1.0, **kwargs: Any
    ) -> None:
        super().__init__(task, error, **kwargs)
        if error not in ERRORS:
            raise ValueError(f"task {task!r}: " + unknown_name("error", error, ERRORS))
        self.error, self.transform, self.delta = error, transform, delta
        self.problem = "a label is below 0, which log1p does not take" if transform else ""

    def is_label(self, labels: tf.Tensor) -> tf.Tensor:  # type: ignore[override]
        """Returns where a label can be transformed; a NaN is found as a loss that is not finite."""
        return tf.logical_not(labels < 0) if self.transform else tf.ones_like(labels, tf.bool)

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        """Returns the error of each row [B]."""
        score = y_pred
        if self.transform:
            score, y_true = score_of(y_pred), tf.math.log1p(y_true)
            score = tf.math.log1p(y_pred) if score is None else tf.reshape(score, tf.shape(y_pred))
        if self.error == "huber":
            return keras.losses.huber(y_true, score, self.delta)
        return keras.losses.mean_squared_error(y_true, score)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = {"error": self.error, "transform": self.transform, "delta": self.delta}
        return {**super().get_config(), **config}
