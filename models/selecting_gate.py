"""DSelect-k gate: a mixture of few experts, which ones being learnt by gradients."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow import keras

from tf_gradcraft.models.gate import mix
from tf_gradcraft.training.gate_shares import observe_shares


@keras.utils.register_keras_serializable("tf_gradcraft")
class SelectingGate(keras.layers.Layer):
    r"""Mixes at most k of E experts, which ones being learnt by gradients (the DSelect-k gate).

    The mixture is $\sum_e q_e(x) \, h_e$ with $q(x) = \sum_{i=1}^k \mathrm{softmax}(\alpha(x))_i \, r(z^i(x))$. Each of
    the k selectors chooses an expert by its number in binary: with $m = \log_2 E$ bits $z_j$ and the smooth step S (0
    below $-\gamma/2$, 1 above $\gamma/2$, a cubic in between), its share of expert e, $r_e(z)$, is the product of
    $S(z_j)$ over the bits j of e that are 1, and of $1 - S(z_j)$ over those that are 0. Once all bits have left the
    cubic part a selector takes one expert alone. $\alpha$ and z are affine in x (the paper's per-example gate; with a
    kernel of 0 it is the paper's static gate), and start so near to 0 that all experts have nearly equal shares.

    Hazimeh et al., "DSelect-k: Differentiable Selection in the Mixture of Experts with Applications to Multi-Task
    Learning", NeurIPS 2021. Not implemented: numbers of experts that are no power of two, and leaving out the
    computation of experts that nobody has selected.

    Called like `Gate`, with `(x, experts)`.

    Args:
        num_experts: Number of experts E, a power of two from 2 on.
        num_selected: Number of selectors k, from 1 to E.
        gamma: Width $\gamma$ of the smooth step's cubic part; positive.
        entropy: Factor of the penalty $\sum_i H(r(z^i))$, averaged over the batch, which draws selectors to one expert.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> gate = SelectingGate(num_experts=4, num_selected=2)
        >>> gate((tf.ones([3, 5]), [tf.ones([3, 4])] * 4)).numpy().round(3).tolist()[0]
        [1.0, 1.0, 1.0, 1.0]
    """

    def __init__(
        self, num_experts: int, num_selected: int = 2, gamma: float = 1.0, entropy: float = 0.0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if num_experts < 2 or num_experts & (num_experts - 1):
            raise ValueError(f"SelectingGate: num_experts={num_experts} must be a power of two: 2, 4, 8 ...")
        if not 1 <= num_selected <= num_experts:
            raise ValueError(f"SelectingGate: num_selected={num_selected} must be from 1 to num_experts={num_experts}")
        if gamma <= 0 or entropy < 0:
            raise ValueError(f"SelectingGate: needs gamma > 0 and entropy >= 0, got {gamma} and {entropy}")
        self.num_experts, self.num_selected, self.gamma, self.entropy = num_experts, num_selected, gamma, entropy
        self.num_bits = num_experts.bit_length() - 1
        start = keras.initializers.RandomUniform(-gamma / 100, gamma / 100)
        # In float32 whatever the policy: products of many small shares.
        self.scores = keras.layers.Dense(
            num_selected * (1 + self.num_bits), kernel_initializer=start, dtype="float32", name="scores"
        )

    def build(self, input_shape: Any) -> None:
        """Makes the variables for `(x, experts)`."""
        self.scores.build(tuple(input_shape[0]))
        super().build(input_shape)

    def call(self, inputs: tuple[tf.Tensor, list[tf.Tensor]]) -> tf.Tensor:
        """Maps x [B, D] and E experts [B, H] to their mixture [B, H]."""
        looked_at, experts = inputs
        if len(experts) != self.num_experts:
            raise ValueError(f"SelectingGate: made for {self.num_experts} experts, got {len(experts)}")
        return mix(self.shares(looked_at), tf.stack(experts))

    def shares(self, looked_at: tf.Tensor) -> tf.Tensor:
        """Maps x [B, D] to the experts' shares [E, B]; adds the penalty."""
        scores = tf.reshape(self.scores(looked_at), [-1, self.num_selected, 1 + self.num_bits])
        on = smooth_step(scores[..., 1:], self.gamma)
        chosen = tf.ones_like(scores[..., :1])
        for bit in range(self.num_bits):
            is_set = tf.constant([bool(expert >> bit & 1) for expert in range(self.num_experts)])
            chosen *= tf.where(is_set, on[..., bit, tf.newaxis], 1.0 - on[..., bit, tf.newaxis])
        if self.entropy:
            entropy = -tf.reduce_sum(tf.math.xlogy(chosen, chosen), axis=[1, 2])
            self.add_loss(self.entropy * tf.reduce_mean(entropy))
        shares = tf.transpose(tf.reduce_sum(tf.nn.softmax(scores[..., 0])[..., tf.newaxis] * chosen, axis=1))
        observe_shares(self, shares)
        return tf.cast(shares, self.compute_dtype)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """See Keras."""
        return tuple(input_shape[1][0])

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = {"num_experts": self.num_experts, "num_selected": self.num_selected}
        return {**super().get_config(), **config, "gamma": self.gamma, "entropy": self.entropy}


def smooth_step(x: tf.Tensor, gamma: float) -> tf.Tensor:
    r"""The smooth step: 0 below $-\gamma/2$, 1 above $\gamma/2$, else $-2 t^3 + \frac{3 t + 1}{2}$ of $t = x/\gamma$.

    Example:
        >>> smooth_step(tf.constant([-3.0, -1.0, 0.0, 0.5, 1.0]), gamma=2.0).numpy().tolist()
        [0.0, 0.0, 0.5, 0.84375, 1.0]
    """
    t = tf.clip_by_value(x / gamma, -0.5, 0.5)
    return -2.0 * t**3 + 1.5 * t + 0.5
