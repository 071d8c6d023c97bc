"""Models of chained tasks: outputs that are products, labels over the entire space, and losses, against NumPy."""

import keras
import numpy as np
import pytest
import schemas
import tensorflow as tf
from test_schema_models import MODELS, SMALL

from tf_gradcraft.models import AITM, ESCM2, ESMM
from tf_gradcraft.models.chain import entire_space

pytestmark = pytest.mark.eager

CHAIN = ("task1", "task0")
nan = np.nan


def crossentropy(labels, probabilities):
    return -labels * np.log(probabilities) - (1 - labels) * np.log(1 - probabilities)


def made(kind, **settings):
    """A model of three tasks, a batch, its predictions and the conditional probability of task0."""
    schema = schemas.schema(num_tasks=3)
    model = kind(schema, chain=CHAIN, **{**SMALL, "dropout": 0.0, **settings})
    features, labels, _ = schemas.batch(schema, rows=16)
    outputs = {task: p.numpy() for task, p in model(tf.nest.map_structure(tf.constant, features)).items()}
    logit = keras.Model(model.input, model.get_layer("task0_logit").output)
    conditional = 1 / (1 + np.exp(-logit({name: features[name] for name in model.input}).numpy().astype(float)))
    return model, features, labels, outputs, conditional


def test_labels_and_weights_over_the_entire_space():
    labels = {
        "a": np.array([[0.0], [1.0], [1.0], [1.0]]),
        "b": np.array([[nan], [0.0], [1.0], [nan]]),
        "c": np.array([[1.0], [1.0], [1.0], [nan]]),
    }
    weights = {"a": np.array([0.5, 1, 1, 1]), "b": np.array([0.0, 1, 2, 0]), "c": np.array([0.0, 0, 3, 5])}
    new_labels, new_weights = entire_space(("a", "b", "c"), labels, weights)
    np.testing.assert_array_equal(np.ravel(new_labels["b"]), [0, 0, 1, nan])
    np.testing.assert_array_equal(np.ravel(new_labels["c"]), [0, 0, 1, nan])
    np.testing.assert_array_equal(new_weights["b"], [0.5, 1, 2, 0])
    # A row without b is a row without c, known as surely as b is; where b is not known nor is c.
    np.testing.assert_array_equal(new_weights["c"], [0.5, 1, 3, 0])
    assert new_labels["a"] is labels["a"]
    unweighted, none = entire_space(("a", "b"), labels, None)
    assert none is None
    np.testing.assert_array_equal(np.ravel(unweighted["b"]), [0, 0, 1, nan])


def test_the_output_of_a_chained_task_is_the_product_along_the_chain():
    _, _, _, outputs, conditional = made(ESMM)
    np.testing.assert_allclose(outputs["task0"], outputs["task1"] * conditional, rtol=1e-5)


@pytest.mark.parametrize("balancing", [None, "mean"])
def test_losses_of_esmm_are_crossentropies_of_the_products_whatever_unclicked_rows_carry(balancing):
    model, features, labels, outputs, _ = made(ESMM)
    both = labels["task1"] * labels["task0"]
    expected = {
        "task0": crossentropy(both, outputs["task0"]).mean(),
        "task1": crossentropy(labels["task1"], outputs["task1"]).mean(),
        "task2": crossentropy(labels["task2"], outputs["task2"]).mean(),
    }
    clicked = labels["task1"] == 1
    masked = {**labels, "task0": np.where(clicked, labels["task0"], nan).astype("float32")}
    weights = {task: np.ones(16, "float32") for task in labels} | {"task0": clicked.ravel().astype("float32")}
    model.compile(keras.optimizers.SGD(0.0), balancing=balancing)
    trained = model.train_on_batch(features, masked, weights, return_dict=True)
    evaluated = model.evaluate(features, masked, sample_weight=weights, return_dict=True, verbose=0)
    for logs in (trained, evaluated):
        assert logs["loss"] == pytest.approx(sum(expected.values()), rel=1e-4)
        for task, value in expected.items():
            assert logs[f"{task}_loss"] == pytest.approx(value, rel=1e-4)
    assert 0 < both.sum() < clicked.sum()


