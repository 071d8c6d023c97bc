"""Softmax gate: a mixture of experts whose shares depend on the input."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow import keras

from tf_gradcraft.training.gate_shares import observe_shares


@keras.utils.register_keras_serializable("tf_gradcraft")
class Gate(keras.layers.Layer):
    r"""Mixes experts: $\sum_e \mathrm{softmax}(W x)_e \, h_e$.

    Called with `(x, experts)`: what the gate looks at [B, D], and the experts' outputs, a list of E tensors [B, H].

    Args:
        num_experts: Number of experts E.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> Gate(3)((tf.ones([2, 5]), [tf.ones([2, 4])] * 3)).numpy().round(3).tolist()
        [[1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0]]
    """

    def __init__(self, num_experts: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if num_experts < 1:
            raise ValueError(f"Gate: num_experts={num_experts} must be positive")
        self.num_experts = num_experts
        self.scores = keras.layers.Dense(num_experts, use_bias=False, activation="softmax", name="scores")

    def build(self, input_shape: Any) -> None:
        """Makes the variables for `(x, experts)`."""
        self.scores.build(tuple(input_shape[0]))
        super().build(input_shape)

    def call(self, inputs: tuple[tf.Tensor, list[tf.Tensor]]) -> tf.Tensor:
        """Maps x [B, D] and E experts [B, H] to their mixture [B, H]."""
        looked_at, experts = inputs
        if len(experts) != self.num_experts:
            raise ValueError(f"Gate: made for {self.num_experts} experts, got {len(experts)}")
        return mix(self.shares(looked_at), tf.stack(experts))

    def shares(self, looked_at: tf.Tensor) -> tf.Tensor:
        """Maps x [B, D] to the experts' shares [E, B]."""
        shares = tf.transpose(self.scores(looked_at))
        observe_shares(self, shares)
        return shares

    def compute_output_shape(self, input_shape: Any) -> Any:
        """See Keras."""
        return tuple(input_shape[1][0])

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "num_experts": self.num_experts}


def mix(shares: tf.Tensor, experts: tf.Tensor) -> tf.Tensor:
    """Mixes experts [E, B, H] by shares [E, B] to [B, H]."""
    # As elementwise products: an einsum makes a matrix product a row of them, which takes more than twice as long.
    return tf.reduce_sum(shares[:, :, tf.newaxis] * experts, axis=0)
