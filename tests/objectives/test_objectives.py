"""Fairness objectives: against loops in NumPy, and balanced, compiled, saved and exported with a model."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
import toy

import tf_gradcraft as gc
from tf_gradcraft import objectives
from tf_gradcraft.data_pipelines.schema import Feature, Schema, Task
from tf_gradcraft.data_pipelines.vocabulary import Vocabulary
from tf_gradcraft.models import PLE
from tf_gradcraft.objectives import Adversary, DemographicParity, EqualOpportunity, ExposureDisparity, GradientReversal
from tf_gradcraft.training import Objective

pytestmark = pytest.mark.eager

ROWS = 30
random = np.random.default_rng(3)
GROUP = random.integers(0, 4, ROWS)
LISTS = random.integers(0, 5, ROWS)
LOGITS = random.normal(size=(ROWS, 1))
PROBABILITIES = 1 / (1 + np.exp(-LOGITS))
LABELS = random.integers(0, 2, ROWS).astype("float64")
WEIGHTS = random.integers(0, 3, ROWS).astype("float64")
X = {"gender": tf.constant(GROUP), "query": tf.constant(LISTS)}
Y = {"click": tf.constant(np.where(WEIGHTS == 0, np.nan, LABELS))}
SETTINGS = {"task": "click", "feature": "gender", "groups": (1, 2, 3)}


def predictions(of=None):
    predicted = tf.constant(PROBABILITIES, tf.float32)
    predicted._keras_logits = tf.constant(LOGITS, tf.float32) if of is None else of
    return {"click": predicted}


def mean_squared_gap(values, weights):
    means = [
        np.average(values[g == GROUP], weights=weights[g == GROUP]) for g in (1, 2, 3) if weights[g == GROUP].sum()
    ]
    return np.mean([(a - b) ** 2 for a, b in itertools.combinations(means, 2)])


def exposures(lists):
    """Each row's share of its list's odds, times the list's length, by a loop."""
    found = np.zeros(ROWS)
    for i in range(ROWS):
        others = [j for j in range(ROWS) if lists[j] == lists[i] and WEIGHTS[j] != 0]
        found[i] = len(others) * np.exp(LOGITS[i, 0]) / sum(np.exp(LOGITS[j, 0]) for j in others) if others else 0
    return found


CASES = {
    "parity": (DemographicParity(**SETTINGS), lambda: mean_squared_gap(PROBABILITIES[:, 0], WEIGHTS)),
    "opportunity": (EqualOpportunity(**SETTINGS), lambda: mean_squared_gap(PROBABILITIES[:, 0], WEIGHTS * LABELS)),
    "exposure": (
        ExposureDisparity(**SETTINGS),
        lambda: mean_squared_gap(exposures(np.zeros(ROWS)), (WEIGHTS != 0).astype(float)),
    ),
    "exposure in lists": (
        ExposureDisparity(**SETTINGS, lists="query"),
        lambda: mean_squared_gap(exposures(LISTS), (WEIGHTS != 0).astype(float)),
    ),
}


@pytest.mark.parametrize(("objective", "oracle"), CASES.values(), ids=CASES)
def test_a_gap_is_that_of_the_groups_in_the_labelled_rows(objective, oracle):
    value = objective.loss(X, Y, predictions(), {"click": WEIGHTS})
    np.testing.assert_allclose(value, oracle(), rtol=1e-5)
    assert type(objective).from_config(objective.get_config()) == objective
    compiled = tf.function(lambda: objective.loss(X, Y, predictions(), {"click": WEIGHTS}), jit_compile=True)
    np.testing.assert_allclose(compiled(), value, rtol=1e-5)


@pytest.mark.parametrize("kind", [DemographicParity, EqualOpportunity, ExposureDisparity])
def test_a_batch_with_one_group_has_no_gap_and_a_finite_gradient(kind):
    logits = tf.Variable(LOGITS[:3], dtype=tf.float32)
    x = {"gender": tf.constant([1, 1, 0])}
    with tf.GradientTape() as tape:
        value = kind(**SETTINGS).loss(x, {"click": tf.ones([3])}, {"click": tf.sigmoid(logits)}, None)
    assert float(value) == 0
    np.testing.assert_array_equal(tape.gradient(value, logits), np.zeros([3, 1]))


