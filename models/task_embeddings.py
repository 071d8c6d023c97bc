"""Embedding tables of each task, beside those that all tasks share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
from tensorflow import keras

from tf_gradcraft.models.embeddings import FeatureEmbeddings


@keras.utils.register_keras_serializable("tf_gradcraft")
class TaskEmbeddings(keras.layers.Layer):
    """Embeds the same categorical features once for each of T tasks, in tables of its own: `FeatureEmbeddings` T times.

    Args:
        num_tasks: Number of tasks T.
        tables: See `FeatureEmbeddings`.
        sizes: See `FeatureEmbeddings`.
        dimension: Length D of an embedding.
        l2: Factor of the L2 penalty on the looked-up rows.
        lists: See `FeatureEmbeddings`.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> layer = TaskEmbeddings(2, {"user": "user", "item": "item"}, {"user": 9, "item": 5}, 4)
        >>> ids = tf.constant([1, 2, 3])
        >>> [rows.shape.as_list() for rows in layer({"user": ids, "item": ids})]
        [[3, 2, 4], [3, 2, 4]]
    """

    def __init__(
        self,
        num_tasks: int,
        tables: Mapping[str, str],
        sizes: Mapping[str, int],
        dimension: int,
        l2: float = 0.0,
        lists: Mapping[str, Mapping[str, Any]] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.of_tasks = [
            FeatureEmbeddings(tables, sizes, dimension, l2=l2, lists=lists, name=f"task_{t}") for t in range(num_tasks)
        ]
        self._config = {"num_tasks": num_tasks, "tables": dict(tables), "sizes": dict(sizes), "dimension": dimension}
        self._config |= {"l2": l2, "lists": self.of_tasks[0].lists}

    def build(self, input_shape: Any) -> None:
        """Makes the variables."""
        for embeddings in self.of_tasks:
            embeddings.build(input_shape)
        super().build(input_shape)

    def call(self, inputs: Mapping[str, tf.Tensor]) -> list[tf.Tensor]:
        """Maps `{feature: ids [B], lists of ids [B, L]}` to T tensors [B, F, D]."""
        return [embeddings(inputs) for embeddings in self.of_tasks]

    def compute_output_shape(self, input_shape: Any) -> Any:
        """See Keras."""
        return [embeddings.compute_output_shape(input_shape) for embeddings in self.of_tasks]

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), **self._config}
