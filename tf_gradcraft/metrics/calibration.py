"""Sum of predictions over sum of labels."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from tf_gradcraft.metrics.columns import masked_columns, ratio
from tf_gradcraft.metrics.sums import SumsMetric


def pcoc(labels: Any, predictions: Any, sample_weight: Any = None) -> tf.Tensor:
    r"""Returns the predicted over the observed clicks: calibration of all rows together.

    $$PCOC = \frac{\sum_i w_i p_i}{\sum_i w_i y_i}$$

    1 is calibrated on the whole, above 1 predicts too much. "Calibration" in He et al., "Practical Lessons from
    Predicting Clicks on Ads at Facebook", ADKDD 2014. It serves counts and durations as well.

    Args:
        labels: Labels $y$ [N].
        predictions: Predictions $p$ [N], in the unit of the labels.
        sample_weight: Weights $w$ [N] of the rows, all 1 by default; rows of weight 0 are left out.

    Returns:
        float64 scalar; NaN if the labels add up to 0.

    Example:
        >>> round(float(pcoc([1, 0, 0, 0], [0.5, 0.25, 0.25, 0.5])), 4)
        1.5
    """
    return _pcoc(_sums(labels, predictions, sample_weight))


@keras.saving.register_keras_serializable("tf_gradcraft")
class PCOC(SumsMetric):
    """Predicted over observed clicks, see `tf_gradcraft.metrics.pcoc`; streaming, exact in float64.

    Args:
        name: Name of the metric.
        dtype: dtype of the result.

    Example:
        >>> metric = PCOC()
        >>> metric.update_state([1, 0, 0, 0], [0.5, 0.25, 0.25, 0.5])
        >>> float(metric.result())
        1.5
    """

    def __init__(self, name: str = "pcoc", dtype: Any = None) -> None:
        super().__init__(shape=[2], name=name, dtype=dtype)

    def result(self) -> tf.Tensor:
        """Returns the value over all rows since the last reset; NaN if the labels add up to 0."""
        return tf.cast(_pcoc(self._sums), self.dtype)

    def _sums_of(self, labels: Any, predictions: Any, sample_weight: Any) -> tf.Tensor:
        return _sums(labels, predictions, sample_weight)


def _sums(labels: Any, predictions: Any, sample_weight: Any) -> tf.Tensor:
    """Returns the sums of predictions and of labels: [2]."""
    labels, predictions, weights = masked_columns(labels, predictions, sample_weight)
    return tf.reduce_sum(weights * tf.stack([predictions, labels]), axis=1)


def _pcoc(sums: tf.Tensor) -> tf.Tensor:
    return ratio(sums[0], sums[1])
