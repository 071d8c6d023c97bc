"""The signature `serving_examples`: rows as serialized protos, written here by hand with TensorFlow's own proto."""

import numpy as np
import pytest
import tensorflow as tf
from served import assert_equal_predictions, described, signature, v1_session

from tf_gradcraft.serving.runtime import CRuntimeError


def feature(value):
    if isinstance(value, list):
        made = [feature(one) for one in value]
        merged = tf.train.Feature()
        for one in made:
            merged.MergeFrom(one)
        return merged
    if isinstance(value, str | bytes):
        text = value if isinstance(value, bytes) else value.encode()
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[text]))
    if isinstance(value, float):
        return tf.train.Feature(float_list=tf.train.FloatList(value=[value]))
    return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))


def example(**values):
    features = tf.train.Features(feature={name: feature(value) for name, value in values.items()})
    return tf.train.Example(features=features).SerializeToString()


@pytest.fixture(scope="module")
def examples(raw):
    """The raw rows as protos, numbers that are NaN left out."""
    rows = [dict(zip(raw, row, strict=True)) for row in zip(*(values.tolist() for values in raw.values()), strict=True)]
    return [example(**{name: value for name, value in row.items() if value == value}) for row in rows]


def test_signature_takes_serialized_protos(exported):
    found = signature(exported, "serving_examples")
    assert described(found.inputs) == {"examples": ("string", [None])}
    assert described(found.outputs) == {"click": ("float32", [None, 1]), "like": ("float32", [None, 1])}


def test_c_runtime(loaded, examples, expected):
    assert_equal_predictions(loaded.run("serving_examples", {"examples": examples}), expected)


def test_loader_of_tensorflow_1(exported, examples, expected):
    with tf.compat.v1.Session(graph=tf.Graph()) as session:
        found = tf.compat.v1.saved_model.load(session, ["serve"], str(exported)).signature_def["serving_examples"]
        feeds = {found.inputs["examples"].name: np.array(examples, object)}
        answers = session.run({name: info.name for name, info in found.outputs.items()}, feeds)
    assert_equal_predictions(answers, expected)


def test_missing_features_are_unknown_ids_and_the_training_medians(loaded):
    known = {"user_id": 900, "tag": "news", "empty": "", "duration": 3.0, "age": 50.0}
    for name, stand_in in (("user_id", 12345), ("tag", "never seen"), ("duration", 7.5), ("age", 37.0)):
        left_out = example(**{key: value for key, value in known.items() if key != name})
        explicit, complete = example(**known | {name: stand_in}), example(**known)
        found = loaded.run("serving_examples", {"examples": [left_out, explicit, complete]})
        assert found["click"][0] == found["click"][1] != found["click"][2], name
    found = loaded.run("serving_examples", {"examples": [b"", example(other=1)]})
    assert found["click"][0] == found["click"][1]


def test_bytes_that_are_no_utf_8_are_an_unknown_id(loaded):
    found = loaded.run("serving_examples", {"examples": [example(tag=b"\xff\xfe"), example(tag="never seen")]})
    assert found["click"][0] == found["click"][1]


@pytest.mark.parametrize(
    "wrong",
    [{"user_id": 9.0}, {"user_id": "900"}, {"duration": 3}, {"tag": ["news", "sport"]}, {"age": [1.0, 2.0]}],
    ids=repr,
)
def test_other_types_and_lists_are_errors(loaded, wrong):
    with pytest.raises(CRuntimeError, match=next(iter(wrong))):
        loaded.run("serving_examples", {"examples": [example(**wrong)]})


def test_what_is_no_proto_is_an_error(loaded):
    with pytest.raises(CRuntimeError, match="Could not parse example"):
        loaded.run("serving_examples", {"examples": [b"no proto"]})


def test_no_rows(exported, loaded):
    assert loaded.run("serving_examples", {"examples": []})["click"].shape == (0, 1)
    assert v1_session(exported, {"examples": np.zeros(0, object)}, "serving_examples")["like"].shape == (0, 1)
