"""Penalty on a probability that is larger than that of the event before."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow import keras


@keras.utils.register_keras_serializable("tf_gradcraft")
class OrderPenalty(keras.layers.Layer):
    r"""Hands on the later of two probabilities, with a loss where it is the larger one.

    The loss is $\alpha$ times the mean over the batch of $\max(p_{later} - p_{earlier}, 0)$.

    Xi et al., KDD 2021 (the behavioural expectation calibrator of AITM). Called with `[earlier, later]`.

    Args:
        factor: The factor $\alpha$; not negative.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        ValueError: If the factor is negative.

    Example:
        >>> layer = OrderPenalty(0.5)
        >>> later = layer([tf.constant([[0.5], [0.5]]), tf.constant([[0.9], [0.1]])])
        >>> round(float(layer.losses[0]), 4)
        0.1
    """

    def __init__(self, factor: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if factor < 0:
            raise ValueError(f"OrderPenalty: factor={factor} must not be negative")
        self.factor = factor

    def call(self, inputs: list[tf.Tensor]) -> tf.Tensor:
        """Maps probabilities `[earlier, later]` [B, 1] to the later."""
        earlier, later = inputs
        self.add_loss(self.factor * tf.reduce_mean(tf.nn.relu(later - earlier)))
        return later

    def compute_output_shape(self, input_shape: Any) -> Any:
        """See Keras."""
        return tuple(input_shape[1])

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "factor": self.factor}
