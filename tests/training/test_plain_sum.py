"""Without balancing, `MultiTaskModel` is `keras.Model`; and so is balancing by weights that are all 1."""

import keras
import numpy as np
import pytest
import toy

from tf_gradcraft import balancing

SETTINGS = {
    "plain": {},
    "other losses, loss_weights, metrics": {
        "loss": {"click": "mse", "like": keras.losses.BinaryFocalCrossentropy(), "follow": "mae"},
        "loss_weights": {"click": 0.3, "like": 2.0, "follow": 1.0},
        "metrics": {"click": ["accuracy", keras.metrics.AUC(name="area")], "follow": ["accuracy"]},
        "weighted_metrics": {"like": ["mse"]},
    },
}
ADAM = {"class_name": "Adam", "config": {"learning_rate": 0.01}}
SGD = {"class_name": "SGD", "config": {"learning_rate": 0.3, "momentum": 0.5}}


def settings(name):
    """A fresh copy: metrics keep state."""
    config = keras.saving.serialize_keras_object(SETTINGS[name])
    return keras.saving.deserialize_keras_object(config)


def trained(kind, name, weights, optimizer, l2=0.01, **compile_settings):
    model = toy.model(kind, l2=l2)
    defaults = {"optimizer": keras.optimizers.get(optimizer), "loss": toy.crossentropy()}
    model.compile(**{**defaults, **settings(name), **compile_settings})
    history = toy.train(model, toy.log(80), epochs=4, sample_weight=weights)  # 20 steps
    return model, history


def assert_same_training(name, balancer, optimizer, tolerance):
    weights = None if name == "plain" else toy.labels_weights(80)
    keras_model, expected = trained(keras.Model, name, weights, optimizer)
    model, history = trained(toy.MultiTaskModel, name, weights, optimizer, balancing=balancer)
    assert toy.difference(model, keras_model) < tolerance
    assert set(history) == set(expected)
    for key, values in expected.items():
        np.testing.assert_allclose(history[key], values, rtol=1e-4, atol=tolerance, err_msg=key)
    if name != "plain":
        features, labels = toy.log(48, seed=7)
        logs, expected_logs = (m.evaluate(features, labels, return_dict=True, verbose=0) for m in (model, keras_model))
        assert logs == pytest.approx(expected_logs, rel=1e-4, abs=tolerance)


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.quick("other losses, loss_weights, metrics")
def test_no_balancing_is_plain_keras_over_twenty_steps(name):
    assert_same_training(name, None, ADAM, 1e-6)


def test_sum_is_no_balancing():
    assert toy.compiled("sum").balancing is None
    assert toy.compiled(balancing.Sum()).balancing is None


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.quick("other losses, loss_weights, metrics")
def test_balancing_by_weights_of_one_is_plain_keras_logs_and_penalties_included(name):
    # Another path to the same numbers: per-task gradients, combined; the penalty added unbalanced. By momentum, for
    # Keras's Adam takes rows that a batch looks up twice in another way than the unique rows it gets here.
    assert_same_training(name, balancing.MetaBalance(relax_factor=0), SGD, 2e-5)
