"""Warm-up requests: in the form that TensorFlow Serving reads, and they run."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from served import c_runtime, described, randomised, signature

import tf_gradcraft as gc

FILE = "assets.extra/tf_serving_warmup_requests"


def parsed(path):
    """`{signature: inputs}` of the requests, read with the official protos."""
    from tensorflow_serving.apis import prediction_log_pb2

    requests = {}
    for record in tf.data.TFRecordDataset([str(path / FILE)]).as_numpy_iterator():
        log = prediction_log_pb2.PredictionLog.FromString(record)
        assert log.WhichOneof("log_type") == "predict_log"
        request = log.predict_log.request
        inputs = {name: tf.make_ndarray(tensor) for name, tensor in request.inputs.items()}
        requests[request.model_spec.signature_name] = inputs
    return requests


def test_one_request_a_signature_is_always_written_and_runs(exported, loaded):
    requests = parsed(exported)
    assert set(requests) == {"serving_default", "serving_examples", "rank"}
    answers = {}
    for name, inputs in requests.items():
        wanted = described(signature(exported, name).inputs)
        assert set(inputs) == set(wanted), "older servers want every input"
        for key, (dtype, shape) in wanted.items():
            assert len(inputs[key].shape) == len(shape)
            assert (inputs[key].dtype == object) == (dtype == "string")
        answers[name] = loaded.run(name, inputs)["click"].ravel()
        assert answers[name].shape == (1,)
        assert np.isfinite(answers[name]).all()
    assert answers["serving_default"] == answers["serving_examples"] == pytest.approx(answers["rank"], abs=1e-6)


def test_default_row_is_one_of_missing_values(exported, loaded, schema):
    row = parsed(exported)["serving_default"]
    assert row["duration"] == 7.5
    assert row["user_id"] not in schema.vocabularies["user_id"].values
    assert row["tag"].item().decode() not in schema.vocabularies["tag"].values


def test_given_rows(model, tmp_path):
    rows = {"user_id": [900, 7, 5], "tag": ["news", "Ärzte 🎸", b"\xff"], "duration": [1.5, None, 3]}
    path = gc.serving.export(model, tmp_path, warmup=rows)
    requests = parsed(path)
    np.testing.assert_array_equal(requests["serving_default"]["user_id"], rows["user_id"])
    np.testing.assert_array_equal(requests["serving_default"]["duration"], np.array([1.5, np.nan, 3], "float32"))
    assert requests["serving_default"]["age"].tolist() == [37.0] * 3
    assert requests["rank"]["tag"].tolist() == [[b"news", "Ärzte 🎸".encode(), b"\xff"]]
    assert requests["rank"]["user_id"].tolist() == [900]
    assert len(requests["serving_examples"]["examples"]) == 3
    for name, inputs in requests.items():
        assert np.isfinite(c_runtime(path, inputs, name)["like"]).all()


def test_model_without_schema(tmp_path):
    inputs = {"age": keras.Input((2,), name="age"), "tag": keras.Input((), dtype="string", name="tag")}
    ids = keras.layers.StringLookup(vocabulary=["a"])(inputs["tag"])
    hidden = keras.layers.Concatenate()([inputs["age"], keras.layers.Embedding(2, 3)(ids)])
    model = randomised(keras.Model(inputs, {"click": keras.layers.Dense(1)(hidden)}))
    path = gc.serving.export(model, tmp_path)
    [request] = parsed(path).values()
    assert request["age"].tolist() == [[0, 0]]
    assert request["tag"].tolist() == [b""]
    assert c_runtime(path, request)["click"].shape == (1, 1)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ({"tags": ["news"]}, "warmup input='tags' is not known; did you mean 'tag'"),
        ({"tag": ["news"], "user_id": [1, 2]}, "as many values of each input"),
        ({"tag": []}, "at least 1"),
        ({"user_id": ["seven"]}, "the values of 'user_id' are no int64"),
        ({"user_id": [7.5]}, "the values of 'user_id' are no int64"),
        ({"tag": [7]}, "the values of 'tag' are no string"),
    ],
)
def test_rows_that_do_not_fit_are_refused(model, tmp_path, rows, message):
    with pytest.raises(ValueError, match=message):
        gc.serving.export(model, tmp_path / "ranker", warmup=rows)
    assert not list(tmp_path.iterdir())
