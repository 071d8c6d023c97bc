"""Adaptive information transfer: what a task knows, joined with what comes from the task before it."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow import keras


@keras.utils.register_keras_serializable("tf_gradcraft")
class InformationTransfer(keras.layers.Layer):
    r"""Attention over a task's own representation q and that of the earlier task, z (the AIT module).

    With $p = g(z)$, a dense layer with ReLU: $\sum_{u \in \{p, q\}} w_u h_1(u)$, with $w = \mathrm{softmax}_u(\langle
    h_2(u), h_3(u) \rangle / \sqrt{H})$ and $h_1, h_2, h_3$ linear.

    Xi et al., "Modeling the Sequential Dependence among Audience Multi-step Conversions with Multi-task Learning in
    Targeted Display Advertising", KDD 2021. Called with `[z, q]`.

    Args:
        units: Width H of q and of the output.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> InformationTransfer(4)([tf.ones([2, 3]), tf.ones([2, 4])]).shape
        TensorShape([2, 4])
    """

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.information = keras.layers.Dense(units, activation="relu", name="information")
        self.value = keras.layers.Dense(units, use_bias=False, name="value")
        self.key = keras.layers.Dense(units, use_bias=False, name="key")
        self.query = keras.layers.Dense(units, use_bias=False, name="query")

    def build(self, input_shape: Any) -> None:
        """Makes the variables for inputs [B, D] and [B, H]."""
        self.information.build(tuple(input_shape[0]))
        pair = (input_shape[1][0], 2, self.units)
        for layer in (self.value, self.key, self.query):
            layer.build(pair)
        super().build(input_shape)

    def call(self, inputs: list[tf.Tensor]) -> tf.Tensor:
        """Maps z [B, D] and q [B, H] to [B, H]."""
        earlier, own = inputs
        pair = tf.stack([self.information(earlier), own], axis=1)
        products = tf.reduce_sum(self.key(pair) * self.query(pair), axis=-1) / self.units**0.5
        return tf.reduce_sum(tf.nn.softmax(products)[..., tf.newaxis] * self.value(pair), axis=1)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """See Keras."""
        return (*tuple(input_shape[1])[:1], self.units)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "units": self.units}
