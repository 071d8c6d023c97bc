"""From raw features to what a model takes, inside the graph: the same ids and statistics as preparation gives."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping

import numpy as np
import tensorflow as tf

from tf_gradcraft.data_pipelines.feature import MISSING, PADDING
from tf_gradcraft.data_pipelines.hashing import hashed_ids
from tf_gradcraft.data_pipelines.schema import Feature, Schema

RAW_DTYPES = {"int64": tf.int64, "string": tf.string, "float32": tf.float32}


class FeatureEncoder(tf.Module):
    """Encodes raw features with the vocabularies of a schema, in TensorFlow operations only.

    Ids are looked up in hash tables (0 for a value that the training part did not have) or hashed, crosses are coded
    from the ids of what they cross, statistics are those of their key's id, and a number that is missing (not finite)
    becomes the one that preparation put in its place. Raw lists may be of any length: what lies beyond
    `Feature.length` is cut, and `""` or the smallest int64 (`MISSING`) fills shorter ones up. Tables and statistics
    belong to the module, so that a SavedModel that tracks it carries them.

    Args:
        schema: The schema with its vocabularies.

    Raises:
        ValueError: If a vocabulary or a statistic is missing, or does not fit its feature.

    Example:
        >>> from tf_gradcraft.data_pipelines import Task, Vocabulary
        >>> words = Vocabulary(np.array(["news", "sport"]), {"rate": np.array([0.25, 0.5, 0.75], "float32")})
        >>> schema = Schema(
        ...     features=[Feature(name="tag", kind="categorical", dtype="string", size=3),
        ...               Feature(name="rate", kind="statistic", key="tag")],
        ...     tasks=[Task(name="click")], vocabularies={"tag": words})
        >>> encoded = FeatureEncoder(schema)({"tag": tf.constant(["sport", "chess"])})
        >>> encoded["tag"].numpy().tolist(), encoded["rate"].numpy().tolist()
        ([2, 0], [0.75, 0.25])
    """

    def __init__(self, schema: Schema) -> None:
        super().__init__(name="feature_encoder")
        check_vocabularies(schema)
        # In a tuple, so that TensorFlow does not look inside for what to track.
        self._schema = (schema,)
        self._tables: dict[str, tf.lookup.StaticHashTable | None] = {}
        self._statistics: dict[str, tf.Variable] = {}
        for feature in with_vocabulary(schema):
            self._tables[feature.name] = id_table(schema.vocabularies[feature.name].values, feature)
        for feature in schema.of_kind("statistic"):
            values = schema.vocabularies[str(feature.key)].statistics[feature.name]
            # A variable lies in the checkpoint; a constant of this size would swell the graph, which ends at 2 GB.
            self._statistics[feature.name] = tf.Variable(
                np.asarray(values, np.float32), trainable=False, name=f"{feature.name}_by_id"
            )

    def specs(self) -> dict[str, tf.TensorSpec]:
        """Returns name, dtype and shape, [None] or for lists [None, None], of each raw feature."""
        raw = [feature for feature in self._schema[0].features if feature.raw]
        return {
            feature.name: tf.TensorSpec([None] * (1 + feature.listed), RAW_DTYPES[feature.dtype], feature.name)
            for feature in raw
        }

    def __call__(
        self,
        raw: Mapping[str, tf.Tensor],
        names: Iterable[str] | None = None,
        known: Mapping[str, tf.Tensor] | None = None,
    ) -> dict[str, tf.Tensor]:
        """Maps `{raw feature: values [B] or [B, any]}` to `{feature: int32 ids or float32 numbers [B] or [B, L]}`.

        Args:
            raw: The raw features that are needed.
            names: The features to encode; all by default.
            known: Features that are encoded already; they are taken as they are.

        Returns:
            The named features, in order.
        """
        schema, encoded = self._schema[0], dict(known or {})

        def encode(name: str) -> tf.Tensor:
            if name not in encoded:
                encoded[name] = self._encode(schema.feature(name), raw, encode)
            return encoded[name]

        return {name: encode(name) for name in (schema.feature_names if names is None else names)}

    def _encode(self, feature: Feature, raw, encoded_of) -> tf.Tensor:
        if feature.kind == "numeric":
            values = raw[feature.name]
            return tf.where(tf.math.is_finite(values), values, tf.constant(feature.missing, values.dtype))
        if feature.kind == "statistic":
            return tf.gather(self._statistics[feature.name], encoded_of(feature.key))
        if feature.crosses:
            sizes = [self._schema[0].feature(name).size or 0 for name in feature.crosses]
            values = cross_codes([encoded_of(name) for name in feature.crosses], sizes)
        else:
            values = raw[feature.name]
        listed = self._schema[0].feature(feature.of) if feature.of else feature
        ids = hashed_ids(values, listed.size or 0) if listed.hashed else look_up(self._tables[listed.name], values)
        return fill_up(ids, values, feature.length) if feature.length else ids


def missing_value(feature: Feature, schema: Schema) -> int | str | float:
    """Returns a raw value that means "missing" to the encoder.

    A value of no vocabulary, the stand-in number, or what fills lists up.

    Example:
        >>> from tf_gradcraft.data_pipelines import Task, Vocabulary
        >>> tag = Feature(name="tag", kind="categorical", dtype="int64", size=3)
        >>> schema = Schema(features=[tag], tasks=[Task(name="click")], vocabularies={"tag": Vocabulary([7, -1])})
        >>> missing_value(tag, schema)
        -2
    """
    if feature.kind == "numeric":
        return feature.missing
    if feature.listed or feature.hashed:
        return MISSING[feature.dtype]
    if feature.dtype == "string" and "" not in schema.vocabularies[feature.name].values:
        return ""
    return unknown_value(feature, schema)


def unknown_value(feature: Feature, schema: Schema) -> int | str:
    """Returns a raw value that the feature's vocabulary does not have, and that is none of `MISSING`."""
    known = set(np.asarray(schema.vocabularies[feature.name].values).tolist())
    values: Iterable[int | str] = itertools.count(-1, -1)
    if feature.dtype == "string":
        values = ("?" * length for length in itertools.count(1))
    return next(value for value in values if value not in known)


