"""Keras metrics of all rows of an evaluation together: their base classes, exact AUC and group AUC."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from tf_gradcraft.keras_stack import require_keras_3
from tf_gradcraft.metrics.ranking import auc, group_auc
from tf_gradcraft.metrics.row_buffer import RowBuffer, of_all_replicas


class ExactMetric(keras.metrics.Metric):
    """A metric of all labelled rows together, with their sample weights.

    `MultiTaskModel` computes such metrics once, at the end of an evaluation; a plain Keras model computes them after
    every batch. `RowsMetric` keeps the rows, `SumsMetric` a few sums over them.

    Args:
        group: Name of the column of the batch that holds the group key, or None.
        name: Name of the metric.
        dtype: dtype of the result.
    """

    def __init__(self, group: str | None = None, name: str | None = None, dtype: Any = None) -> None:
        require_keras_3(f"tf_gradcraft.metrics.{type(self).__name__}")
        super().__init__(name=name, dtype=dtype)
        self.group = group

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {"name": self.name, "dtype": self.dtype}


class RowsMetric(ExactMetric):
    """A metric that keeps labels and predictions of every row and looks at them together.

    It takes 12 bytes a row (20 with groups). In a plain Keras model, which computes metrics after every batch, it costs
    a sort each time.

    Args:
        group: Name of the column of the batch that holds the group key, or None.
        name: Name of the metric.
        dtype: dtype of the result.
    """

    def __init__(self, group: str | None = None, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(group=group, name=name, dtype=dtype)
        self._buffers = {
            "labels": RowBuffer(tf.float32, "labels"),
            "predictions": RowBuffer(tf.float32, "predictions"),
            "weights": RowBuffer(tf.float32, "weights"),
        }
        if group is not None:
            self._buffers["groups"] = RowBuffer(tf.int64, "groups")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None, groups: Any = None) -> None:
        """Adds a batch.

        Args:
            y_true: Labels [B] or [B, 1].
            y_pred: Predictions [B] or [B, 1].
            sample_weight: Weights [B], all 1 by default; rows of weight 0 are not kept.
            groups: Group keys [B], integers or strings, for a metric with a group.

        Raises:
            ValueError: If a metric with a group gets no groups.
        """
        columns = {"labels": tf.cast(y_true, tf.float32), "predictions": tf.cast(y_pred, tf.float32)}
        columns["weights"] = tf.ones_like(columns["labels"]) if sample_weight is None else sample_weight
        columns["weights"] = tf.cast(columns["weights"], tf.float32)
        if self.group is not None:
            if groups is None:
                raise ValueError(f"metric {self.name!r} needs the groups of the rows: the column {self.group!r}")
            groups = tf.convert_to_tensor(groups)
            hashed = tf.strings.to_hash_bucket_fast(groups, 2**63 - 1) if groups.dtype == tf.string else groups
            columns["groups"] = tf.cast(hashed, tf.int64)
        columns = {name: tf.reshape(column, [-1]) for name, column in columns.items()}
        kept = columns["weights"] != 0
        for name, column in columns.items():
            self._buffers[name].append(of_all_replicas(tf.boolean_mask(column, kept)))

    def reset_state(self) -> None:
        """Forgets all rows."""
        for buffer in self._buffers.values():
            buffer.clear()

    def _rows(self) -> dict[str, tf.Tensor]:
        return {name: buffer.rows() for name, buffer in self._buffers.items()}


@keras.saving.register_keras_serializable("tf_gradcraft")
class AUC(RowsMetric):
    """Exact area under the ROC curve, see `tf_gradcraft.metrics.auc`.

    Args:
        name: Name of the metric.
        dtype: dtype of the result.

    Example:
        >>> metric = AUC()
        >>> metric.update_state([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
        >>> float(metric.result())
        0.75
    """

    def __init__(self, name: str = "auc", dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype)

    def result(self) -> tf.Tensor:
        """Returns the value over all rows since the last reset; NaN if a class has no row."""
        rows = self._rows()
        return tf.cast(auc(rows["labels"], rows["predictions"], rows["weights"]), self.dtype)


@keras.saving.register_keras_serializable("tf_gradcraft")
class GAUC(RowsMetric):
    """Exact group AUC, see `tf_gradcraft.metrics.group_auc`.

    Args:
        group: Name of the column of the batch that holds the group key; `"group"` is that of prepared data.
        name: Name of the metric.
        dtype: dtype of the result.

    Example:
        >>> metric = GAUC(group="user_id")
        >>> metric.update_state([0, 1, 1, 0], [0.2, 0.9, 0.1, 0.3], groups=[7, 7, 8, 8])
        >>> float(metric.result())
        0.5
    """

    def __init__(self, group: str = "group", name: str = "gauc", dtype: Any = None) -> None:
        super().__init__(group=group, name=name, dtype=dtype)

    def result(self) -> tf.Tensor:
        """Returns the value over all rows since the last reset; NaN if no group has both classes."""
        rows = self._rows()
        value = group_auc(rows["labels"], rows["predictions"], rows["groups"], rows["weights"])
        return tf.cast(value, self.dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "group": self.group}
