"""Embeddings of several categorical features, looked up at once; lists of ids are pooled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow import keras

from tf_gradcraft.models.pooling import pool
from tf_gradcraft.models.target_attention import TargetAttention


@keras.utils.register_keras_serializable("tf_gradcraft")
class FeatureEmbeddings(keras.layers.Layer):
    """Embeds categorical features, tags and histories whose embeddings have one length.

    The tables of all features lie one below the other in a single variable, so that a batch needs one look-up, and its
    gradient one set of rows, however many features there are. Features that name the same table share its rows. (This
    is why Keras-RS's `EmbedReduce`, a table of one feature, is not used for tags.)

    Lists are filled up with -1. Such an entry looks up a row of its own at the variable's end and counts as zero
    everywhere: it adds to no result, has the gradient zero, and touches no row of an id.

    Args:
        tables: `{feature: name of its table}`.
        sizes: `{table: number of ids}`, id 0 (unknown) included.
        dimension: Length D of an embedding.
        l2: Factor of an L2 penalty on the looked-up rows: l2 times the mean over the batch of their squared length. (A
            penalty on whole tables would make each gradient as large as the table.)
        lists: Features that are lists of ids, `{feature: settings}`: `length`, and either `pooling`, see
            `tf_gradcraft.models.pooling`, or `of`, the feature whose embedding is the query of `TargetAttention`.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        ValueError: If the dimension is not positive.

    Example:
        >>> layer = FeatureEmbeddings({"user": "user", "friend": "user", "item": "item"}, {"user": 9, "item": 5}, 4)
        >>> ids = tf.constant([1, 2])
        >>> layer({"user": ids, "friend": ids, "item": ids}).shape, layer.embeddings.shape[0]
        (TensorShape([2, 3, 4]), 14)
        >>> layer = FeatureEmbeddings({"tags": "tags"}, {"tags": 5}, 2, lists={"tags": {"length": 3, "pooling": "sum"}})
        >>> layer({"tags": tf.constant([[-1, -1, -1]])}).numpy().tolist()
        [[[0.0, 0.0]]]
    """

    def __init__(
        self,
        tables: Mapping[str, str],
        sizes: Mapping[str, int],
        dimension: int,
        l2: float = 0.0,
        lists: Mapping[str, Mapping[str, Any]] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if dimension < 1:
            raise ValueError(f"FeatureEmbeddings: dimension={dimension} must be positive")
        self.tables, self.sizes = dict(tables), dict(sizes)
        self.dimension, self.l2 = dimension, l2
        self.lists = {name: dict(settings) for name, settings in (lists or {}).items()}
        starts = dict(zip(self.sizes, np.cumsum([0, *self.sizes.values()]).tolist(), strict=False))
        self._offsets = {name: starts[table] for name, table in self.tables.items()}
        self._histories = [name for name, settings in self.lists.items() if settings.get("of")]
        self.attentions = [TargetAttention(name=f"{name}_attention") for name in self._histories]

    def build(self, input_shape: Any) -> None:
        """Makes the variable that holds all tables."""
        # With lists there is one row more, for what fills them up.
        self.embeddings = self.add_weight(
            name="embeddings",
            shape=(sum(self.sizes.values()) + bool(self.lists), self.dimension),
            initializer=keras.initializers.RandomUniform(-0.05, 0.05),
        )
        for name, attention in zip(self._histories, self.attentions, strict=True):
            length = self.lists[name]["length"]
            attention.build([(None, self.dimension), (None, length, self.dimension), (None, length)])
        super().build(input_shape)

    def call(self, inputs: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Maps `{feature: ids [B], lists of ids [B, L]}` to embeddings [B, F, D], in the order of `tables`."""
        rows = self.rows(inputs, list(self.tables))
        if self.l2:
            self.add_loss(self.l2 * tf.reduce_mean(tf.reduce_sum(tf.square(tf.cast(rows, tf.float32)), axis=[1, 2])))
        return self.vectors(rows, inputs, list(self.tables))

    def embed(self, inputs: Mapping[str, tf.Tensor], names: Iterable[str]) -> tf.Tensor:
        """Does the same for the named features alone; a history wants the feature that it is `of` among them."""
        names = list(names)
        return self.vectors(self.rows(inputs, names), inputs, names)

    def look_up(self, ids: tf.Tensor) -> tf.Tensor:
        """Maps rows of the variable [B, S] to their values [B, S, D]."""
        # The variable itself, not its value: only then is the gradient sparse. Keras 3 wraps it.
        table = self.embeddings
        return tf.gather(table if isinstance(table, tf.Variable) else table.value, ids)

    def rows(self, inputs: Mapping[str, tf.Tensor], names: list[str]) -> tf.Tensor:
        """Returns the embedding of each value [B, S, D], zero where a list is filled up; S values in all features."""
        columns = [tf.cast(inputs[name], tf.int64) for name in names]
        if not any(name in self.lists for name in names):
            ids = tf.stack(columns, axis=-1) + tf.constant([self._offsets[name] for name in names], tf.int64)
            return tf.cast(self.look_up(ids), self.compute_dtype)
        columns = [
            column if name in self.lists else column[:, tf.newaxis] for name, column in zip(names, columns, strict=True)
        ]
        ids, lengths = tf.concat(columns, axis=1), self._lengths(names)
        filling = (ids < 0) & tf.constant(np.repeat([name in self.lists for name in names], lengths))
        starts = tf.constant(np.repeat([self._offsets[name] for name in names], lengths), tf.int64)
        rows = self.look_up(tf.where(filling, tf.constant(sum(self.sizes.values()), tf.int64), ids + starts))
        return tf.cast(tf.where(filling[..., tf.newaxis], tf.zeros_like(rows), rows), self.compute_dtype)

    def vectors(self, rows: tf.Tensor, inputs: Mapping[str, tf.Tensor], names: list[str]) -> tf.Tensor:
        """Returns one embedding a feature [B, F, D], lists pooled."""
        if not any(name in self.lists for name in names):
            return rows
        by_name = dict(zip(names, tf.split(rows, self._lengths(names), axis=1), strict=True))
        vectors = []
        for name in names:
            if name not in self.lists:
                vectors.append(by_name[name][:, 0])
                continue
            settings, known = self.lists[name], tf.convert_to_tensor(inputs[name]) >= 0
            if settings.get("of"):
                attention = self.attentions[self._histories.index(name)]
                vectors.append(attention([by_name[settings["of"]][:, 0], by_name[name], known]))
            else:
                vectors.append(pool(by_name[name], known, settings["pooling"]))
        return tf.stack(vectors, axis=1)

    def _lengths(self, names: list[str]) -> list[int]:
        return [self.lists[name]["length"] if name in self.lists else 1 for name in names]

    def compute_output_shape(self, input_shape: Any) -> Any:
        """See Keras."""
        return (next(iter(input_shape.values()))[0], len(self.tables), self.dimension)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = {"tables": self.tables, "sizes": self.sizes, "dimension": self.dimension, "l2": self.l2}
        return {**super().get_config(), **config, "lists": self.lists}
