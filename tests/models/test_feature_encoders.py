"""Tags, histories, buckets, embeddings of several lengths, and the interactions of features."""

import itertools
import sys
from pathlib import Path

import feature_kinds
import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_gradcraft as gc
from tf_gradcraft import models
from tf_gradcraft.gradients import task_gradients
from tf_gradcraft.models import PLE, STEM, FeatureEmbeddings, SharedBottom
from tf_gradcraft.models.backbones import BACKBONES

sys.path.append(str(Path(__file__).parents[1] / "training"))
from weighing import Fixed

SMALL = {"tower_units": [3], "embedding_dim": 3, "dropout": 0.0}
LISTS = {
    "seen": {"length": 4, "of": "item"},
    "tags": {"length": 3, "pooling": "mean"},
    "summed": {"length": 3, "pooling": "sum"},
    "largest": {"length": 2, "pooling": "max"},
}
TABLES = {"seen": "item", "tags": "tags", "item": "item", "summed": "tags", "largest": "tags"}
SIZES = {"item": 6, "tags": 5}


def layer_and_ids():
    keras.utils.set_random_seed(3)
    layer = FeatureEmbeddings(TABLES, SIZES, 3, lists=LISTS)
    random = np.random.default_rng(1)
    ids = {name: feature_kinds.lists(random, SIZES[TABLES[name]], 12, of["length"]) for name, of in LISTS.items()}
    ids["item"] = random.integers(0, 6, 12).astype("int32")
    layer(ids)
    for weight in layer.weights:
        weight.assign(random.normal(size=weight.shape))
    return layer, ids


def attended_by_numpy(attention, query, keys):
    """The sum over a list without anything that fills it up, entry by entry."""
    hidden, bias, score, score_bias = [weight.numpy().astype(float) for weight in attention.weights]
    summed = np.zeros(len(query))
    for key in keys:
        seen = np.concatenate([query, key, query - key, query * key])
        summed += (np.maximum(seen @ hidden + bias, 0) @ score + score_bias) * key
    return summed


def vectors_by_numpy(layer, ids, table):
    rows = {"item": table[:6], "tags": table[6:11]}
    reduce = {"mean": np.mean, "sum": np.sum, "max": np.max}
    expected = np.zeros((12, 5, 3))
    for row, (position, (name, of)) in itertools.product(range(12), enumerate(TABLES.items())):
        if name == "item":
            expected[row, position] = rows["item"][ids["item"][row]]
            continue
        values = rows[of][[i for i in ids[name][row] if i >= 0]]
        if name == "seen":
            query = rows["item"][ids["item"][row]]
            expected[row, position] = attended_by_numpy(layer.attentions[0], query, values)
        elif len(values):
            expected[row, position] = reduce[LISTS[name]["pooling"]](values, axis=0)
    return expected


def test_pooled_lists_equal_numpy_on_lists_that_nothing_fills_up():
    layer, ids = layer_and_ids()
    assert all((ids[name] < 0).all(axis=1).any() for name in LISTS)
    found = layer(ids)
    assert layer.compute_output_shape({name: values.shape for name, values in ids.items()}) == found.shape
    np.testing.assert_allclose(found, vectors_by_numpy(layer, ids, layer.embeddings.numpy()), rtol=1e-4, atol=1e-5)
    some = layer.embed(ids, ["item", "seen", "largest"])
    np.testing.assert_array_equal(some, tf.gather(found, [2, 0, 4], axis=1))


