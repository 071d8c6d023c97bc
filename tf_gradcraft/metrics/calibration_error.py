"""Expected calibration error, over bins of equal width and over bins of equal mass."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from tf_gradcraft.metrics.columns import checked_probabilities, labelled_rows, masked_columns, ratio
from tf_gradcraft.metrics.exact import RowsMetric
from tf_gradcraft.metrics.sums import SumsMetric
from tf_gradcraft.metrics.ties import starts_of_runs

BINS = 10


def ece(labels: Any, predictions: Any, sample_weight: Any = None, bins: int = BINS) -> tf.Tensor:
    r"""Returns the expected calibration error over bins of equal width.

    $$ECE = \sum_{b=1}^{B} \frac{W_b}{W} \left| \bar p_b - \bar y_b \right|$$

    Bin b holds the predictions in [(b-1)/B, b/B), the last one 1 as well; $W_b$ is its rows' weight, $\bar p_b$ their
    mean prediction and $\bar y_b$ their mean label. Naeini et al., "Obtaining Well Calibrated Probabilities Using
    Bayesian Binning", AAAI 2015. Where labels are rare all predictions fall into the first bin: take `equal_mass_ece`.

    Args:
        labels: Labels $y$ [N] in {0, 1}.
        predictions: Predicted probabilities $p$ [N].
        sample_weight: Weights [N] of the rows, all 1 by default; rows of weight 0 are left out.
        bins: Number of bins B, from 1.

    Returns:
        float64 scalar; NaN without rows.

    Raises:
        ValueError: If `bins` is below 1.
        tf.errors.InvalidArgumentError: If a prediction is outside of [0, 1].

    Example:
        >>> round(float(ece([0, 1, 1, 1], [0.1, 0.3, 0.7, 0.9], bins=2)), 4)
        0.25
    """
    return _ece(_width_sums(labels, predictions, sample_weight, checked_bins(bins)))


def equal_mass_ece(labels: Any, predictions: Any, sample_weight: Any = None, bins: int = BINS) -> tf.Tensor:
    r"""Returns the expected calibration error over bins that hold equal shares of the weight.

    The equation of `ece`; the bins are cut at quantiles of the predictions. Rows with equal predictions stay together:
    they go where the middle of their weight falls, so that the order of rows does not matter. Nguyen and O'Connor,
    "Posterior Calibration and Exploratory Analysis for Natural Language Processing Models", EMNLP 2015.

    Args:
        labels: Labels [N] in {0, 1}.
        predictions: Predicted probabilities [N].
        sample_weight: Weights [N] of the rows, all 1 by default; rows of weight 0 are left out.
        bins: Number of bins, from 1.

    Returns:
        float64 scalar; NaN without rows.

    Raises:
        ValueError: If `bins` is below 1.
        tf.errors.InvalidArgumentError: If a prediction is outside of [0, 1].

    Example:
        >>> round(float(equal_mass_ece([0, 0, 0, 1], [0.01, 0.03, 0.02, 0.04], bins=2)), 4)
        0.24
    """
    bins = checked_bins(bins)
    rows = labelled_rows(labels, predictions, sample_weight)
    predictions = checked_probabilities(rows.predictions, "calibration error")
    order = tf.argsort(predictions, stable=True)
    labels, predictions, weights = (tf.gather(v, order) for v in (rows.labels, predictions, rows.weights))
    tie = tf.cumsum(tf.cast(starts_of_runs(predictions), tf.int32))
    gaps = tf.math.segment_sum(weights * (predictions - labels), tie)
    mass = tf.math.segment_sum(weights, tie)
    total = tf.reduce_sum(mass)
    middle = tf.cumsum(mass, exclusive=True) + mass / 2
    bin_of = tf.clip_by_value(tf.cast(tf.floor(bins * middle / total), tf.int32), 0, bins - 1)
    return ratio(tf.reduce_sum(tf.abs(tf.math.unsorted_segment_sum(gaps, bin_of, bins))), total)


@keras.saving.register_keras_serializable("tf_gradcraft")
class ECE(SumsMetric):
    """Expected calibration error over bins of equal width, see `tf_gradcraft.metrics.ece`; streaming, exact in float64.

    Args:
        bins: Number of bins, from 1.
        name: Name of the metric.
        dtype: dtype of the result.

    Example:
        >>> metric = ECE(bins=2)
        >>> metric.update_state([0, 1, 1, 1], [0.1, 0.3, 0.7, 0.9])
        >>> round(float(metric.result()), 4)
        0.25
    """

    def __init__(self, bins: int = BINS, name: str = "ece", dtype: Any = None) -> None:
        super().__init__(shape=[checked_bins(bins), 2], name=name, dtype=dtype)
        self.bins = bins

    def result(self) -> tf.Tensor:
        """Returns the value over all rows since the last reset; NaN without rows."""
        return tf.cast(_ece(self._sums), self.dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "bins": self.bins}

    def _sums_of(self, labels: Any, predictions: Any, sample_weight: Any) -> tf.Tensor:
        return _width_sums(labels, predictions, sample_weight, self.bins)


@keras.saving.register_keras_serializable("tf_gradcraft")
class EqualMassECE(RowsMetric):
    """Expected calibration error over bins of equal mass, see `tf_gradcraft.metrics.equal_mass_ece`; keeps every row.

    Args:
        bins: Number of bins, from 1.
        name: Name of the metric.
        dtype: dtype of the result.

    Example:
        >>> metric = EqualMassECE(bins=2)
        >>> metric.update_state([0, 0, 0, 1], [0.01, 0.03, 0.02, 0.04])
        >>> round(float(metric.result()), 4)
        0.24
    """

    def __init__(self, bins: int = BINS, name: str = "equal_mass_ece", dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype)
        self.bins = checked_bins(bins)

    def result(self) -> tf.Tensor:
        """Returns the value over all rows since the last reset; NaN without rows."""
        rows = self._rows()
        value = equal_mass_ece(rows["labels"], rows["predictions"], rows["weights"], self.bins)
        return tf.cast(value, self.dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "bins": self.bins}


def checked_bins(bins: int) -> int:
    """Returns `bins` if there can be so many."""
    if bins < 1:
        raise ValueError(f"bins={bins!r} must be at least 1")
    return bins


def bin_of_equal_width(predictions: tf.Tensor, bins: int) -> tf.Tensor:
    """Returns the number of each prediction's bin [N], from 0, int32."""
    inner_edges = tf.range(1, bins, dtype=tf.float64) / bins
    # tf.searchsorted takes neither a column without rows nor one bin, which has no inner edge.
    return tf.raw_ops.UpperBound(sorted_inputs=inner_edges[tf.newaxis], values=predictions[tf.newaxis])[0]


def _width_sums(labels: Any, predictions: Any, sample_weight: Any, bins: int) -> tf.Tensor:
    """Returns for each bin the sums of weights and of predictions minus labels: [B, 2]."""
    labels, predictions, weights = masked_columns(labels, predictions, sample_weight)
    predictions = checked_probabilities(predictions, "calibration error")
    terms = tf.stack([weights, weights * (predictions - labels)], axis=1)
    return tf.math.unsorted_segment_sum(terms, bin_of_equal_width(predictions, bins), bins)


def _ece(sums: tf.Tensor) -> tf.Tensor:
    return ratio(tf.reduce_sum(tf.abs(sums[:, 1])), tf.reduce_sum(sums[:, 0]))
