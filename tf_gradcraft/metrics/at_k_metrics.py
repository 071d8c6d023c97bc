"""Keras metrics of the first k rows of each group's ranked list."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from tf_gradcraft.metrics.at_k import checked_k, map_at_k, ndcg_at_k, precision_at_k, recall_at_k
from tf_gradcraft.metrics.exact import RowsMetric


class AtK(RowsMetric):
    """What the metrics of the first k rows have in common: they keep every row, and rank at the end.

    Args:
        k: Number of first rows that count, from 1.
        group: Name of the column of the batch that holds the group key.
        name: Name of the metric; by default that of its function, with k.
        dtype: dtype of the result.
    """

    def __init__(self, k: int = 10, group: str = "group", name: str | None = None, dtype: Any = None) -> None:
        self.k = checked_k(k)
        super().__init__(group=group, name=name or f"{self._of_rows.__name__.removesuffix('k')}{k}", dtype=dtype)

    def result(self) -> tf.Tensor:
        """Returns the value over all rows since the last reset; NaN if no group has rows with different labels."""
        rows = self._rows()
        value = self._of_rows(rows["labels"], rows["predictions"], rows["groups"], self.k, rows["weights"])
        return tf.cast(value, self.dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "k": self.k, "group": self.group}

    @staticmethod
    def _of_rows(labels: Any, predictions: Any, groups: Any, k: int, sample_weight: Any) -> tf.Tensor:
        raise NotImplementedError


@keras.saving.register_keras_serializable("tf_gradcraft")
class NDCGAtK(AtK):
    """Mean NDCG@k of the groups, see `tf_gradcraft.metrics.ndcg_at_k`.

    Args:
        k: Number of first rows that count, from 1.
        group: Name of the column of the batch that holds the group key; `"group"` is that of prepared data.
        name: Name of the metric; `ndcg_at_<k>` by default.
        dtype: dtype of the result.

    Example:
        >>> metric = NDCGAtK(k=2, group="user_id")
        >>> metric.update_state([0, 1, 1, 0], [0.9, 0.8, 0.7, 0.1], groups=[7, 7, 8, 8])
        >>> round(float(metric.result()), 4)
        0.8155
    """

    _of_rows = staticmethod(ndcg_at_k)


@keras.saving.register_keras_serializable("tf_gradcraft")
class RecallAtK(AtK):
    """Mean recall@k of the groups, see `tf_gradcraft.metrics.recall_at_k`.

    Args:
        k: Number of first rows that count, from 1.
        group: Name of the column of the batch that holds the group key; `"group"` is that of prepared data.
        name: Name of the metric; `recall_at_<k>` by default.
        dtype: dtype of the result.

    Example:
        >>> metric = RecallAtK(k=1, group="user_id")
        >>> metric.update_state([1, 0, 1, 1, 0], [0.9, 0.8, 0.7, 0.2, 0.1], groups=[7, 7, 7, 8, 8])
        >>> float(metric.result())
        0.75
    """

    _of_rows = staticmethod(recall_at_k)


@keras.saving.register_keras_serializable("tf_gradcraft")
class PrecisionAtK(AtK):
    """Mean precision@k of the groups, see `tf_gradcraft.metrics.precision_at_k`.

    Args:
        k: Number of first rows that count, from 1.
        group: Name of the column of the batch that holds the group key; `"group"` is that of prepared data.
        name: Name of the metric; `precision_at_<k>` by default.
        dtype: dtype of the result.

    Example:
        >>> metric = PrecisionAtK(k=2, group="user_id")
        >>> metric.update_state([1, 0, 1, 1, 0], [0.9, 0.8, 0.7, 0.2, 0.1], groups=[7, 7, 7, 8, 8])
        >>> float(metric.result())
        0.5
    """

    _of_rows = staticmethod(precision_at_k)


@keras.saving.register_keras_serializable("tf_gradcraft")
class MAPAtK(AtK):
    """Mean average precision@k of the groups, see `tf_gradcraft.metrics.map_at_k`.

    Args:
        k: Number of first rows that count, from 1.
        group: Name of the column of the batch that holds the group key; `"group"` is that of prepared data.
        name: Name of the metric; `map_at_<k>` by default.
        dtype: dtype of the result.

    Example:
        >>> metric = MAPAtK(k=3, group="user_id")
        >>> metric.update_state([1, 0, 1], [0.9, 0.8, 0.7], groups=[7, 7, 7])
        >>> round(float(metric.result()), 4)
        0.8333
    """

    _of_rows = staticmethod(map_at_k)
