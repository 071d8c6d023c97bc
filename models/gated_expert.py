"""Expert with a gate on its features and normalised output (HoME)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from tensorflow import keras

from tf_gradcraft.models.mlp import MLP


@keras.utils.register_keras_serializable("tf_gradcraft")
class GatedExpert(keras.layers.Layer):
    r"""An expert of HoME: $\mathrm{Swish}(\mathrm{BatchNorm}(\mathrm{MLP}(2 \sigma(x B A) \odot x)))$.

    Each expert weighs the features for itself, with a matrix of low rank (the feature gate); normalised outputs keep
    any expert from drowning the others.

    Wang et al., "HoME: Hierarchy of Multi-Gate Experts for Multi-Task Learning at Kuaishou", 2024 (arXiv 2408.05430).
    The paper also mixes several pairs of low-rank matrices; here there is one.

    Args:
        units: Widths of the layers; at least one.
        rank: Rank of the feature gate's matrix.
        dropout: Dropout after each layer but the last.
        l2: Factor of the L2 penalty on the layers' kernels.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        ValueError: If there is no layer, or the rank is not positive.

    Example:
        >>> GatedExpert([8, 4], rank=2)(tf.ones([5, 6])).shape
        TensorShape([5, 4])
    """

    def __init__(
        self, units: Sequence[int], rank: int = 8, dropout: float = 0.0, l2: float = 0.0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if not units or rank < 1:
            raise ValueError(f"GatedExpert: needs at least one width and rank >= 1, got {list(units)} and {rank}")
        self.units, self.rank, self.dropout, self.l2 = [int(width) for width in units], rank, dropout, l2
        self.narrow = keras.layers.Dense(rank, use_bias=False, name="gate_narrow")
        self.hidden = MLP(units[:-1], activation="swish", dropout=dropout, l2=l2, name="hidden")
        self.last = MLP(units[-1:], activation="linear", l2=l2, name="last")
        self.normalisation = keras.layers.BatchNormalization(name="normalisation")

    def build(self, input_shape: Any) -> None:
        """Makes the variables for inputs [B, D]."""
        shape = tuple(input_shape)
        self.wide = keras.layers.Dense(shape[-1], use_bias=False, activation="sigmoid", name="gate_wide")
        self.narrow.build(shape)
        self.wide.build((*shape[:-1], self.rank))
        self.hidden.build(shape)
        self.last.build(self.hidden.compute_output_shape(shape))
        self.normalisation.build((*shape[:-1], self.units[-1]))
        super().build(input_shape)

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Maps [B, D] to [B, units[-1]]."""
        gated = 2.0 * self.wide(self.narrow(inputs)) * inputs
        hidden = self.last(self.hidden(gated, training=training))
        return tf.nn.silu(self.normalisation(hidden, training=training))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """See Keras."""
        return (*tuple(input_shape)[:-1], self.units[-1])

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = {"units": self.units, "rank": self.rank, "dropout": self.dropout, "l2": self.l2}
        return {**super().get_config(), **config}