def test_an_adversary_learns_to_tell_groups_apart_and_teaches_the_model_the_opposite():
    adversary = Adversary(**SETTINGS, units=(), scale=0.5)
    layer = adversary.make_layer({})
    kernel, bias = random.normal(size=(1, 3)), random.normal(size=3)
    layer.set_weights([kernel, bias])
    logits = tf.Variable(LOGITS, dtype=tf.float32)
    with tf.GradientTape(persistent=True) as tape:
        value = adversary.loss(X, Y, predictions(of=tf.identity(logits)), {"click": WEIGHTS}, layer)
    scores = LOGITS @ kernel + bias
    shares = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    by_group = [np.average(-np.log(shares[g == GROUP, g - 1]), weights=WEIGHTS[g == GROUP]) for g in (1, 2, 3)]
    np.testing.assert_allclose(value, np.mean(by_group), rtol=1e-5)
    # What the network itself learns is the plain gradient; the model gets it times -1/2.
    target = np.zeros((ROWS, 3))
    for g in (1, 2, 3):
        of_group = np.where(g == GROUP, WEIGHTS, 0)
        target[:, g - 1] = of_group / of_group.sum() / 3
    by_score = target.sum(axis=1, keepdims=True) * shares - target
    np.testing.assert_allclose(tape.gradient(value, layer.trainable_variables[1]), by_score.sum(axis=0), atol=1e-6)
    np.testing.assert_allclose(tape.gradient(value, logits), -0.5 * by_score @ kernel.T, rtol=1e-4, atol=1e-7)


