"""Link layers: from the score of a head to the prediction of a task, with the score hung on for its loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from tensorflow import keras

_FUNCTIONS = {"exp": tf.math.exp, "expm1": tf.math.expm1}


@keras.utils.register_keras_serializable("tf_gradcraft")
class ExponentialLink(keras.layers.Layer):
    """Maps a score s to $e^s$ ("exp") or $e^s - 1$ ("expm1").

    The returned tensor has the attribute `score`, so that a loss on the score loses no digits; Keras's sigmoid hands
    its logits on in the same way.

    Args:
        function: `"exp"` or `"expm1"`.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> predicted = ExponentialLink("expm1")(tf.constant([[0.0], [-50.0]]))
        >>> predicted.numpy().tolist(), predicted.score.numpy().tolist()
        ([[0.0], [-1.0]], [[0.0], [-50.0]])
    """

    def __init__(self, function: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if function not in _FUNCTIONS:
            raise ValueError(f"ExponentialLink: function={function!r} is not known; use 'exp' or 'expm1'")
        self.function = function

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Maps scores to predictions of the same shape."""
        predicted: Any = _FUNCTIONS[self.function](inputs)
        predicted.score = inputs
        return predicted

    def compute_output_shape(self, input_shape: Any) -> Any:
        """See Keras."""
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "function": self.function}


@keras.utils.register_keras_serializable("tf_gradcraft")
class QuantileValue(keras.layers.Layer):
    r"""Maps a score and a duration to a watch time: the value of a quantile among items of like length.

    The predicted quantile $\hat q = \sigma(s)$ is looked up in the distribution of the duration's group, linearly
    between two of its quantiles. Zhan et al., "Deconfounding Duration Bias in Watch-time Prediction for Video
    Recommendation", KDD 2022. Nothing is learnt through the value: the loss is
    `tf_gradcraft.training.DurationQuantile`, which takes the attributes `quantile` [B, 1] and `table` [B, Q] of the
    returned tensor.

    Args:
        boundaries: Durations that part the G groups, increasing, G - 1 numbers; a boundary belongs to the group above.
        quantiles: Q quantiles of each group's watch times, at evenly spaced levels from 0 to 1.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> layer = QuantileValue([60.0], [[0.0, 10.0, 30.0], [0.0, 50.0, 90.0]])
        >>> layer([tf.zeros([2, 1]), tf.constant([20.0, 60.0])]).numpy().tolist()
        [[10.0], [50.0]]
    """

    def __init__(self, boundaries: Sequence[float], quantiles: Sequence[Sequence[float]], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.boundaries, self.quantiles = list(boundaries), [list(of_group) for of_group in quantiles]

    def call(self, inputs: Sequence[tf.Tensor]) -> tf.Tensor:
        """Maps a score [B, 1] and a raw duration [B] to a watch time [B, 1]."""
        score, duration = inputs
        bounds = tf.reshape(tf.constant(self.boundaries, tf.float32), [1, -1])
        above = tf.reshape(tf.cast(duration, tf.float32), [-1, 1]) >= bounds
        table = tf.gather(tf.constant(self.quantiles, tf.float32), tf.reduce_sum(tf.cast(above, tf.int32), axis=-1))
        quantile = tf.sigmoid(tf.cast(score, tf.float32))
        last = len(self.quantiles[0]) - 1
        place = quantile * last
        low = tf.clip_by_value(tf.cast(place, tf.int32), 0, last - 1)
        left, right = (tf.gather(table, at, batch_dims=1) for at in (low, low + 1))
        predicted: Any = left + (place - tf.cast(low, tf.float32)) * (right - left)
        predicted.quantile, predicted.table = quantile, table
        return predicted

    def compute_output_shape(self, input_shape: Any) -> Any:
        """See Keras."""
        return tuple(input_shape[0])

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "boundaries": self.boundaries, "quantiles": self.quantiles}