def test_what_fills_lists_up_has_a_row_of_its_own_that_counts_nowhere():
    layer, ids = layer_and_ids()
    assert layer.embeddings.shape == (12, 3)
    factors = np.random.default_rng(2).normal(size=(12, 5, 3))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(ids) * tf.constant(factors, tf.float32))
    gradient = tape.gradient(loss, layer.embeddings.value)
    assert isinstance(gradient, tf.IndexedSlices)
    looked_up = {int(i) for values in (ids["item"], ids["seen"]) for i in values.ravel() if i >= 0}
    looked_up |= {6 + int(i) for name in ("tags", "summed", "largest") for i in ids[name].ravel() if i >= 0}
    assert set(gradient.indices.numpy().ravel().tolist()) == looked_up | {11}
    dense = tf.convert_to_tensor(gradient).numpy()
    np.testing.assert_array_equal(dense[11], 0)
    # Central differences of the oracle, which knows no such row.
    table, step = layer.embeddings.numpy().astype(float), 1e-5
    for row, column in itertools.product(range(11), range(3)):
        moved = [table.copy(), table.copy()]
        moved[0][row, column] += step
        moved[1][row, column] -= step
        up, down = ((vectors_by_numpy(layer, ids, of) * factors).sum() for of in moved)
        np.testing.assert_allclose(dense[row, column], (up - down) / (2 * step), rtol=1e-3, atol=1e-3)


def test_the_penalty_leaves_out_what_fills_lists_up():
    layer = FeatureEmbeddings({"tags": "tags"}, {"tags": 4}, 2, l2=0.5, lists={"tags": LISTS["tags"]})
    ids = np.array([[1, 2, -1], [-1, -1, -1]], "int32")
    layer({"tags": ids})
    expected = 0.5 * (np.square(layer.embeddings.numpy()[[1, 2]]).sum()) / 2
    np.testing.assert_allclose(float(layer.losses[0]), expected, rtol=1e-6)


def test_lazy_adam_leaves_the_unknown_ids_row_alone_where_lists_are_only_filled_up():
    inputs = {"tags": keras.Input((3,), dtype="int32", name="tags")}
    layer = FeatureEmbeddings({"tags": "tags"}, {"tags": 4}, 2, lists={"tags": LISTS["tags"]})
    outputs = keras.layers.Dense(1)(keras.layers.Flatten()(layer(inputs)))
    model = keras.Model(inputs, outputs)
    model.compile(gc.optimizers.LazyAdam(0.1), loss="mse")
    model.train_on_batch({"tags": np.array([[0, 1, -1]], "int32")}, np.ones((1, 1)))
    before = layer.embeddings.numpy()
    model.train_on_batch({"tags": np.array([[2, -1, -1]], "int32")}, np.ones((1, 1)))
    moved = np.abs(layer.embeddings.numpy() - before).max(axis=1) > 0
    np.testing.assert_array_equal(moved, [False, False, True, False, False])


OF_MODELS = {
    "shared_bottom": {"bottom_units": [5]},
    "home": {"meta_units": [5], "expert_units": [5], "rank": 2},
    "esmm": {"chain": ("task0", "task1")},
    "escm2": {"chain": ("task0", "task1")},
}


def model_of(kind, own_dimensions=False, **settings):
    keras.utils.set_random_seed(4)
    settings |= OF_MODELS.get(kind, {"expert_units": [5]})
    return models.get(kind)(feature_kinds.schema(own_dimensions), **SMALL, **settings)


def test_embeddings_of_one_length_lie_in_one_variable_and_others_in_one_for_each_length():
    one, several = (model_of("shared_bottom", own) for own in (False, True))
    shapes = {
        v.path: tuple(v.shape) for m in (one, several) for v in m.trainable_variables if v.path.endswith("/embeddings")
    }
    # Items, users, tags, cities and buckets: 5 + 50 + 4 + 3 + 3 rows, and one that fills lists up.
    assert {v.path for v in one.trainable_variables if v.path.endswith("/embeddings")} == {"embeddings/embeddings"}
    assert tuple(one.get_layer("embeddings").embeddings.shape) == (66, 3)
    assert several.get_layer("embeddings").embeddings.shape == (9, 3)
    assert several.get_layer("embeddings_2").embeddings.shape == (53, 2)
    assert several.get_layer("embeddings_4").embeddings.shape == (5, 4)
    assert len(shapes) == 3
    assert one.get_layer("encoded").output.shape == (None, 7 * 3 + 2)
    assert several.get_layer("encoded").output.shape == (None, 4 * 3 + 2 * 2 + 4 + 2)


