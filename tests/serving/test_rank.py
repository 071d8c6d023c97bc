"""The signature `rank`: the same scores as row by row, whatever loads it."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from preparing import encoded_by_numpy
from served import TOLERANCE, WEIGHTS, described, randomised, signature, v1_session

import tf_gradcraft as gc
from tf_gradcraft.data_pipelines import Feature, Schema, Task, Vocabulary
from tf_gradcraft.models import PLE, MMoE, SharedBottom
from tf_gradcraft.serving import Rank
from tf_gradcraft.serving.runtime import CRuntimeError
from tf_gradcraft.serving.served_model import ServedModel

REQUEST, CANDIDATE = ("user_id", "empty", "age"), ("tag", "duration")


def requests(raw, number, candidates):
    """The first rows as requests of `number` users with `candidates` each: inputs, and the same rows one by one."""
    rows = number * candidates
    inputs = {name: raw[name][:number] for name in REQUEST}
    plain = {name: np.repeat(values, candidates) for name, values in inputs.items()}
    for name in CANDIDATE:
        plain[name] = raw[name][:rows]
        inputs[name] = raw[name][:rows].reshape(number, candidates)
    return inputs, plain


def ranked_by_numpy(model, schema, plain, number, weights):
    """Predictions [B, N] of Keras on rows that NumPy encoded, and their weighted sum."""
    predicted = model.predict(encoded_by_numpy(schema, plain), batch_size=4096, verbose=0)
    predicted = {task: values.reshape(number, -1) for task, values in predicted.items()}
    return predicted | {"score": sum(weights[task] * values for task, values in predicted.items())}


def assert_ranked(found, expected, top_k=7):
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=0, atol=5 * TOLERANCE if name == "score" else TOLERANCE)
    order = np.argsort(-found["score"], axis=1, kind="stable")[:, :top_k]
    np.testing.assert_array_equal(found["top_k"], order)
    np.testing.assert_array_equal(found["top_k_score"], np.take_along_axis(found["score"], order, axis=1))


def test_names_dtypes_and_shapes(exported):
    found = signature(exported, "rank")
    assert described(found.inputs) == {
        "user_id": ("int64", [None]),
        "empty": ("string", [None]),
        "age": ("float32", [None]),
        "tag": ("string", [None, None]),
        "duration": ("float32", [None, None]),
        "click_weight": ("float32", [None]),
        "like_weight": ("float32", [None]),
        "num_candidates": ("int32", [None]),
    }
    assert set(found.defaults) == {"click_weight", "like_weight", "num_candidates"}
    assert described(found.outputs) == {
        name: ("int32" if name == "top_k" else "float32", [None, None])
        for name in ("click", "like", "score", "top_k", "top_k_score")
    }


@pytest.mark.parametrize(("number", "candidates"), [(1, 10_000), (1, 500), (100, 100), (3, 1), (1, 3)])
def test_equals_rows_one_by_one_in_the_c_runtime(loaded, model, schema, raw, number, candidates):
    inputs, plain = requests(raw, number, candidates)
    expected = ranked_by_numpy(model, schema, plain, number, WEIGHTS)
    assert_ranked(loaded.run("rank", inputs), expected)
    rows = loaded.run("serving_default", plain)
    for task in ("click", "like"):
        np.testing.assert_allclose(expected[task].ravel(), rows[task].ravel(), rtol=0, atol=TOLERANCE)


@pytest.mark.in_turns
@pytest.mark.parametrize(
    ("kind", "features"),
    [
        (SharedBottom, None),
        (MMoE, None),
        (PLE, None),
        (SharedBottom, ("user_id", "tag", "user_id_x_tag")),
        (SharedBottom, ("age", "duration")),
    ],
    ids=["shared bottom", "mmoe", "ple of two levels", "ids alone", "numbers alone"],
)
def test_every_model(runtime, schema, raw, tmp_path, kind, features):
    settings = {SharedBottom: {"bottom_units": [6, 4]}, MMoE: {"num_experts": 3}, PLE: {"num_levels": 2}}[kind]
    settings |= {} if kind is SharedBottom else {"expert_units": [6, 4]}
    chosen = schema.select(features=features)
    model = randomised(kind(chosen, tower_units=[4], embedding_dim=3, **settings))
    loaded = runtime.load(gc.serving.export(model, tmp_path, signatures=[Rank(weights=WEIGHTS, top_k=7)]))
    inputs, plain = requests(raw, 4, 60)
    expected = ranked_by_numpy(model, schema, plain, 4, WEIGHTS)
    assert np.std(expected["click"]) > 0.01
    names = [feature.name for feature in chosen.features if feature.raw]
    assert_ranked(loaded.run("rank", {name: inputs[name] for name in names}), expected)


def test_mixed_precision_keeps_the_whole_first_layers(runtime, schema, raw, tmp_path):
    keras.mixed_precision.set_dtype_policy("mixed_bfloat16")
    model = randomised(PLE(schema, expert_units=[8, 6], tower_units=[4], embedding_dim=3))
    loaded = runtime.load(gc.serving.export(model, tmp_path))
    inputs, plain = requests(raw, 2, 40)
    rows, ranked = loaded.run("serving_default", plain), loaded.run("rank", inputs)
    for task in ("click", "like"):
        np.testing.assert_allclose(ranked[task].ravel(), rows[task].ravel(), rtol=0, atol=TOLERANCE)


def test_first_layers_see_the_request_once(model, schema, monkeypatch):
    """What all other layers of the model see are rows of 14 candidates; the first dense layers' own code is not run."""
    widths = []
    call = keras.layers.Dense.call
    monkeypatch.setattr(
        keras.layers.Dense, "call", lambda self, inputs: widths.append(inputs.shape[-1]) or call(self, inputs)
    )
    served = ServedModel(model, "float32")
    rank = served.split(schema)
    random = np.random.default_rng(2)
    rows = {feature.name: tf.constant(random.integers(0, feature.size or 9, 14)) for feature in schema.features}
    for feature in schema.features:
        if schema.side(feature.name) == "request":
            rows[feature.name] = tf.repeat(rows[feature.name][::7], 7)
        if feature.kind != "categorical":
            rows[feature.name] = tf.cast(rows[feature.name], tf.float32)
    once = {name: values[::7] for name, values in rows.items() if schema.side(name) == "request"}
    whole = {task: values.numpy() for task, values in served.predict(rows).items()}
    encoded_width = max(widths)
    assert encoded_width == 4 * 3 + 4
    widths.clear()
    split = rank(rows, once, tf.constant([2, 7]))
    assert widths
    assert max(widths) < encoded_width
    for task, values in whole.items():
        np.testing.assert_allclose(split[task], values, rtol=0, atol=TOLERANCE)


