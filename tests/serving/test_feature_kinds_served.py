"""Hashed ids, buckets, tags and histories in an export: encoded as written down by hand, predicted as Keras does."""

import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from served import TOLERANCE, described, randomised, signature

import tf_gradcraft as gc
from tf_gradcraft.models import MMoE, SharedBottom
from tf_gradcraft.serving.checking import comparisons
from tf_gradcraft.serving.client import InputSpec, RankRequest
from tf_gradcraft.serving.encoding import FeatureEncoder
from tf_gradcraft.serving.examples import make_examples, parse_examples

sys.path.append(str(Path(__file__).parents[1] / "models"))
import feature_kinds

NONE = -(2**63)
RAW = {
    "seen": [["i3", "i0", "i9", "i1", "i2"], ["", "", "", "", ""], ["i1", "", "", "", ""], ["?", "i0", "", "", ""]],
    "user": [17, NONE, -5, 2**60],
    "item": ["i2", "i0", "unknown", ""],
    "tags": [[7, 2**40], [NONE, NONE], [5, -3], [-3, NONE]],
    "cities": [["Ulm", "Ulm 2", "Ulm"], ["", "", ""], ["ulm", "", ""], ["Ulm 2", "Ulm", ""]],
    "last_cities": [["Ulm"], [""], ["Bonn"], ["Ulm 2"]],
    "age": [np.nan, 18.5, 18.4, 31.0],
    "duration": [np.inf, 1.0, 0.0, 50.0],
}
# Users' ids are left out: they are hashes.
ENCODED = {
    "seen": [[4, 1, 0, 2], [-1, -1, -1, -1], [2, -1, -1, -1], [0, 1, -1, -1]],
    "item": [3, 1, 0, 0],
    "tags": [[1, 3, -1], [-1, -1, -1], [0, 2, -1], [2, -1, -1]],
    "cities": [[1, 2], [-1, -1], [0, -1], [2, 1]],
    "last_cities": [[1, -1, -1], [-1, -1, -1], [0, -1, -1], [2, -1, -1]],
    "age": [20.0, 18.5, 18.4, 31.0],
    "duration": [7.5, 1.0, 0.0, 50.0],
    "rate": [0.75, 0.25, 0.0, 0.0],
}


def raw_tensors(specs):
    return {name: tf.constant(RAW[name], spec.dtype) for name, spec in specs.items()}


def test_raw_values_are_encoded_as_written_down():
    encoder = FeatureEncoder(feature_kinds.schema())
    found = encoder(raw_tensors(encoder.specs()))
    for name, values in ENCODED.items():
        np.testing.assert_array_equal(found[name], np.asarray(values, found[name].numpy().dtype), err_msg=name)
    # The hash of the decimal text, in 49 buckets; the smallest integer is a missing one.
    buckets = tf.strings.to_hash_bucket_fast(["17", "-5", str(2**60)], 49).numpy()
    np.testing.assert_array_equal(found["user"], [1 + buckets[0], 0, 1 + buckets[1], 1 + buckets[2]])


def test_examples_hold_lists_of_any_length():
    schema = feature_kinds.schema()
    columns = {
        name: [[v for v in values if v not in ("", NONE)] if isinstance(values, list) else values for values in of_rows]
        for name, of_rows in RAW.items()
    }
    rows = [
        make_examples({name: [values[row]] for name, values in columns.items() if values[row] != []}, schema)[0]
        for row in range(4)
    ]
    encoder = FeatureEncoder(schema)
    found, expected = encoder(parse_examples(tf.constant(rows), schema)), encoder(raw_tensors(encoder.specs()))
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)


def model_of(kind, backbone, own_dimensions):
    keras.utils.set_random_seed(2)
    settings = {"bottom_units": [6]} if kind is SharedBottom else {"num_experts": 2, "expert_units": [6]}
    schema = feature_kinds.schema(own_dimensions)
    return randomised(kind(schema, tower_units=[4], embedding_dim=3, backbone=backbone, **settings))


