"""Log loss, and log loss over the entropy of the base rate."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from tf_gradcraft.metrics.columns import checked_probabilities, masked_columns, ratio
from tf_gradcraft.metrics.sums import SumsMetric

EPSILON = 1e-7
"""How near to 0 and 1 a prediction counts, as in Keras's crossentropy."""


def log_loss(labels: Any, predictions: Any, sample_weight: Any = None, epsilon: float = EPSILON) -> tf.Tensor:
    r"""Returns the mean negative log-likelihood of binary labels.

    $$LL = -\frac{\sum_i w_i \left[ y_i \ln p_i + (1 - y_i) \ln (1 - p_i) \right]}{\sum_i w_i}$$

    Args:
        labels: Labels $y$ [N] in {0, 1}.
        predictions: Predicted probabilities $p$ [N].
        sample_weight: Weights $w$ [N] of the rows, all 1 by default; rows of weight 0 are left out.
        epsilon: Predictions are moved into [epsilon, 1 - epsilon], so that one sure and wrong prediction costs
            $-\ln \epsilon$ (16.1 by default) and not infinity. From 0 to below 0.5.

    Returns:
        float64 scalar in nats; NaN without rows.

    Raises:
        ValueError: If `epsilon` is out of its range.
        tf.errors.InvalidArgumentError: If a prediction is outside of [0, 1].

    Example:
        >>> round(float(log_loss([1, 0, 1], [0.8, 0.4, 0.5])), 4)
        0.4757
    """
    return _log_loss(_sums(labels, predictions, sample_weight, checked_epsilon(epsilon)))


def normalised_entropy(labels: Any, predictions: Any, sample_weight: Any = None, epsilon: float = EPSILON) -> tf.Tensor:
    r"""Returns the log loss divided by the entropy of the base rate.

    $$NE = \frac{LL}{-\left[ \bar y \ln \bar y + (1 - \bar y) \ln (1 - \bar y) \right]}, \quad
    \bar y = \frac{\sum_i w_i y_i}{\sum_i w_i}$$

    1 is what predicting the base rate $\bar y$ for every row yields, so that logs with different base rates can be
    compared; lower is better. He et al., "Practical Lessons from Predicting Clicks on Ads at Facebook", ADKDD 2014.

    Args:
        labels: Labels $y$ [N] in {0, 1}.
        predictions: Predicted probabilities $p$ [N].
        sample_weight: Weights $w$ [N] of the rows, all 1 by default; rows of weight 0 are left out.
        epsilon: See `log_loss`.

    Returns:
        float64 scalar; NaN if one of the classes has no row.

    Raises:
        ValueError: If `epsilon` is out of its range.
        tf.errors.InvalidArgumentError: If a prediction is outside of [0, 1].

    Example:
        >>> round(float(normalised_entropy([1, 0, 0, 0], [0.25, 0.25, 0.25, 0.25])), 4)
        1.0
    """
    return _normalised_entropy(_sums(labels, predictions, sample_weight, checked_epsilon(epsilon)))


class _EntropyMetric(SumsMetric):
    def __init__(self, epsilon: float, name: str, dtype: Any) -> None:
        super().__init__(shape=[3], name=name, dtype=dtype)
        self.epsilon = checked_epsilon(epsilon)

    def _sums_of(self, labels: Any, predictions: Any, sample_weight: Any) -> tf.Tensor:
        return _sums(labels, predictions, sample_weight, self.epsilon)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "epsilon": self.epsilon}


@keras.saving.register_keras_serializable("tf_gradcraft")
class LogLoss(_EntropyMetric):
    """Log loss, see `tf_gradcraft.metrics.log_loss`; streaming, exact in float64.

    Args:
        epsilon: Predictions are moved into [epsilon, 1 - epsilon]; from 0 to below 0.5.
        name: Name of the metric.
        dtype: dtype of the result.

    Example:
        >>> metric = LogLoss()
        >>> metric.update_state([1, 0, 1], [0.8, 0.4, 0.5])
        >>> round(float(metric.result()), 4)
        0.4757
    """

    def __init__(self, epsilon: float = EPSILON, name: str = "log_loss", dtype: Any = None) -> None:
        super().__init__(epsilon, name, dtype)

    def result(self) -> tf.Tensor:
        """Returns the value over all rows since the last reset; NaN without rows."""
        return tf.cast(_log_loss(self._sums), self.dtype)


@keras.saving.register_keras_serializable("tf_gradcraft")
class NormalisedEntropy(_EntropyMetric):
    """Normalised entropy, see `tf_gradcraft.metrics.normalised_entropy`; streaming, exact in float64.

    Args:
        epsilon: Predictions are moved into [epsilon, 1 - epsilon]; from 0 to below 0.5.
        name: Name of the metric.
        dtype: dtype of the result.

    Example:
        >>> metric = NormalisedEntropy()
        >>> metric.update_state([1, 0, 0, 0], [0.25, 0.25, 0.25, 0.25])
        >>> round(float(metric.result()), 4)
        1.0
    """

    def __init__(self, epsilon: float = EPSILON, name: str = "normalised_entropy", dtype: Any = None) -> None:
        super().__init__(epsilon, name, dtype)

    def result(self) -> tf.Tensor:
        """Returns the value over all rows since the last reset; NaN if a class has no row."""
        return tf.cast(_normalised_entropy(self._sums), self.dtype)


def checked_epsilon(epsilon: float) -> float:
    """Returns `epsilon` if it is in its range."""
    if not 0 <= epsilon < 0.5:
        raise ValueError(f"epsilon={epsilon!r} must be from 0 to below 0.5")
    return epsilon


def _sums(labels: Any, predictions: Any, sample_weight: Any, epsilon: float) -> tf.Tensor:
    """Returns the sums of losses, of labels and of weights: [3]."""
    labels, predictions, weights = masked_columns(labels, predictions, sample_weight)
    predictions = checked_probabilities(predictions, "log loss")
    clipped = tf.clip_by_value(predictions, epsilon, 1 - epsilon)
    # Whether clipping keeps a NaN depends on the kernel.
    clipped = tf.where(tf.math.is_nan(predictions), predictions, clipped)
    losses = -tf.math.xlogy(labels, clipped) - tf.math.xlogy(1 - labels, 1 - clipped)
    return tf.reduce_sum(weights * tf.stack([losses, labels, tf.ones_like(labels)]), axis=1)


def _log_loss(sums: tf.Tensor) -> tf.Tensor:
    return ratio(sums[0], sums[2])


def _normalised_entropy(sums: tf.Tensor) -> tf.Tensor:
    base_rate = ratio(sums[1], sums[2])
    entropy = -tf.math.xlogy(base_rate, base_rate) - tf.math.xlogy(1 - base_rate, 1 - base_rate)
    return ratio(_log_loss(sums), entropy)