def test_equals_rows_one_by_one_in_the_loader_of_tensorflow_1(exported, model, schema, raw):
    inputs, plain = requests(raw, 2, 5000)
    expected = ranked_by_numpy(model, schema, plain, 2, {"click": -1.0, "like": 2.0})
    weights = {"click_weight": [-1.0, -1.0], "like_weight": [2.0, 2.0]}
    assert_ranked(v1_session(exported, inputs | weights, "rank"), expected)


def test_each_weight_goes_by_its_name(loaded, raw):
    inputs, _ = requests(raw, 1, 50)
    usual = loaded.run("rank", inputs)
    for task in ("click", "like"):
        found = loaded.run("rank", inputs | {f"{task}_weight": [10.0]})
        expected = usual["score"] + (10.0 - WEIGHTS[task]) * usual[task]
        np.testing.assert_allclose(found["score"], expected, rtol=1e-5)
    two = {name: np.concatenate([values, values]) for name, values in inputs.items()}
    found = loaded.run("rank", two | {"click_weight": [0.0, 1.0], "like_weight": [0.0, 0.0]})
    np.testing.assert_array_equal(found["score"][0], np.zeros(50))
    np.testing.assert_allclose(found["score"][1], usual["click"][0], rtol=0, atol=TOLERANCE)


def test_padding_of_a_batching_server_is_never_among_the_best(loaded, raw):
    """A server that batches requests fills shorter ones up with their first candidate."""
    short, _ = requests(raw, 1, 4)
    alone = loaded.run("rank", short)
    padded = {name: np.repeat(values, 2, axis=0) for name, values in short.items()}
    for name in CANDIDATE:
        padded[name] = np.stack([np.concatenate([short[name][0], [short[name][0, 0]] * 5]), raw[name][:9]])
    found = loaded.run("rank", padded | {"num_candidates": [4, -1]})
    np.testing.assert_array_equal(found["top_k"][0], [*alone["top_k"][0], -1, -1, -1])
    np.testing.assert_array_equal(found["top_k_score"][0, 4:], 0)
    np.testing.assert_allclose(found["score"][0, :4], alone["score"][0], rtol=0, atol=TOLERANCE)
    assert (found["top_k"][1] >= 0).all()


def test_no_candidates_and_no_requests(loaded, raw):
    inputs, _ = requests(raw, 2, 0)
    found = loaded.run("rank", inputs)
    assert {name: values.shape for name, values in found.items()} == dict.fromkeys(found, (2, 0))
    none = {name: raw[name][:0] for name in REQUEST} | {name: raw[name][:0].reshape(0, 3) for name in CANDIDATE}
    assert {values.shape for values in loaded.run("rank", none).values()} == {(0, 3)}