def test_the_engine_sees_one_set_of_unique_rows_a_table():
    model = model_of("ple", True)
    features, labels = feature_kinds.batch(model.schema)
    model.compile("sgd")
    with tf.GradientTape(persistent=True) as tape:
        losses = model.compute_task_losses(features, labels, model(features))
        total = tf.add_n(list(losses.values()))
    variables = model.trainable_variables
    combined = task_gradients(tape, losses, variables).combine(tf.ones([1, 2]))
    plain = tape.gradient(total, [variable.value for variable in variables])
    tables = 0
    for variable, gradient, expected in zip(variables, combined, plain, strict=True):
        np.testing.assert_allclose(
            tf.convert_to_tensor(gradient), tf.convert_to_tensor(expected), atol=1e-6, err_msg=variable.path
        )
        if "/embeddings" in variable.path:
            tables += 1
            ids = gradient.indices.numpy().tolist()
            assert len(ids) == len(set(ids)) < int(tf.size(expected.indices))
    assert tables == 3


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_buckets_are_those_of_numpy(policy):
    keras.mixed_precision.set_dtype_policy(policy)
    model = model_of("shared_bottom")
    ages = np.array([-1e9, 18.499998, 18.5, 18.500002, 29.999998, 30.0, 1e9], "float32")
    found = model.get_layer("age_bucket")(tf.constant(ages))
    np.testing.assert_array_equal(found, np.searchsorted(np.float32([18.5, 30.0]), ages, side="right"))
    predictions = model(feature_kinds.batch(model.schema)[0])
    assert all(np.isfinite(values).all() for values in predictions.values())


def backbone_inputs(model, features):
    """The embeddings [B, F, D], the normalised numbers, and what the bottom sees."""
    names = ["embeddings", "numeric", "encoded"]
    outputs = {name: model.get_layer(name).output for name in names}
    outputs["seen"] = model.get_layer("bottom").input
    return {name: values.numpy() for name, values in keras.Model(model.inputs, outputs)(features).items()}


def test_without_a_backbone_the_bottom_sees_the_encoded_features():
    model = model_of("shared_bottom")
    found = backbone_inputs(model, feature_kinds.batch(model.schema)[0])
    expected = np.concatenate([found["embeddings"].reshape(16, -1), found["numeric"]], axis=1)
    np.testing.assert_array_equal(found["seen"], expected)
    np.testing.assert_array_equal(found["encoded"], expected)


def test_deepfm_adds_first_order_weights_and_products_of_pairs():
    model = model_of("shared_bottom", backbone="deepfm")
    features, _ = feature_kinds.batch(model.schema)
    found = backbone_inputs(model, features)
    weights = model.get_layer("first_order")
    assert weights.embeddings.shape == (66, 1)
    ids = features | {"age": tf.constant(np.searchsorted([18.5, 30.0], features["age"], side="right"))}
    first = weights(ids).numpy().sum(axis=1)
    pairs = sum(found["embeddings"][:, i] * found["embeddings"][:, j] for i, j in itertools.combinations(range(7), 2))
    np.testing.assert_allclose(found["seen"], np.concatenate([found["encoded"], first, pairs], 1), atol=1e-6)


def test_dcn_v2_crosses_the_encoded_features_twice():
    model = model_of("shared_bottom", backbone="dcn_v2")
    found = backbone_inputs(model, feature_kinds.batch(model.schema)[0])
    crossed = found["encoded"]
    for layer in ("cross_0", "cross_1"):
        kernel, bias = model.get_layer(layer).get_weights()
        crossed = found["encoded"] * (crossed @ kernel + bias) + crossed
    np.testing.assert_allclose(found["seen"], crossed, rtol=1e-5, atol=1e-5)


def test_dot_adds_the_products_of_pairs_of_which_all_numbers_are_one():
    model = model_of("shared_bottom", backbone="dot")
    found = backbone_inputs(model, feature_kinds.batch(model.schema)[0])
    kernel, bias = model.get_layer("numbers_as_one").get_weights()
    numbers = np.maximum(found["numeric"] @ kernel + bias, 0)
    vectors = [*np.moveaxis(found["embeddings"], 1, 0), numbers]
    pairs = [(vectors[i] * vectors[j]).sum(axis=1) for i in range(8) for j in range(i)]
    expected = np.concatenate([found["encoded"], np.stack(pairs, axis=1)], axis=1)
    np.testing.assert_allclose(found["seen"], expected, atol=1e-6)


