"""The second-order part of a factorisation machine."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow import keras


@keras.utils.register_keras_serializable("tf_gradcraft")
class FactorizationMachine(keras.layers.Layer):
    r"""Sums the products of all pairs of features, in time linear in their number.

    $\sum_{i < j} v_i \odot v_j = \frac{1}{2} \big[ (\sum_i v_i)^2 - \sum_i v_i^2 \big]$, elementwise. The sum over
    the D elements is the $\sum_{i < j} \langle v_i, v_j \rangle$ of Rendle, "Factorization Machines", ICDM 2010; the
    elements are left apart, so that what stands on them weighs them (a linear layer with equal weights restores the
    sum).

    Called with embeddings [B, F, D]; returns [B, D].

    Example:
        >>> FactorizationMachine()(tf.constant([[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]])).numpy().tolist()
        [[23.0, 44.0]]
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Maps [B, F, D] to [B, D]."""
        return 0.5 * (tf.square(tf.reduce_sum(inputs, axis=1)) - tf.reduce_sum(tf.square(inputs), axis=1))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """See Keras."""
        return (input_shape[0], input_shape[-1])