def test_a_score_that_is_no_number_is_never_among_the_best(loaded, raw):
    inputs, _ = requests(raw, 1, 5)
    found = loaded.run("rank", inputs | {"click_weight": [float("nan")]})
    np.testing.assert_array_equal(found["top_k"], [[-1] * 5])
    assert np.isnan(found["score"]).all()


@pytest.mark.parametrize(
    "changed",
    [
        {"tag": [["news", "sport"]]},
        {"tag": [["news"], ["sport"], ["a,b"]]},
        {"user_id": [7, 900]},
        {"user_id": [7, 900], "empty": ["", ""], "age": [1.0, 2.0]},
        {"age": []},
        {"click_weight": [1.0, 2.0]},
        {"num_candidates": [1, 2]},
    ],
    ids=repr,
)
def test_shapes_that_do_not_fit_are_errors(loaded, raw, changed):
    inputs, _ = requests(raw, 1, 3)
    with pytest.raises(CRuntimeError):
        loaded.run("rank", inputs | changed)


def test_equally_many_values_in_another_shape_are_an_error(loaded, raw):
    inputs, _ = requests(raw, 2, 3)
    with pytest.raises(CRuntimeError, match="the features of the candidates differ in shape"):
        loaded.run("rank", inputs | {"duration": inputs["duration"].reshape(3, 2)})


def test_settings_say_what_a_candidate_is(model, schema, tmp_path):
    path = gc.serving.export(model, tmp_path, signatures=[Rank(candidate=("user_id", "tag", "empty"))])
    dimensions = {name: len(shape) for name, (_, shape) in described(signature(path, "rank").inputs).items()}
    assert {name for name, number in dimensions.items() if number == 2} == {"user_id", "tag", "empty"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"top_k": 0}, "top_k=0 is out of range"),
        ({"candidate": ()}, "candidate is empty"),
        ({"candidate": ("tags",)}, "candidate feature='tags' is not known; did you mean 'tag'"),
        ({"candidate": ("tag", "duration", "user_id", "age", "empty")}, "all are of one"),
        ({"weights": {"clik": 1.0}}, "task='clik' is not known; did you mean 'click'"),
        ({"weights": {"click": float("inf")}}, "must be a finite number"),
    ],
)
def test_bad_settings_are_refused(model, tmp_path, settings, message):
    with pytest.raises(ValueError, match=message):
        gc.serving.export(model, tmp_path / "ranker", signatures=[Rank(**settings)])
    assert not list(tmp_path.iterdir())


def small_schema(**changes):
    features = {
        "user": Feature(name="user", kind="categorical", dtype="int64", size=2),
        "item": Feature(name="item", kind="categorical", dtype="int64", size=2, side="candidate"),
    }
    features = [dataclasses.replace(feature, **changes.get(name, {})) for name, feature in features.items()]
    tasks = [Task(name=changes.get("task", "click"))]
    return Schema(
        features=features, tasks=tasks, vocabularies={feature.name: Vocabulary(np.array([5])) for feature in features}
    )


def test_one_task_and_one_feature_a_side_keep_their_names(runtime, tmp_path):
    model = randomised(SharedBottom(small_schema(), bottom_units=[4], tower_units=[2], embedding_dim=2))
    path = gc.serving.export(model, tmp_path)
    assert set(described(signature(path, "rank").outputs)) == {"click", "score", "top_k", "top_k_score"}
    found = runtime.load(path).run("rank", {"user": [5], "item": [[5, 6, 5]]})
    expected = model({"user": np.array([1, 1, 1]), "item": np.array([1, 0, 1])})["click"].numpy()
    np.testing.assert_allclose(found["click"], expected.reshape(1, 3), rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize(
    ("changes", "name"),
    [({"user": {"name": "num_candidates"}}, "num_candidates"), ({"task": "score"}, "score")],
)
def test_names_of_the_signature_are_taken(tmp_path, changes, name):
    model = SharedBottom(small_schema(**changes), bottom_units=[4], tower_units=[2], embedding_dim=2)
    with pytest.raises(ValueError, match=f"rank needs the name {name} for itself; rename yours"):
        gc.serving.export(model, tmp_path)


def test_a_schema_of_one_side_has_no_rank_signature(tmp_path):
    schema = small_schema(item={"side": "request"})
    model = SharedBottom(schema, bottom_units=[4], tower_units=[2], embedding_dim=2)
    with pytest.raises(KeyError):
        _ = runtime_signatures(gc.serving.export(model, tmp_path))["rank"]
    with pytest.raises(ValueError, match=r"name those of a candidate, signatures=\[gc.serving.Rank"):
        gc.serving.export(model, tmp_path, signatures=["rank"])


def runtime_signatures(path):
    from tf_gradcraft.serving.contract import read_signatures

    return read_signatures(path)
