"""Embedding tables of an export: float32, bfloat16, or int8 with a scale for each row."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from tf_gradcraft.models.embeddings import FeatureEmbeddings
from tf_gradcraft.suggestions import unknown_name

TABLES = ("float32", "bfloat16", "int8")


def check_tables(tables: str, has_tables: bool) -> None:
    """Raises a ValueError unless the type of tables is known and the model has tables if they are to be smaller."""
    if tables not in TABLES:
        raise ValueError(unknown_name("tables", tables, TABLES))
    if tables != "float32" and not has_tables:
        raise ValueError(
            f"tables={tables!r} needs a model that was built from a schema with categorical features; "
            "leave it out, or tables='float32'"
        )


class EmbeddingTable(tf.Module):
    r"""Looks up rows as `FeatureEmbeddings.look_up` does, in a table that may be of a smaller type.

    `"bfloat16"` keeps 8 bits of each number's mantissa and halves the table. `"int8"` keeps
    $q = \mathrm{round}(x / s)$ with $s = \max_d |x_d| / 127$ for each row, and makes a table of dimension D smaller by
    the factor 4 D / (D + 4); a table of single numbers, which would grow, stays as it is. Looked-up rows are float32
    again.

    Args:
        layer: The layer whose table it is; a float32 table stays the layer's own variable.
        tables: `"float32"`, `"bfloat16"` or `"int8"`.

    Example:
        >>> layer = FeatureEmbeddings({"user": "user"}, {"user": 9}, 4)
        >>> exact, rounded = layer({"user": tf.range(9)})[:, 0], EmbeddingTable(layer, "int8")(tf.range(9))
        >>> bool(tf.reduce_max(tf.abs(exact - rounded)) <= 0.05 / 254 + 1e-9)
        True
    """

    def __init__(self, layer: FeatureEmbeddings, tables: str) -> None:
        super().__init__(name=f"{tables}_table")
        self._table, self._scale = layer.embeddings.value, None
        if tables == "float32" or (tables == "int8" and layer.dimension == 1):
            return
        values = self._table.numpy()
        if tables == "int8":
            scale = np.maximum(np.abs(values).max(axis=1, keepdims=True), np.finfo(np.float32).tiny * 127) / 127
            self._scale = tf.Variable(scale, trainable=False, name="scale")
            values = np.rint(values / scale)
        self._table = tf.Variable(tf.cast(values, tables), trainable=False, name="table")

    def __call__(self, ids: tf.Tensor) -> tf.Tensor:
        """Maps rows of the table, of any shape, to their values, float32 [..., D]."""
        rows = tf.cast(tf.gather(self._table, ids), tf.float32)
        return rows if self._scale is None else rows * tf.gather(self._scale, ids)