@pytest.mark.parametrize("estimator", ["ips", "dr"])
def test_losses_of_escm2_have_the_estimated_risk_of_the_conditional_probability(estimator):
    factors = {"global_weight": 0.7, "counterfactual_weight": 0.3, "min_propensity": 0.5}
    model, features, labels, outputs, conditional = made(ESCM2, estimator=estimator, **factors)
    happened, label = labels["task1"], labels["task0"]
    inverse = happened / np.maximum(outputs["task1"], 0.5)
    risk = crossentropy(label, conditional)
    if estimator == "ips":
        estimated = inverse * risk
    else:
        tower = keras.Model(model.input, model.get_layer("task0_error").output)
        error = tower({name: features[name] for name in model.input}).numpy()
        estimated = error + inverse * (risk - error) + inverse * (risk - error) ** 2
    product = crossentropy(happened * label, outputs["task0"])
    weights = np.arange(16.0) % 3
    weights /= weights.sum()
    by_task = {task: weights @ np.ravel(crossentropy(labels[task], outputs[task])) for task in ("task1", "task2")}
    by_task["task0"] = weights @ np.ravel(0.7 * product + 0.3 * estimated)
    model.compile("sgd", loss_weights={"task0": 2.0, "task1": 1.0, "task2": 0.5})
    logs = model.evaluate(features, labels, sample_weight=16 * weights.astype("float32"), return_dict=True, verbose=0)
    expected = 2.0 * by_task["task0"] + by_task["task1"] + 0.5 * by_task["task2"]
    assert logs["loss"] == pytest.approx(expected, rel=1e-4)


def test_escm2_teaches_no_propensity_by_the_estimated_risk_and_all_else_by_it():
    model, features, labels, _, _ = made(ESCM2, estimator="dr", global_weight=0.0)
    model.compile("sgd")
    with tf.GradientTape() as tape:
        predictions = model(tf.nest.map_structure(tf.constant, features))
        loss = model.compute_task_losses(features, labels, predictions)["task0"]
    variables = model.trainable_variables
    for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
        if variable.path.startswith(("task1_", "task2_")):
            assert gradient is None or not np.any(gradient), variable.path
        else:
            assert np.any(tf.convert_to_tensor(gradient)), variable.path


def test_escm2_does_not_look_at_rows_without_a_label():
    model, features, labels, _, _ = made(ESCM2, estimator="dr")
    model.compile(keras.optimizers.SGD(0.1), balancing="gradcraft", balance_over="representation")
    labels = {task: of_task.copy() for task, of_task in labels.items()}
    weights = {task: np.ones(16, "float32") for task in labels}
    for task in CHAIN:
        labels[task][:5], weights[task][:5] = nan, 0.0
    model.train_on_batch(features, labels, weights)
    assert all(np.isfinite(values).all() for values in model.get_weights())


def test_aitm_penalises_a_task_that_is_likelier_than_the_one_before():
    model, features, _, _, _ = made(AITM, expert_units=[4], order_penalty=0.6)
    outputs = model(tf.nest.map_structure(tf.constant, features))
    above = np.maximum(outputs["task0"].numpy() - outputs["task1"].numpy(), 0)
    assert float(tf.add_n(model.losses)) == pytest.approx(0.6 * above.mean(), rel=1e-5, abs=1e-8)


def test_by_default_aitm_takes_all_tasks_in_order():
    schema = schemas.schema(num_tasks=3)
    assert AITM(schema).get_config()["chain"] == list(schema.task_names)
    assert MODELS["aitm"](schema).get_config()["chain"] == list(schema.task_names[::-1])
