"""Save, load, continue = never having stopped, under Keras 2: weights, optimizer slots, the state of the balancer."""

import functools

import numpy as np
import pytest
import tensorflow as tf
from films import Balanced, batches, made, values
from tensorflow import keras

from tf_gradcraft.balancing import GradNorm, MetaBalance, PCGrad, UncertaintyWeighting

METHODS = {
    "metabalance": (lambda: MetaBalance(beta=0.5, target="retrieval"), {}),
    "pcgrad": (lambda: PCGrad(seed=5), {}),
    "uw": (lambda: UncertaintyWeighting(learning_rate=0.1), {}),
    "gradnorm every third step": (lambda: GradNorm(learning_rate=0.1), {"balance_every": 3}),
}
HALF, REST = batches(seed=1, count=16), batches(seed=2, count=16)


def fresh(method):
    make, settings = METHODS[method]
    return made(optimizer=keras.optimizers.Adam(0.05), balancing=make(), **settings)


def first_half(method):
    model = fresh(method)
    model.fit(HALF, epochs=2, verbose=0)
    return model


def through_weights(model, method, folder):
    model.save_weights(folder / "weights")
    other = fresh(method)
    other.load_weights(folder / "weights")
    return other


def through_weights_file(model, method, folder):
    model.save_weights(folder / "model.weights.h5")
    other = fresh(method)
    other.load_weights(folder / "model.weights.h5")
    return other


def through_checkpoint(model, method, folder):
    path = tf.train.Checkpoint(model=model).save(str(folder / "checkpoint"))
    other = fresh(method)
    tf.train.Checkpoint(model=other).restore(path)
    return other


def through_keras_file(model, method, folder):
    model.save(folder / "model.keras")
    return keras.models.load_model(folder / "model.keras", custom_objects={"Balanced": Balanced})


@pytest.fixture(scope="module")
def never_stopped():
    @functools.cache
    def trained(method):
        model = first_half(method)
        model.fit(REST, verbose=0)
        return model

    return trained


def assert_equal(one, other):
    for a, b in zip(values(one), values(other), strict=True):
        np.testing.assert_array_equal(a, b)
    states = [model._balancer_state.tensors() for model in (one, other)]
    assert states[0].keys() == states[1].keys()
    for name, value in states[0].items():
        np.testing.assert_array_equal(value, states[1][name])


@pytest.mark.parametrize(
    ("through", "method"),
    [
        *((through_keras_file, method) for method in METHODS),
        *((through, "metabalance") for through in (through_weights, through_weights_file, through_checkpoint)),
        (through_weights, "gradnorm every third step"),
    ],
)
@pytest.mark.quick(
    "through_keras_file-metabalance",
    "through_keras_file-pcgrad",
    "through_weights-gradnorm every third step",
    "through_weights_file-metabalance",
    "through_checkpoint-metabalance",
)
def test_a_loaded_model_goes_on_as_if_it_had_never_stopped(through, method, never_stopped, tmp_path):
    loaded = through(first_half(method), method, tmp_path)
    loaded.run_eagerly = True
    loaded.fit(REST, verbose=0)
    assert_equal(loaded, never_stopped(method))


class Interrupt(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 2:
            raise KeyboardInterrupt


def test_training_that_was_interrupted_goes_on_from_the_backup(tmp_path):
    kept = keras.callbacks.BackupAndRestore(tmp_path / "backup", delete_checkpoint=False)
    with pytest.raises(KeyboardInterrupt):
        fresh("metabalance").fit(HALF, epochs=4, callbacks=[kept, Interrupt()], verbose=0)
    resumed, straight = fresh("metabalance"), fresh("metabalance")
    resumed.fit(HALF, epochs=4, callbacks=[keras.callbacks.BackupAndRestore(tmp_path / "backup")], verbose=0)
    straight.fit(HALF, epochs=4, verbose=0)
    assert_equal(resumed, straight)


def test_what_the_balancer_remembers_is_not_among_the_weights():
    plain, model = made(), fresh("metabalance")
    model.fit(HALF, verbose=0)
    assert [w.shape for w in model.get_weights()] == [w.shape for w in plain.get_weights()]