def check_vocabularies(schema: Schema) -> None:
    """Raises a ValueError unless the schema has a fitting vocabulary for each feature that needs one.

    Example:
        >>> from tf_gradcraft.data_pipelines import Task
        >>> schema = Schema(features=[Feature(name="user", kind="categorical", dtype="int64", size=9)],
        ...                 tasks=[Task(name="click")])
        >>> check_vocabularies(schema)
        Traceback (most recent call last):
        ValueError: the model's schema has no vocabulary for 'user', so raw values can't be ...
    """
    missing = [feature.name for feature in with_vocabulary(schema) if feature.name not in schema.vocabularies]
    if missing:
        raise ValueError(
            f"the model's schema has no vocabulary for {', '.join(map(repr, missing))}, so raw values can't be looked "
            "up: build the model from the schema of a prepared folder (PreparedData(folder).schema), or read it with "
            "tf_gradcraft.load_model"
        )
    for feature in with_vocabulary(schema):
        vocabulary = schema.vocabularies[feature.name]
        if vocabulary.size > 1 and (vocabulary.values.dtype.kind == "i") != (feature.dtype == "int64"):
            raise ValueError(
                f"feature {feature.name!r} is {feature.dtype}, its vocabulary holds {vocabulary.values.dtype}; "
                "load schema and vocabularies from one prepared folder"
            )
        if vocabulary.size != feature.size:
            raise ValueError(
                f"feature {feature.name!r} has {feature.size} ids, its vocabulary {vocabulary.size}: "
                "schema and vocabularies are not from the same preparation; load both from one prepared folder"
            )
    for feature in schema.of_kind("statistic"):
        statistics = schema.vocabularies[str(feature.key)].statistics
        if feature.name not in statistics:
            raise ValueError(
                f"the vocabulary of {feature.key!r} has no statistic {feature.name!r} (it has: "
                f"{', '.join(statistics) or 'none'}); load schema and vocabularies from one prepared folder"
            )
        count, size = len(statistics[feature.name]), schema.vocabularies[str(feature.key)].size
        if count != size:
            raise ValueError(
                f"statistic {feature.name!r} has {count} values, {feature.key!r} has {size} ids; "
                "load schema and vocabularies from one prepared folder"
            )


def with_vocabulary(schema: Schema) -> list[Feature]:
    """Returns the features whose raw values are looked up in a vocabulary of their own."""
    return [feature for feature in schema.features if feature.has_vocabulary]


def fill_up(ids: tf.Tensor, values: tf.Tensor, length: int) -> tf.Tensor:
    """Returns the ids [B, length] of lists of raw values [B, any]: -1 where there is none, further ones cut.

    Example:
        >>> fill_up(tf.constant([[3, 0], [5, 1]]), tf.constant([["a", ""], ["b", "c"]]), 3).numpy().tolist()
        [[3, -1, -1], [5, 1, -1]]
    """
    ids = tf.where(values == tf.constant(MISSING[values.dtype.name], values.dtype), PADDING, ids)[:, :length]
    ids = tf.pad(ids, [[0, 0], [0, length - tf.shape(ids)[1]]], constant_values=PADDING)
    return tf.ensure_shape(ids, [None, length])


def id_table(values: np.ndarray, feature: Feature) -> tf.lookup.StaticHashTable | None:
    """Returns the table from raw values to ids 1, 2, ...; None for an empty vocabulary (every value is unknown)."""
    if not len(values):
        return None
    keys = tf.constant(np.asarray(values).tolist(), RAW_DTYPES[feature.dtype])
    ids = tf.range(1, len(values) + 1, dtype=tf.int32)
    return tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(keys, ids), default_value=0)


def look_up(table: tf.lookup.StaticHashTable | None, values: tf.Tensor) -> tf.Tensor:
    """Returns the int32 ids of raw values, of any shape; 0 where unknown."""
    return tf.zeros(tf.shape(values), tf.int32) if table is None else table.lookup(values)


def cross_codes(ids: list[tf.Tensor], sizes: list[int]) -> tf.Tensor:
    """Returns the codes of combinations of ids, as `tf_gradcraft.data_pipelines.vocabulary.cross_codes` does.

    Args:
        ids: One int32 tensor [B] for each crossed feature.
        sizes: Size of each crossed feature's vocabulary.

    Returns:
        int64 [B].

    Example:
        >>> cross_codes([tf.constant([1, 2]), tf.constant([0, 3])], [5, 4]).numpy().tolist()
        [4, 11]
    """
    code = tf.zeros(tf.shape(ids[0]), tf.int64)
    for column, size in zip(ids, sizes, strict=True):
        code = code * size + tf.cast(column, tf.int64)
    return code