# Each model once, each backbone several times, embeddings of several lengths where the backbone can.
EVERY_MODEL = [
    ("shared_bottom", "deepfm", False),
    ("omoe", "dot", False),
    ("mmoe", "dcn_v2", True),
    ("dselect_k", "mlp", True),
    ("cgc", "deepfm", False),
    ("ple", "dcn_v2", True),
    ("stem", "deepfm", False),
    ("stem", "dcn_v2", True),
    ("home", "dot", False),
    ("aitm", "mlp", True),
    ("esmm", "deepfm", False),
    ("escm2", "dcn_v2", True),
]


SAVED = ("shared_bottom", "home", "aitm", "escm2")
"""One for each backbone."""


def test_each_model_is_in_the_table():
    assert {kind for kind, _, _ in EVERY_MODEL} == set(models.names())
    assert {backbone for _, backbone, _ in EVERY_MODEL} == set(BACKBONES)


@pytest.mark.in_turns
@pytest.mark.parametrize(("kind", "backbone", "own_dimensions"), EVERY_MODEL)
def test_the_update_over_the_representation_is_that_over_parameters(kind, backbone, own_dimensions, tmp_path):
    """With given weights both ways must end at the same place: all that tasks share lies below the marks."""
    model = model_of(kind, own_dimensions, backbone=backbone)
    features, labels = feature_kinds.batch(model.schema)
    start, ends = model.get_weights(), []
    for over in ("parameters", "representation"):
        model.set_weights(start)
        sgd = keras.optimizers.SGD(0.5)
        model.compile(sgd, metrics={}, balancing=Fixed(given=(0.3, 2.0)), balance_over=over, run_eagerly=True)
        model.train_on_batch(features, labels)
        ends.append(model.get_weights())
    for variable, before, exact, found in zip(model.weights, start, *ends, strict=True):
        np.testing.assert_allclose(found, exact, atol=2e-6, err_msg=variable.path)
        if "embeddings" in variable.path or "attention" in variable.path or "cross" in variable.path:
            assert np.abs(found - before).max() > 0, variable.path
    if kind not in SAVED:
        return
    model.save(tmp_path / "model.keras")
    loaded = gc.load_model(tmp_path / "model.keras")
    assert loaded.get_config() == model.get_config()
    for task, predicted in model(features).items():
        np.testing.assert_array_equal(loaded(features)[task], predicted)


def test_stem_has_attention_and_interactions_of_each_task():
    model = model_of("stem", backbone="deepfm")
    private = [v.path for v in model.trainable_variables if v.path.startswith("task_")]
    assert sum("seen_attention/score/kernel" in path for path in private) == 2
    assert sum(path.startswith("task_first_order/") for path in private) == 2
    assert isinstance(model, STEM)


@pytest.mark.parametrize(
    ("settings", "own_dimensions", "features", "message"),
    [
        ({"backbone": "deepfn"}, False, None, "backbone='deepfn' is not known; did you mean 'deepfm'"),
        ({"backbone": "deepfm"}, True, None, r"must have one length; here they have 3, 2, 4: leave out `dimension`"),
        ({"backbone": "dot"}, True, None, "backbone='dot' multiplies features by pairs"),
        ({"backbone": "dot"}, False, ["duration", "user"], "by pairs, the schema has 1; take 'mlp' or 'dcn_v2'"),
    ],
)
def test_backbones_that_do_not_fit_are_refused(settings, own_dimensions, features, message):
    schema = feature_kinds.schema(own_dimensions).select(features=features)
    with pytest.raises(ValueError, match=message):
        PLE(schema, **SMALL, **settings)


def test_numbers_alone_can_be_crossed():
    schema = feature_kinds.schema().select(features=["duration"])
    model = SharedBottom(schema, bottom_units=[4], backbone="dcn_v2", **SMALL)
    assert model({"duration": tf.constant([3.0, 4.0])})["task0"].shape == (2, 1)
