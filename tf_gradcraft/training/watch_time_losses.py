"""Losses of watch time tasks."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from tf_gradcraft.training.labelled_rows import LabelledRows, score_of


@keras.saving.register_keras_serializable("tf_gradcraft")
class WeightedLogistic(LabelledRows, keras.losses.Loss):
    r"""Weighted logistic regression on watch time, averaged over the labelled rows.

    Rows with a watch time T > 0 are positives that count T times, rows with T = 0 are negatives that count once: with
    the score s,

    $$\ell = T \log(1 + e^{-s}) \text{ if } T > 0, \quad \log(1 + e^{s}) \text{ otherwise.}$$

    The odds $e^s$, the prediction, then tend to the sum of watch times over the number of negatives: with the share p
    of positives, $E[T] / (1 - p)$, which is near the expected time only where positives are rare, such as clicks among
    impressions. Where nearly every row has some watch time, use another loss. Covington, Adams and Sargin, "Deep Neural
    Networks for YouTube Recommendations", RecSys 2016.

    The loss, and with it the size of the gradients, grows with the unit of time.

    Args:
        task: Name of the task, for error messages.
        **kwargs: Arguments of `keras.losses.Loss`.

    Raises:
        tf.errors.InvalidArgumentError: When a label is below 0 (not under XLA, where nothing can be raised).

    Example:
        >>> loss = WeightedLogistic("watch")
        >>> round(float(loss([[5.0], [0.0]], [[1.0], [1.0]])), 4)  # 6 log(2) over two rows
        2.0794
    """

    problem = "a watch time is below 0"

    def __init__(self, task: str, **kwargs: Any) -> None:
        super().__init__(task, "weighted_logistic", **kwargs)

    @staticmethod
    def is_label(labels: tf.Tensor) -> tf.Tensor:
        """Returns where labels are no negative times; a NaN is found as a loss that is not finite."""
        return tf.logical_not(labels < 0)

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        """Returns the loss of each row."""
        score = score_of(y_pred)
        if score is None:
            score = tf.math.log(tf.maximum(y_pred, keras.config.epsilon()))
        score = tf.reshape(score, tf.shape(y_true))
        return tf.where(y_true == 0, tf.nn.softplus(score), y_true * tf.nn.softplus(-score))


@keras.saving.register_keras_serializable("tf_gradcraft")
class DurationQuantile(LabelledRows, keras.losses.Loss):
    r"""Squared error of the watch time's quantile among items of like length, averaged over the labelled rows.

    $(\hat q - F_g(T))^2$ with the predicted quantile $\hat q$ and the place of the watch time T in the distribution
    $F_g$ of its group of durations (the middle of it, where several quantiles equal T). So a long item does not look
    better because it can be watched longer. Zhan et al., "Deconfounding Duration Bias in Watch-time Prediction for
    Video Recommendation", KDD 2022.

    Args:
        task: Name of the task, for error messages.
        **kwargs: Arguments of `keras.losses.Loss`.

    Raises:
        ValueError: If the predictions are not those of a `tf_gradcraft.models.QuantileValue` layer.
        tf.errors.InvalidArgumentError: When a label is below 0 (not under XLA, where nothing can be raised).

    Example:
        >>> from tf_gradcraft.models import QuantileValue
        >>> predicted = QuantileValue([], [[0.0, 10.0, 30.0]])([tf.constant([[0.0]]), tf.constant([60.0])])
        >>> float(predicted[0, 0]), float(DurationQuantile("watch")([[20.0]], predicted))  # 0.5 against 0.75
        (10.0, 0.0625)
    """

    problem = WeightedLogistic.problem

    def __init__(self, task: str, **kwargs: Any) -> None:
        super().__init__(task, "duration_quantile", **kwargs)

    is_label = staticmethod(WeightedLogistic.is_label)

    def call(self, y_true: tf.Tensor, y_pred: Any) -> tf.Tensor:
        """Returns the loss of each row."""
        if getattr(y_pred, "table", None) is None:
            raise ValueError(
                f"task {self.task!r}: this loss needs to know the quantiles of each row; predict with the layer "
                "tf_gradcraft.models.QuantileValue, as models built from a schema do"
            )
        quantile = quantile_of(tf.reshape(y_true, [-1]), y_pred.table)
        return tf.square(tf.reshape(y_pred.quantile, tf.shape(y_true)) - tf.reshape(quantile, tf.shape(y_true)))


def quantile_of(values: tf.Tensor, table: tf.Tensor) -> tf.Tensor:
    """Returns where values [B] stand among the evenly spaced quantiles of their row [B, Q], in [0, 1].

    Example:
        >>> table = tf.constant([[0.0, 0.0, 4.0, 8.0, 8.0]] * 4)
        >>> quantile_of(tf.constant([0.0, 2.0, 8.0, 99.0]), table).numpy().tolist()
        [0.125, 0.375, 0.875, 1.0]
    """
    count = table.shape[-1]
    column = values[:, tf.newaxis]
    below = tf.reduce_sum(tf.cast(table < column, tf.int32), axis=-1)
    up_to = tf.reduce_sum(tf.cast(table <= column, tf.int32), axis=-1)
    low = tf.clip_by_value(below - 1, 0, count - 2)
    left, right = (tf.gather(table, at, batch_dims=1) for at in (low, low + 1))
    between = tf.cast(low, values.dtype) + tf.math.divide_no_nan(values - left, right - left)
    middle = tf.cast(below + up_to - 1, values.dtype) / 2
    place = tf.where(up_to > below, middle, between)
    # Above them all it is the last one, also where the last ones are equal.
    place = tf.where(below == count, tf.cast(count - 1, values.dtype), place)
    return tf.clip_by_value(place / (count - 1), 0.0, 1.0)