@pytest.mark.parametrize(
    ("kind", "backbone", "own_dimensions"),
    [(MMoE, "mlp", True), (SharedBottom, "deepfm", False), (MMoE, "dcn_v2", True), (SharedBottom, "dot", False)],
    ids=["MMoE-mlp", "SharedBottom-deepfm", "MMoE-dcn_v2", "SharedBottom-dot"],
)
@pytest.mark.quick("SharedBottom-deepfm", "MMoE-dcn_v2")
def test_every_signature_predicts_as_keras_does_in_the_c_runtime(runtime, kind, backbone, own_dimensions, tmp_path):
    model = model_of(kind, backbone, own_dimensions)
    path = gc.serving.export(model, tmp_path)
    if backbone == "mlp":
        inputs = signature(path, "rank").inputs
        assert {name: spec for name, spec in described(inputs).items() if name in RAW} == {
            "seen": ("string", [None, None]),
            "user": ("int64", [None]),
            "item": ("string", [None, None]),
            "tags": ("int64", [None, None, None]),
            "cities": ("string", [None, None]),
            "last_cities": ("string", [None, None]),
            "age": ("float32", [None]),
            "duration": ("float32", [None, None]),
        }
    loaded = runtime.load(path)
    compared = list(comparisons(loaded, model, 300, np.random.default_rng(3)))
    assert [name for name, _, _ in compared] == ["serving_default", "serving_examples", "rank"]
    for name, inputs, expected in compared:
        found = loaded.run(name, inputs)
        for output, values in expected.items():
            np.testing.assert_allclose(found[output], values, rtol=0, atol=TOLERANCE, err_msg=f"{name}: {output}")


@pytest.mark.thorough
def test_one_request_with_a_history_ranks_as_row_by_row(runtime, tmp_path):
    """Two requests of two candidates, the lists cut or filled up on the way."""
    model = model_of(MMoE, "mlp", False)
    loaded = runtime.load(gc.serving.export(model, tmp_path, tables="int8"))
    of_request = ("seen", "user", "cities", "last_cities", "age")
    raw = {name: values.numpy() for name, values in raw_tensors(FeatureEncoder(model.schema).specs()).items()}
    inputs = {
        name: values[::2] if name in of_request else values.reshape([2, 2, *values.shape[1:]])
        for name, values in raw.items()
    }
    rows = {name: values[[0, 0, 2, 2]] if name in of_request else values for name, values in raw.items()}
    ranked = loaded.run("rank", inputs)
    for task, values in loaded.run("serving_default", rows).items():
        np.testing.assert_allclose(ranked[task].reshape(-1, 1), values, rtol=0, atol=TOLERANCE)
    others = {**inputs, "seen": inputs["seen"][::-1]}
    assert np.abs(loaded.run("rank", others)["task0"] - ranked["task0"]).max() > 1e-4


SPECS = {
    "seen": InputSpec("object", 2),
    "age": InputSpec("float32", 1),
    "item": InputSpec("object", 2),
    "tags": InputSpec("int64", 3),
    "num_candidates": InputSpec("int32", 1),
}


def test_a_clients_request_fills_lists_up():
    request = RankRequest(
        request={"seen": ["i1", "i2"], "age": 3.0}, candidates={"item": ["i1", "i2", "i3"], "tags": [[7], [], [-3, 7]]}
    )
    inputs = request.inputs(SPECS)
    assert inputs["seen"].tolist() == [["i1", "i2"]]
    assert inputs["item"].tolist() == [["i1", "i2", "i3"]]
    assert inputs["tags"].tolist() == [[[7, NONE], [NONE, NONE], [-3, 7]]]
    assert inputs["tags"].dtype == np.int64


@pytest.mark.parametrize(
    ("request_", "candidates", "message"),
    [
        ({"age": 3.0, "tags": [7]}, {"item": ["i1"], "seen": ["i2"]}, "'tags' belongs to the candidates"),
        ({"age": 3.0, "seen": "i1"}, {"item": ["i1"], "tags": [[7]]}, "'seen' belongs to the candidates|needs 2"),
        ({"age": 3.0, "seen": ["i1"]}, {"item": ["i1"], "tags": [["7"]]}, "'tags': '7' is no value of the type int64"),
        ({"age": 3.0, "seen": ["i1"]}, {"item": ["i1"], "tags": [7]}, "'tags' belongs to the candidates"),
    ],
)
def test_a_clients_lists_that_do_not_fit_are_refused(request_, candidates, message):
    with pytest.raises(ValueError, match=message):
        RankRequest(request=request_, candidates=candidates).inputs(SPECS)
