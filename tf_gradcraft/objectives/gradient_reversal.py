"""The layer between a network and its adversary."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow import keras


@keras.utils.register_keras_serializable("tf_gradcraft")
class GradientReversal(keras.layers.Layer):
    r"""Hands on its input, and its gradient times $-\lambda$.

    What stands above learns to predict; what stands below learns to make that hard. Ganin et al., "Domain-Adversarial
    Training of Neural Networks", JMLR 2016.

    Args:
        scale: The factor $\lambda$, >= 0.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        ValueError: If the scale is negative.

    Example:
        >>> layer, x = GradientReversal(scale=0.5), tf.Variable([2.0])
        >>> with tf.GradientTape() as tape:
        ...     y = layer(x) ** 2
        >>> float(y[0]), float(tape.gradient(y, x)[0])
        (4.0, -2.0)
    """

    def __init__(self, scale: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if scale < 0:
            raise ValueError(f"GradientReversal: scale={scale} must be at least 0; the layer itself turns the sign")
        self.scale = scale

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Returns the inputs."""

        @tf.custom_gradient
        def reverse(x: tf.Tensor) -> Any:
            return tf.identity(x), lambda upstream: -self.scale * upstream

        return reverse(inputs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """See Keras."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "scale": self.scale}
