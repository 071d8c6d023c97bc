"""Encoding in the graph equals the encoding of preparation."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from preparing import encoded_by_numpy, raw_test_rows

from tf_gradcraft.data_pipelines import Vocabulary
from tf_gradcraft.serving.encoding import FeatureEncoder


def test_encoding_equals_numpy(schema, raw):
    expected = encoded_by_numpy(schema, raw)
    assert all((expected[name] == 0).any() for name in ("user_id", "tag"))
    assert len(set(expected["user_id_x_tag"])) == 5
    found = FeatureEncoder(schema)({name: tf.constant(values) for name, values in raw.items()})
    assert list(found) == list(schema.feature_names)
    for name, values in expected.items():
        assert found[name].dtype.name == values.dtype.name
        np.testing.assert_array_equal(found[name], values, err_msg=name)


def test_encoding_equals_preparation_on_raw_test_rows(prepared):
    data, folder = prepared
    encoder = FeatureEncoder(data.schema)
    rows, columns = raw_test_rows(folder), data.columns("test")
    assert (columns["user_id"] == 0).any(), "the test part should have users that training does not know"
    specs = encoder.specs()
    found = encoder({name: tf.constant(rows[name].tolist(), spec.dtype) for name, spec in specs.items()})
    assert set(found) == set(data.schema.feature_names)
    for name in data.schema.feature_names:
        np.testing.assert_array_equal(found[name], columns[name], err_msg=name)


def test_specs_hold_raw_features_only(schema):
    specs = FeatureEncoder(schema).specs()
    assert {name: (spec.dtype, spec.shape.as_list(), spec.name) for name, spec in specs.items()} == {
        "user_id": (tf.int64, [None], "user_id"),
        "tag": (tf.string, [None], "tag"),
        "empty": (tf.string, [None], "empty"),
        "duration": (tf.float32, [None], "duration"),
        "age": (tf.float32, [None], "age"),
    }


def with_vocabulary(schema, name, vocabulary):
    return dataclasses.replace(schema, vocabularies={**schema.vocabularies, name: vocabulary})


def test_missing_vocabularies_are_named(schema):
    bare = dataclasses.replace(schema, vocabularies={"tag": schema.vocabularies["tag"]})
    with pytest.raises(ValueError, match=r"no vocabulary for 'user_id_x_tag', 'user_id', 'empty'.*load_model"):
        FeatureEncoder(bare)


def test_vocabulary_of_another_size_is_refused(schema):
    with pytest.raises(ValueError, match="'tag' has 5 ids, its vocabulary 2"):
        FeatureEncoder(with_vocabulary(schema, "tag", Vocabulary(np.array(["news"]))))


def test_missing_statistic_is_named(schema):
    bare = Vocabulary(schema.vocabularies["user_id"].values)
    with pytest.raises(ValueError, match=r"'user_id' has no statistic 'rate' \(it has: none\)"):
        FeatureEncoder(with_vocabulary(schema, "user_id", bare))


def test_vocabulary_of_another_type_is_refused(schema):
    with pytest.raises(ValueError, match=r"'user_id'.*int64"):
        FeatureEncoder(with_vocabulary(schema, "user_id", Vocabulary(np.array(list("abcd")), {"rate": np.zeros(5)})))


def test_statistics_of_another_length_are_refused(schema):
    values = schema.vocabularies["user_id"].values
    with pytest.raises(ValueError, match=r"'rate'.*3 values.*5"):
        FeatureEncoder(with_vocabulary(schema, "user_id", Vocabulary(values, {"rate": np.zeros(3, "float32")})))
