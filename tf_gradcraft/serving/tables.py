"""Smaller embedding tables in an export: bfloat16, or int8 with a scale for each row."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from tf_gradcraft.models.embeddings import FeatureEmbeddings
from tf_gradcraft.models.schema_model import SchemaModel
from tf_gradcraft.suggestions import unknown_name

TABLES = ("float32", "bfloat16", "int8")


def with_tables(model: SchemaModel, tables: str) -> SchemaModel:
    r"""Returns a copy of a model, for inference, whose embeddings are kept in another type.

    `"bfloat16"` keeps 8 bits of each number's mantissa and halves the tables. `"int8"` keeps
    $q = \mathrm{round}(x / s)$ with $s = \max_d |x_d| / 127$ for each row, and makes tables of dimension D smaller by
    the factor 4 D / (D + 4). Looked-up rows are float32 again; everything else of the model stays as it is.

    Args:
        model: The model; it is not changed.
        tables: `"float32"` (the model itself is returned), `"bfloat16"` or `"int8"`.

    Raises:
        ValueError: If the type is not known or the model has no embeddings.
    """
    if tables not in TABLES:
        raise ValueError(unknown_name("tables", tables, TABLES))
    if tables == "float32":
        return model
    embeddings = [layer for layer in getattr(model, "layers", []) if isinstance(layer, FeatureEmbeddings)]
    if not isinstance(model, SchemaModel) or not embeddings:
        raise ValueError(
            f"tables={tables!r} needs a model that was built from a schema with categorical features; "
            "leave it out, or tables='float32'"
        )
    copy = type(model).from_config(model.get_config())
    copy.set_weights(model.get_weights())
    copy._schema = (model.schema,)
    [layer] = [layer for layer in copy.layers if isinstance(layer, FeatureEmbeddings)]
    # The layer looks rows up here from now on. Its own table is no longer used, so it is not exported.
    layer.call = CompressedTable(layer, tables)
    return copy


class CompressedTable(tf.Module):
    """Looks up embeddings as `FeatureEmbeddings` does, in a table of a smaller type.

    Args:
        layer: The layer whose table is compressed.
        tables: `"bfloat16"` or `"int8"`.

    Example:
        >>> layer = FeatureEmbeddings({"user": "user"}, {"user": 9}, 4)
        >>> ids = {"user": tf.constant([1, 2])}
        >>> exact, compressed = layer(ids), CompressedTable(layer, "int8")(ids)
        >>> bool(tf.reduce_max(tf.abs(exact - compressed)) <= 0.05 / 254 + 1e-9)
        True
    """

    def __init__(self, layer: FeatureEmbeddings, tables: str) -> None:
        super().__init__(name=f"{tables}_table")
        self._features, self._offsets = list(layer.tables), list(layer._offsets)
        values, self._scale = np.asarray(layer.embeddings, np.float32), None
        if tables == "int8":
            scale = np.maximum(np.abs(values).max(axis=1, keepdims=True), np.finfo(np.float32).tiny * 127) / 127
            self._scale = tf.Variable(scale, trainable=False, name="scale")
            values = np.rint(values / scale)
        self._table = tf.Variable(tf.cast(values, tables), trainable=False, name="table")

    def __call__(self, inputs: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Maps `{feature: ids [B]}` to embeddings, float32 [B, F, D]."""
        columns = [tf.cast(inputs[name], tf.int64) for name in self._features]
        ids = tf.stack(columns, axis=-1) + tf.constant(self._offsets, tf.int64)
        rows = tf.cast(tf.gather(self._table, ids), tf.float32)
        return rows if self._scale is None else rows * tf.gather(self._scale, ids)
