"""A user's history, summed up by its likeness to the item at hand (DIN)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from tensorflow import keras

from tf_gradcraft.models.mlp import MLP


@keras.utils.register_keras_serializable("tf_gradcraft")
class TargetAttention(keras.layers.Layer):
    r"""Sums a list of embeddings, each weighted by an activation unit that sees the query beside it.

    $v(q) = \sum_j a(q, k_j) k_j$, where $a$ is a small network on $[q, k_j, q - k_j, q \odot k_j]$ with one linear
    output. As in the paper the weights are not normalised by a softmax, so that their sum keeps how strong an interest
    is. Entries that only fill up the list have the weight zero; an empty list gives zero.

    Zhou et al., "Deep Interest Network for Click-Through Rate Prediction", KDD 2018. Not implemented: the activation
    Dice (ReLU here) and the mini-batch aware regularisation (the penalty on looked-up rows of `FeatureEmbeddings` is
    one of its kind).

    Called with `[query, keys, known]`: [B, D], [B, L, D] and bool [B, L].

    Args:
        units: Widths of the activation unit's hidden layers; the paper's by default.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> known = tf.constant([[True, False], [False, False]])
        >>> summed = TargetAttention()([tf.ones([2, 3]), tf.ones([2, 2, 3]), known])
        >>> summed.shape, summed[1].numpy().tolist()
        (TensorShape([2, 3]), [0.0, 0.0, 0.0])
    """

    def __init__(self, units: Sequence[int] = (36,), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = list(units)
        self.hidden = MLP(self.units, name="hidden")
        self.score = keras.layers.Dense(1, name="score")

    def build(self, input_shape: Any) -> None:
        """Makes the variables for `[query, keys, known]`."""
        keys = tuple(input_shape[1])
        seen = (*keys[:-1], 4 * keys[-1])
        self.hidden.build(seen)
        self.score.build(self.hidden.compute_output_shape(seen))
        super().build(input_shape)

    def call(self, inputs: Sequence[tf.Tensor]) -> tf.Tensor:
        """Maps query [B, D], keys [B, L, D] and known [B, L] to [B, D]."""
        query, keys, known = inputs
        query = query[:, tf.newaxis] + tf.zeros_like(keys)
        weights = self.score(self.hidden(tf.concat([query, keys, query - keys, query * keys], axis=-1)))
        return tf.reduce_sum(tf.where(known[..., tf.newaxis], weights * keys, tf.zeros_like(keys)), axis=1)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """See Keras."""
        return tuple(input_shape[0])

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "units": self.units}
