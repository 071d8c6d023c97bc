"""Gate with a second gate over a module's own experts alone (HoME)."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow import keras

from tf_gradcraft.models.gate import Gate, mix


@keras.utils.register_keras_serializable("tf_gradcraft")
class SelfGate(keras.layers.Layer):
    r"""Mixes experts, and adds the module's own ones once more: $\sum_e g_e(x) h_e + \sum_{e \in own} s_e(x) h_e$.

    g is a softmax over all experts, s one over the own ones, or a sigmoid if there is only one. The second way lets
    own experts learn even where the first gate leaves them out.

    Wang et al., 2024 (arXiv 2408.05430). Called with `(x, own, others)`: what both gates look at [B, D], and two lists
    of experts [B, H].

    Args:
        num_own: Number of own experts.
        num_others: Number of the others.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> x = tf.zeros([1, 5])
        >>> SelfGate(1, 2)((x, [tf.fill([1, 4], 6.0)], [tf.zeros([1, 4])] * 2)).numpy().round(3).tolist()
        [[5.0, 5.0, 5.0, 5.0]]
    """

    def __init__(self, num_own: int, num_others: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if num_own < 1 or num_others < 0:
            raise ValueError(f"SelfGate: needs num_own >= 1 and num_others >= 0, got {num_own} and {num_others}")
        self.num_own, self.num_others = num_own, num_others
        self.gate = Gate(num_own + num_others, name="gate")
        self.own = keras.layers.Dense(
            num_own, use_bias=False, activation="sigmoid" if num_own == 1 else "softmax", name="own"
        )

    def build(self, input_shape: Any) -> None:
        """Makes the variables for `(x, own, others)`."""
        looked_at, own, others = input_shape
        self.gate.build((tuple(looked_at), [*own, *others]))
        self.own.build(tuple(looked_at))
        super().build(input_shape)

    def call(self, inputs: tuple[tf.Tensor, list[tf.Tensor], list[tf.Tensor]]) -> tf.Tensor:
        """Maps x [B, D] and experts [B, H] to [B, H]."""
        looked_at, own, others = inputs
        return self.gate((looked_at, [*own, *others])) + mix(tf.transpose(self.own(looked_at)), tf.stack(own))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """See Keras."""
        return tuple(input_shape[1][0])

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "num_own": self.num_own, "num_others": self.num_others}
