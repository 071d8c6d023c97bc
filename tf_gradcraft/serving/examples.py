"""Raw features as serialized `tf.train.Example` protos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tf_gradcraft.data_pipelines.schema import Feature, Schema
from tf_gradcraft.serving.encoding import RAW_DTYPES, missing_value

INPUT = "examples"


def example_spec() -> tf.TensorSpec:
    """Returns the input of the signature: serialized protos, shape [None]."""
    return tf.TensorSpec([None], tf.string, INPUT)


def parse_examples(examples: tf.Tensor, schema: Schema) -> dict[str, tf.Tensor]:
    """Reads raw features from serialized `tf.train.Example` protos.

    A feature that a proto does not have is missing: an id becomes unknown (id 0), a number the one that preparation put
    in place of missing ones. Tags and histories are lists of values, of any length; one that is not there is empty.

    Args:
        examples: Serialized protos, string [B].
        schema: The schema, with vocabularies.

    Returns:
        `{raw feature: values [B]}`, or [B, longest list].

    Raises:
        tf.errors.InvalidArgumentError: If a proto can't be read, or a feature is of another type or has several
            values where there should be one.

    Example:
        >>> from tf_gradcraft.data_pipelines import Feature, Task
        >>> age = Feature(name="age", kind="numeric", missing=30.0)
        >>> schema = Schema(features=[age], tasks=[Task(name="click")])
        >>> parse_examples(tf.constant(make_examples({"age": [20.0, 50.0]}, schema) + [b""]), schema)["age"].numpy()
        array([20., 50., 30.], dtype=float32)
    """

    def wanted(feature: Feature) -> tf.io.FixedLenFeature | tf.io.FixedLenSequenceFeature:
        dtype, missing = RAW_DTYPES[feature.dtype], missing_value(feature, schema)
        if feature.listed:
            return tf.io.FixedLenSequenceFeature([], dtype, allow_missing=True, default_value=missing)
        return tf.io.FixedLenFeature([], dtype, missing)

    return tf.io.parse_example(examples, {feature.name: wanted(feature) for feature in schema.features if feature.raw})


def make_examples(columns: Mapping[str, Sequence | np.ndarray], schema: Schema) -> list[bytes]:
    """Returns rows of raw features as serialized protos.

    Args:
        columns: `{raw feature: values [B], lists of values [B, any]}`; features may be left out.
        schema: The schema, which knows the type of each.

    Example:
        >>> from tf_gradcraft.data_pipelines import Feature, Task
        >>> schema = Schema(features=[Feature(name="age", kind="numeric")], tasks=[Task(name="click")])
        >>> len(make_examples({"age": [20.0, 50.0]}, schema))
        2
    """
    dtypes = {name: schema.feature(name).dtype for name in columns}
    rows = zip(*(np.asarray(columns[name]).tolist() for name in dtypes), strict=True)
    return [_make_example(dict(zip(dtypes, row, strict=True)), dtypes) for row in rows]


def _make_example(row: Mapping[str, Any], dtypes: Mapping[str, str]) -> bytes:
    features = {}
    for name, value in row.items():
        values = value if isinstance(value, list) else [value]
        if dtypes[name] == "int64":
            features[name] = tf.train.Feature(int64_list=tf.train.Int64List(value=values))
        elif dtypes[name] == "float32":
            features[name] = tf.train.Feature(float_list=tf.train.FloatList(value=values))
        else:
            texts = [value if isinstance(value, bytes) else str(value).encode() for value in values]
            features[name] = tf.train.Feature(bytes_list=tf.train.BytesList(value=texts))
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()
