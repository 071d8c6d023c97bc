"""A schema-built model as it is served: its tables may be smaller, and a request's own part is computed once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from tf_gradcraft.data_pipelines.schema import Schema
from tf_gradcraft.models.embeddings import FeatureEmbeddings
from tf_gradcraft.models.feature_encoding import bucket_name, embedding_groups, normalised_features, numeric_settings
from tf_gradcraft.models.normalization import NumericFeatures
from tf_gradcraft.models.schema_model import SchemaModel
from tf_gradcraft.serving.signatures import model_function
from tf_gradcraft.serving.tables import EmbeddingTable

Columns = Mapping[str, tf.Tensor]


class Parts(NamedTuple):
    """The encoded input in two parts: [B, D_r] of the requests, [B * N, D_c] of their candidates; and (B, N)."""

    request: tf.Tensor
    candidates: tf.Tensor
    shape: tf.Tensor


class ServedModel:
    r"""Runs a copy of a model that was built from a schema.

    For `rank` the first dense layers compute $x W = x_r W_r + x_c W_c$: the request's columns $x_r$ once a request,
    those of the candidates for each. Nothing else of the model changes, and a layer that sees anything but the whole
    encoded input runs as it is: with a backbone other than `"mlp"` all do.

    Args:
        model: The model; it is not changed.
        tables: Type of the embedding tables, see `EmbeddingTable`.
    """

    def __init__(self, model: SchemaModel, tables: str) -> None:
        self._copy = type(model).from_config(model.get_config())
        # Layer by layer: the model may hold further weights, of its objectives.
        for original, layer in zip(model.layers, self._copy.layers, strict=True):
            layer.set_weights(original.get_weights())
            if isinstance(layer, FeatureEmbeddings):
                # The layer looks rows up here from now on. Its own table is no longer used, so it is not exported.
                layer.look_up = EmbeddingTable(original, tables)  # type: ignore[method-assign]
        self._predict = model_function(self._copy)
        self._parts: Parts | None = None
        self._encoded: tf.Tensor | None = None

    def predict(self, features: Columns) -> dict[str, tf.Tensor]:
        """Maps encoded features [B] to predictions [B, 1], or [B, C], by task."""
        return self._predict(features)

    def split(self, schema: Schema) -> Callable[[Columns, Columns, tf.Tensor], dict[str, tf.Tensor]]:
        """Returns a function that runs the model on N candidates of each of B requests.

        Args:
            schema: The schema with sides.

        Returns:
            A function of all encoded features [B * N], those of the requests [B] and the shape (B, N), that returns
            predictions [B * N, 1] by task.
        """
        # What is pooled from a history is a property of whatever it is compared with.
        sides = {feature.name: schema.side(feature.of or feature.name) for feature in schema.features}
        groups = self._embeddings(schema)
        widths = {name: layer.dimension for layer in groups for name in layer.tables}
        widths |= {feature.name: 1 for feature in normalised_features(schema)}
        in_request = np.repeat([sides[name] == "request" for name in widths], list(widths.values()))
        self._record_encoded()
        # Cross layers could be split too, but multiply what the split rounds otherwise by the whole input, twice.
        for layer in self._copy._flatten_layers() if self._copy.get_config()["backbone"] == "mlp" else ():
            whole = isinstance(layer, keras.layers.Dense) and layer.kernel.shape[0] == len(in_request)
            # With less precision than float32 the two parts would be rounded apart from each other.
            if whole and layer.compute_dtype == "float32":
                self._split_dense(layer, in_request)
        names = {side: [name for name in widths if sides[name] == side] for side in ("request", "candidate")}

        def predict(features: Columns, request: Columns, shape: tf.Tensor) -> dict[str, tf.Tensor]:
            of_request = self._encode(request, names["request"], groups, schema)
            self._parts = Parts(of_request, self._encode(features, names["candidate"], groups, schema), shape)
            try:
                return self._predict(features)
            finally:
                self._parts = self._encoded = None

        return predict

    def _embeddings(self, schema: Schema) -> list[FeatureEmbeddings]:
        """Returns the layers whose embeddings the encoded input begins with, in order."""
        return [
            self._copy.get_layer(name) for name in embedding_groups(schema, self._copy.get_config()["embedding_dim"])
        ]

    def _encode(
        self, features: Columns, names: list[str], groups: list[FeatureEmbeddings], schema: Schema
    ) -> tf.Tensor:
        """Returns some features side by side, as the model has all of them."""
        bucketised = {name: features[name] for name in names if schema.feature(name).boundaries}
        ids = {**features} | {
            name: self._copy.get_layer(bucket_name(name))(values) for name, values in bucketised.items()
        }
        parts = []
        for layer in groups:
            if chosen := [name for name in layer.tables if name in names]:
                rows = tf.cast(layer.embed(ids, chosen), tf.float32)
                parts.append(tf.reshape(rows, [tf.shape(rows)[0], len(chosen) * layer.dimension]))
        if numbers := [feature for feature in normalised_features(schema) if feature.name in names]:
            normalise = NumericFeatures(numeric_settings(numbers), dtype="float32")
            parts.append(normalise({feature.name: features[feature.name] for feature in numbers}))
        return tf.concat(parts, axis=-1)

    def _record_encoded(self) -> None:
        """Lets the layer that puts all features side by side remember its output, to know it again by identity."""
        names = {layer.name: layer for layer in self._copy.layers}
        layer = next(names[name] for name in ("encoded", "embedded", "numeric") if name in names)
        call = layer.call

        def recorded(*args: Any, **kwargs: Any) -> tf.Tensor:
            self._encoded = call(*args, **kwargs)
            return self._encoded

        layer.call = recorded

    def _split_dense(self, layer: keras.layers.Dense, in_request: np.ndarray) -> None:
        kernel, call = layer.kernel.numpy(), layer.call
        once = tf.Variable(kernel[in_request], trainable=False, name="request_kernel")
        each = tf.Variable(kernel[~in_request], trainable=False, name="candidate_kernel")

        def call_split(inputs: tf.Tensor, *args: Any, **kwargs: Any) -> tf.Tensor:
            if self._parts is None or inputs is not self._encoded:
                return call(inputs, *args, **kwargs)
            request = tf.matmul(self._parts.request, once)
            if layer.bias is not None:
                request += layer.bias
            candidates = tf.matmul(self._parts.candidates, each)
            outputs = tf.reshape(candidates, tf.concat([self._parts.shape, tf.shape(candidates)[-1:]], 0))
            outputs = tf.reshape(outputs + request[:, tf.newaxis], tf.shape(candidates))
            return layer.activation(outputs)

        layer.call = call_split
