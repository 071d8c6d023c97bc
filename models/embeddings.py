"""Embeddings of several categorical features, looked up at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow import keras


@keras.utils.register_keras_serializable("tf_gradcraft")
class FeatureEmbeddings(keras.layers.Layer):
    """Embeds categorical features.

    The tables of all features lie one below the other in a single variable, so that a batch needs one look-up, and its
    gradient one set of rows, however many features there are. Features that name the same table share its rows.

    Args:
        tables: `{feature: name of its table}`.
        sizes: `{table: number of ids}`, id 0 (unknown) included.
        dimension: Length D of an embedding.
        l2: Factor of an L2 penalty on the looked-up rows: l2 times the mean over the batch of their squared length. (A
            penalty on whole tables would make each gradient as large as the table.)
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> layer = FeatureEmbeddings({"user": "user", "friend": "user", "item": "item"}, {"user": 9, "item": 5}, 4)
        >>> ids = tf.constant([1, 2])
        >>> layer({"user": ids, "friend": ids, "item": ids}).shape, layer.embeddings.shape[0]
        (TensorShape([2, 3, 4]), 14)
    """

    def __init__(
        self, tables: Mapping[str, str], sizes: Mapping[str, int], dimension: int, l2: float = 0.0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if dimension < 1:
            raise ValueError(f"FeatureEmbeddings: dimension={dimension} must be positive")
        self.tables, self.sizes = dict(tables), dict(sizes)
        self.dimension, self.l2 = dimension, l2
        starts = dict(zip(self.sizes, np.cumsum([0, *self.sizes.values()]).tolist(), strict=False))
        self._offsets = [starts[table] for table in self.tables.values()]

    def build(self, input_shape: Any) -> None:
        """Makes the variable that holds all tables."""
        self.embeddings = self.add_weight(
            name="embeddings",
            shape=(sum(self.sizes.values()), self.dimension),
            initializer=keras.initializers.RandomUniform(-0.05, 0.05),
        )
        super().build(input_shape)

    def call(self, inputs: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Maps `{feature: ids [B]}` to embeddings [B, F, D], in the order of `tables`."""
        columns = [tf.cast(inputs[name], tf.int64) for name in self.tables]
        ids = tf.stack(columns, axis=-1) + tf.constant(self._offsets, tf.int64)
        # The variable itself, not its value: only then is the gradient sparse.
        table = self.embeddings if isinstance(self.embeddings, tf.Variable) else self.embeddings.value
        rows = tf.gather(table, ids)
        rows = tf.cast(rows, self.compute_dtype)
        if self.l2:
            self.add_loss(self.l2 * tf.reduce_mean(tf.reduce_sum(tf.square(tf.cast(rows, tf.float32)), axis=[1, 2])))
        return rows

    def compute_output_shape(self, input_shape: Any) -> Any:
        """See Keras."""
        return (next(iter(input_shape.values()))[0], len(self.tables), self.dimension)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = {"tables": self.tables, "sizes": self.sizes, "dimension": self.dimension, "l2": self.l2}
        return {**super().get_config(), **config}
