"""Multilayer perceptron: the body of experts, shared bottoms and towers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from tensorflow import keras


@keras.utils.register_keras_serializable("tf_gradcraft")
class MLP(keras.layers.Layer):
    """Dense layers with an activation and dropout after each.

    Args:
        units: Width of each layer.
        activation: Activation of each layer.
        dropout: Share of the units dropped after each layer in training, in [0, 1).
        l2: Factor of the L2 penalty on the kernels.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        ValueError: If a width is not positive, or `dropout` or `l2` is out of range.

    Example:
        >>> MLP([8, 4])(tf.ones([2, 3])).shape
        TensorShape([2, 4])
    """

    def __init__(
        self, units: Sequence[int], activation: Any = "relu", dropout: float = 0.0, l2: float = 0.0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        widths = [int(width) for width in units]
        if any(width < 1 for width in widths):
            raise ValueError(f"MLP: units must be positive, got {widths}")
        self.units = widths
        if not 0 <= dropout < 1:
            raise ValueError(f"MLP: dropout={dropout} is out of range; it must be in [0, 1)")
        if l2 < 0:
            raise ValueError(f"MLP: l2={l2} must not be negative")
        self.activation = keras.activations.get(activation)
        self.dropout = dropout
        self.l2 = l2
        self.dense = [
            keras.layers.Dense(
                width,
                activation=self.activation,
                kernel_regularizer=keras.regularizers.L2(l2) if l2 else None,
                name=f"dense_{position}",
            )
            for position, width in enumerate(self.units)
        ]
        self.drop = [keras.layers.Dropout(dropout, name=f"dropout_{i}") for i in range(len(units))] if dropout else []

    def build(self, input_shape: Any) -> None:
        """Makes the variables for inputs [..., D]."""
        shape = tuple(input_shape)
        for position, dense in enumerate(self.dense):
            dense.build(shape)
            shape = (*shape[:-1], self.units[position])
        super().build(input_shape)

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Maps [..., D] to [..., units[-1]]."""
        for position, dense in enumerate(self.dense):
            inputs = dense(inputs)
            if self.drop:
                inputs = self.drop[position](inputs, training=training)
        return inputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        """See Keras."""
        return (*tuple(input_shape)[:-1], *(self.units or tuple(input_shape))[-1:])

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "units": self.units,
            "activation": keras.activations.serialize(self.activation),
            "dropout": self.dropout,
            "l2": self.l2,
        }
