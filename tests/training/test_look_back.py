"""FAMO's look at the same batch after the update: the right losses, and no trace of the second run."""

from typing import ClassVar

import keras
import numpy as np
import pytest
import toy

from tf_gradcraft import MultiTaskModel
from tf_gradcraft.balancing import FAMO

pytestmark = pytest.mark.eager


class Blind(FAMO):
    """FAMO that never looks back: its weights stay those of the first step."""

    looks_back: ClassVar[bool] = False


def with_dropout(balancer, rate=0.3, **settings):
    """A model whose run draws random numbers and moves the statistics of a normalisation."""
    keras.utils.set_random_seed(4)
    inputs = keras.Input((toy.NUMBERS,), name="numbers")
    hidden = keras.layers.Dense(8, activation="tanh")(keras.layers.BatchNormalization()(inputs))
    hidden = keras.layers.Dropout(0.5, seed=9)(hidden)
    outputs = {task: keras.layers.Dense(1, activation="sigmoid")(hidden) for task in toy.TASKS}
    model = MultiTaskModel(inputs={"numbers": inputs}, outputs=outputs)
    loss = toy.crossentropy()
    model.compile(keras.optimizers.SGD(rate), loss=loss, metrics={"like": ["mae"]}, balancing=balancer, **settings)
    return model


def state_of(model):
    return {name: value.numpy() for name, value in model._balancer_state.tensors().items()}


def losses_of(model, features, labels):
    predictions = model(features)
    return np.array([keras.losses.binary_crossentropy(labels[t], predictions[t]).numpy().mean() for t in toy.TASKS])


def test_the_logits_learn_from_the_losses_of_the_same_batch_before_and_after():
    features, labels = toy.log(32)
    model = toy.compiled(FAMO(weight_decay=0.0), keras.optimizers.SGD(0.5))
    before = losses_of(model, features, labels)
    model.train_on_batch(features, labels)
    after = losses_of(model, features, labels)
    fall = np.log(before + 1e-8) - np.log(after + 1e-8)
    assert np.abs(fall).max() > 0.01
    # From equal shares of a third. After one step Adam's mean is a tenth of the gradient.
    gradient = (fall - fall.mean()) / 3
    state = state_of(model)
    np.testing.assert_allclose(state["adam_mean"], 0.1 * gradient, rtol=1e-4, atol=1e-8)
    np.testing.assert_allclose(state["logits"], -0.025 * np.sign(gradient), rtol=1e-2)


def assert_no_trace(rtol, atol, of_trained):
    looking, blind = with_dropout(FAMO()), with_dropout(Blind())
    features, labels = toy.log(32)
    data = {"numbers": features["numbers"]}, labels
    # One step: the logits that FAMO learned from it do not count yet.
    logs = [model.train_on_batch(*data, return_dict=True) for model in (looking, blind)]
    assert logs[0] == pytest.approx(logs[1], rel=rtol, abs=0)
    assert toy.difference(looking, blind) <= of_trained
    for one, other in zip(looking.non_trainable_variables, blind.non_trainable_variables, strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=rtol, atol=atol, err_msg=one.path)
    assert not np.allclose(state_of(looking)["logits"], state_of(blind)["logits"])
    # The statistics did move in the first run.
    (mean,) = [v for v in looking.non_trainable_variables if v.path.endswith("moving_mean")]
    assert np.abs(mean.numpy()).max() > 0


def test_the_second_run_leaves_no_trace():
    assert_no_trace(rtol=0, atol=0, of_trained=0)


@pytest.mark.traced
def test_the_second_run_leaves_no_trace_in_a_graph():
    # The graphs are not the same, so TensorFlow may fuse other operations; another mask, or statistics moved twice,
    # would be a thousand times as much.
    assert_no_trace(rtol=1e-6, atol=1e-8, of_trained=1e-7)


def test_the_second_run_differs_in_the_trained_variables_alone():
    # With a learning rate of 0 nothing differs, though dropout draws random numbers in each run.
    features, labels = toy.log(32)
    model = with_dropout(FAMO(), rate=0.0)
    first = model.train_on_batch({"numbers": features["numbers"]}, labels)
    second = model.train_on_batch({"numbers": features["numbers"]}, labels)
    assert first[0] != second[0]  # other masks in the next step
    np.testing.assert_array_equal(state_of(model)["logits"], 0)


@pytest.mark.traced
@pytest.mark.parametrize("settings", [{"run_eagerly": True}, {"steps_per_execution": 4}], ids=str)
@pytest.mark.quick("{'run_eagerly': True}")
def test_ways_to_run_a_step_agree(settings):
    features, labels = toy.log()
    models = [with_dropout(FAMO(), **more) for more in ({}, settings)]
    for model in models:
        toy.train(model, ({"numbers": features["numbers"]}, labels))
    assert toy.difference(*models) < 1e-6
    logits, expected = (state_of(model)["logits"] for model in models)
    np.testing.assert_allclose(logits, expected, atol=1e-5)


def test_a_skipped_step_leaves_the_state_as_it_was():
    features, labels = toy.log(32)
    broken = {**features, "numbers": np.full_like(features["numbers"], np.nan)}
    model = toy.compiled("famo", on_nonfinite="skip")
    model.train_on_batch(features, labels)
    before = state_of(model)
    model.train_on_batch(broken, labels)
    for name, value in state_of(model).items():
        np.testing.assert_array_equal(value, before[name], err_msg=name)
    assert int(model.skipped_steps.numpy()) == 1


def test_a_task_without_labelled_row_stands_still():
    features, labels = toy.log(32)
    weights = {task: np.ones(32, "float32") for task in toy.TASKS} | {"like": np.zeros(32, "float32")}
    model = toy.compiled("famo")
    model.train_on_batch(features, labels)
    before = state_of(model)
    model.train_on_batch(features, labels, sample_weight=weights)
    after = state_of(model)
    moved = {name: (value != before[name]).tolist() for name, value in after.items()}
    assert moved == {name: [True, False, True] for name in after}


@pytest.mark.thorough
@pytest.mark.traced
def test_losses_fall_more_alike_than_with_equal_weights():
    # What FAMO is for: with one task's loss scaled down a hundredfold, plain SGD on the mean leaves that one behind.
    def falls(balancer):
        features, labels = toy.log(256)
        scale = {"click": 1.0, "like": 0.01, "follow": 1.0}
        model = toy.compiled(balancer, keras.optimizers.SGD(0.5), loss_weights=scale)
        before = losses_of(model, features, labels)
        toy.train(model, (features, labels), epochs=10, batch_size=64)
        return np.log(before / losses_of(model, features, labels))

    spread = {name: np.ptp(falls(name)) for name in ("mean", "famo")}
    assert spread["famo"] < spread["mean"]
