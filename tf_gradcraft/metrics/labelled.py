"""Any Keras metric, over labelled rows."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from tf_gradcraft.metrics.exact import ExactMetric


@keras.saving.register_keras_serializable("tf_gradcraft")
class Labelled(ExactMetric):
    """A metric of Keras that gets the task's sample weights, and for which rows of weight 0 do not exist.

    Given by task in `metrics`, Keras passes its metrics no weights; in `weighted_metrics` it multiplies what stands in
    a row by the weight, so that a NaN label in a row of weight 0 makes the value NaN. This one is computed as the
    library's own metrics are: at the end of an evaluation, on labelled rows.

    Args:
        metric: The metric, such as `keras.metrics.RootMeanSquaredError(name="rmse")`.
        name: Name of the metric; that of the given one by default.
        dtype: dtype of the result.

    Example:
        >>> metric = Labelled(keras.metrics.RootMeanSquaredError(name="rmse"))
        >>> metric.update_state([1.0, float("nan"), 5.0], [4.0, 7.0, 1.0], sample_weight=[1.0, 0.0, 1.0])
        >>> metric.name, round(float(metric.result()) ** 2, 4)  # (9 + 16) / 2
        ('rmse', 12.5)
    """

    def __init__(self, metric: keras.metrics.Metric, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(name=name or metric.name, dtype=dtype)
        self.metric = metric
        self._rows = self.add_weight(name="rows", initializer="zeros")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None, groups: Any = None) -> None:
        """Adds a batch.

        Args:
            y_true: Labels [B] or [B, 1].
            y_pred: Predictions [B] or [B, C].
            sample_weight: Weights [B] or [B, 1], all 1 by default.
            groups: Not looked at.
        """
        y_pred = tf.convert_to_tensor(y_pred)
        y_pred = tf.reshape(y_pred, [tf.shape(y_pred)[0], y_pred.shape[-1] if len(y_pred.shape) > 1 else 1])
        y_true = tf.reshape(tf.cast(y_true, y_pred.dtype), [-1, 1])
        weights = tf.ones_like(y_true) if sample_weight is None else tf.cast(sample_weight, y_pred.dtype)
        weights = tf.reshape(weights, [-1])
        kept = weights != 0
        y_true, y_pred, weights = (tf.boolean_mask(of, kept) for of in (y_true, y_pred, weights))
        self.metric.update_state(y_true, y_pred, sample_weight=weights)
        self._rows.assign_add(tf.reduce_sum(tf.cast(kept, tf.float32)))

    def result(self) -> tf.Tensor:
        """Returns the value over all rows since the last reset; NaN if there are none."""
        return tf.where(tf.convert_to_tensor(self._rows) > 0, self.metric.result(), float("nan"))

    def reset_state(self) -> None:
        """Forgets all rows."""
        super().reset_state()
        self.metric.reset_state()

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "metric": keras.saving.serialize_keras_object(self.metric)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Labelled:
        """Inverse of `get_config`."""
        return cls(**{**config, "metric": keras.saving.deserialize_keras_object(config["metric"])})