@pytest.mark.traced
def test_gradient_reversal_in_a_compiled_graph():
    layer = GradientReversal.from_config(GradientReversal(scale=3.0).get_config())
    x = tf.Variable([2.0, -1.0])

    @tf.function(jit_compile=True)
    def gradient():
        with tf.GradientTape() as tape:
            value = tf.reduce_sum(layer(x) ** 2)
        return value, tape.gradient(value, x)

    value, of_x = gradient()
    assert float(value) == 5.0
    np.testing.assert_allclose(of_x, [-12.0, 6.0])
    with pytest.raises(ValueError, match="scale=-1 must be at least 0"):
        GradientReversal(scale=-1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DemographicParity(task="click", feature="gender", groups=(1,)), r"groups=\(1,\) must be two or more"),
        (lambda: Adversary(task="click", feature="gender", groups=(1, 1)), "must be two or more different values"),
    ],
)
def test_groups_are_checked(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_unknown_tasks_and_columns_are_named():
    with pytest.raises(ValueError, match="DemographicParity: task='clik' is not known; did you mean 'click'"):
        DemographicParity(task="clik", feature="gender", groups=(1, 2)).loss(X, Y, predictions(), None)
    with pytest.raises(ValueError, match="batch column='sex' is not known"):
        EqualOpportunity(task="click", feature="sex", groups=(1, 2)).loss(X, Y, predictions(), None)
    with pytest.raises(ValueError, match="column='page' is not known"):
        ExposureDisparity(**SETTINGS, lists="page").loss(X, Y, predictions(), None)


def compiled(balancing, **settings):
    """The toy model with all objectives: two tasks on the users, who are the groups."""
    of_users = {"task": "click", "feature": "user", "groups": tuple(range(5))}
    further = {
        "parity": DemographicParity(**of_users, weight=3.0),
        "tell": Adversary(**of_users, units=(3,), weight=0.5),
        "exposure": ExposureDisparity(**of_users, lists="item"),
    }
    return toy.compiled(balancing, tasks=("click", "like"), objectives=further, **settings)


def losses_of(model, features, labels):
    x = {name: tf.constant(values) for name, values in features.items()}
    y = {task: tf.constant(of_task) for task, of_task in labels.items()}
    return model.compute_task_losses(x, y, model(x), None)


@pytest.mark.in_turns
@pytest.mark.traced
@pytest.mark.parametrize("over", ["parameters", "representation"])
@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.quick("True-parameters", "False-representation")
def test_balanced_steps_treat_objectives_as_tasks(over, jit):
    features, labels = toy.log(rows=48, tasks=("click", "like"))
    model = compiled("gradcraft", balance_over=over, jit_compile=jit)
    history = toy.train(model, (features, labels), epochs=2)
    names = {"click", "like", "parity", "tell", "exposure"}
    assert {f"{name}_loss" for name in names} | {"loss"} == set(history)
    assert all(np.isfinite(values).all() for values in history.values())
    weights = {"click": 1, "like": 1, "parity": 3.0, "tell": 0.5, "exposure": 1}
    np.testing.assert_allclose(
        history["loss"], sum(weight * np.array(history[f"{name}_loss"]) for name, weight in weights.items()), rtol=1e-5
    )
    evaluated = model.evaluate(features, labels, verbose=0, return_dict=True, batch_size=48)
    for name, value in losses_of(model, features, labels).items():
        np.testing.assert_allclose(evaluated[f"{name}_loss"] * weights[name], value, rtol=1e-4, err_msg=name)


@pytest.mark.parametrize("over", ["parameters", "representation"])
@pytest.mark.quick("representation")
def test_the_sum_of_all_gradients_is_that_of_the_plain_sum(over):
    batch = toy.log(rows=16, tasks=("click", "like"))
    plain, weighted = compiled(None), compiled("fixed", balance_over=over)
    for name, layer in plain.objective_layers.items():
        weighted.objective_layers[name].set_weights(layer.get_weights())
    for model in (plain, weighted):
        toy.train(model, batch, epochs=2)
    assert toy.difference(plain, weighted) < 1e-5


def test_the_adversary_is_private_and_the_task_that_it_watches_is_not():
    model = compiled("gradcraft")
    features, labels = toy.log(rows=16, tasks=("click", "like"))
    with tf.GradientTape(persistent=True) as tape:
        losses = losses_of(model, features, labels)
    gradients = gc.gradients.task_gradients(tape, losses, model.trainable_variables)
    private = {model.trainable_variables[position].path for position in gradients.private}
    network = {v.path for v in model.objective_layers["tell"].trainable_variables}
    assert network <= private
    assert not any("click_logit" in path for path in private)
    assert any("like_logit" in path for path in private)


def test_compiling_anew_replaces_the_objectives():
    model = compiled("gradcraft")
    before = len(model.weights)
    model.compile("sgd", toy.crossentropy(("click", "like")), objectives={"tell": Adversary(**SETTINGS, units=())})
    assert len(model.weights) == before - 2
    model.compile("sgd", toy.crossentropy(("click", "like")), balancing="gradcraft")
    assert len(model.weights) == before - 4
    assert toy.train(model, toy.log(tasks=("click", "like")), epochs=1).keys() == {"loss", "click_loss", "like_loss"}


def test_bad_objectives_are_refused():
    with pytest.raises(ValueError, match="objectives: the name 'click' is that of an output"):
        toy.compiled(None, objectives={"click": DemographicParity(**SETTINGS)})
    with pytest.raises(TypeError, match=r"objectives: 'gap' is a str, no tf_gradcraft\.training\.Objective"):
        toy.compiled(None, objectives={"gap": "parity"})
    with pytest.raises(ValueError, match="did you mean 'parity'"):
        toy.compiled(gc.balancing.MetaBalance(target="paritty"), objectives={"parity": DemographicParity(**SETTINGS)})


@pytest.mark.in_turns
def test_a_schema_built_ple_takes_objectives_in_a_few_lines_is_saved_and_exported(tmp_path):
    items = Vocabulary(np.array([f"i{position}" for position in range(6)]))
    schema = Schema(
        features=(
            Feature(name="item", kind="categorical", dtype="string", size=7),
            Feature(name="age", kind="numeric", mean=30.0, std=10.0),
        ),
        tasks=(Task(name="click"), Task(name="like")),
        vocabularies={"item": items},
    )
    model = PLE(schema, expert_units=[6], tower_units=[4], embedding_dim=3, dropout=0.0)
    of_items = {"task": "click", "feature": "item", "groups": (1, 2)}
    model.compile(
        gc.optimizers.LazyAdam(0.02),
        balancing="gradcraft",
        objectives={"gap": DemographicParity(**of_items), "tell": Adversary(**of_items)},
    )
    rows = np.random.default_rng(0)
    features = {"item": rows.integers(1, 3, 64), "age": rows.normal(30, 10, 64).astype("float32")}
    labels = {"click": features["item"] == 1, "like": rows.integers(0, 2, 64)}
    labels = {task: of.astype("float32") for task, of in labels.items()}
    history = model.fit(features, labels, epochs=15, batch_size=64, verbose=0).history
    assert history["gap_loss"][-1] < 0.5 * max(history["gap_loss"])
    model.save(tmp_path / "model.keras")
    loaded = gc.load_model(tmp_path / "model.keras")
    assert loaded.get_compile_config()["objectives"] == model.get_compile_config()["objectives"]
    for one, other in zip(model.weights, loaded.weights, strict=True):
        np.testing.assert_array_equal(one, other, err_msg=one.path)
    for of in (model, loaded):
        of.fit(features, labels, epochs=1, shuffle=False, verbose=0)
    assert toy.difference(model, loaded) < 1e-6
    path = gc.serving.export(loaded, tmp_path / "export", signatures=["serving_default"])
    served = tf.saved_model.load(path).signatures["serving_default"]
    outputs = served(item=tf.constant(["i0", "i3"]), age=tf.constant([20.0, 50.0]))
    expected = loaded({"item": tf.constant([1, 4]), "age": tf.constant([20.0, 50.0])})
    assert set(outputs) == set(expected) == {"click", "like"}
    np.testing.assert_allclose(outputs["click"], expected["click"], rtol=1e-5)


def test_every_objective_is_an_objective_and_the_public_names_are_there():
    assert all(issubclass(kind, Objective) for kind in (Adversary, DemographicParity, ExposureDisparity))
    assert issubclass(objectives.GradientReversal, keras.layers.Layer)
