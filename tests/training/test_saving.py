"""Save, load, continue = never having stopped: weights, optimizer slots and the state of the balancer."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
import toy

import tf_gradcraft as gc
from tf_gradcraft.balancing import DWA, FAMO, RLW, STCH, GradNorm, MetaBalance, PCGrad, UncertaintyWeighting
from tf_gradcraft.optimizers import LazyAdam

pytestmark = pytest.mark.eager

METHODS = {
    "metabalance": lambda: MetaBalance(beta=0.5, target="like"),
    "pcgrad": lambda: PCGrad(seed=5),
    "rlw": lambda: RLW(seed=5),
    "uw": lambda: UncertaintyWeighting(learning_rate=0.1),
    "dwa": lambda: DWA(temperature=0.1),
    "stch": lambda: STCH(mu=0.1, preference={"click": 1.0, "like": 2.0, "follow": 1.0}, warmup_epochs=2),
    "famo": lambda: FAMO(learning_rate=0.1, min_losses={"click": 0.1, "like": 0.0, "follow": 0.0}),
    "gradnorm": lambda: GradNorm(learning_rate=0.1),
    # The first half is 8 steps long, so it ends between two steps that ask for weights.
    "metabalance every third step": lambda: MetaBalance(beta=0.5, target="like", parts="all"),
    "pcgrad over the representation every third step": lambda: PCGrad(seed=5),
}
SETTINGS = {
    "metabalance every third step": {"balance_every": 3},
    "pcgrad over the representation every third step": {"balance_every": 3, "balance_over": "representation"},
}
REMEMBERED = ("uw", "famo", "gradnorm", "metabalance", "dwa", "stch")
DATA = toy.log()
AFTER = toy.log(seed=8)


def fresh(method):
    return toy.compiled(METHODS[method](), LazyAdam(0.01), l2=0.01, **SETTINGS.get(method, {}))


def first_half(method):
    model = fresh(method)
    toy.train(model, DATA)
    return model


class NeverStopped:
    """A model that was trained on both halves, and all that can be kept of it after the first."""

    def __init__(self, method, folder):
        self.model, self.folder = first_half(method), folder
        self.model.save(folder / "model.keras")
        self.model.save_weights(folder / "model.weights.h5")
        self.checkpoint = tf.train.Checkpoint(model=self.model).save(str(folder / "checkpoint"))
        self.weights = self.model.get_weights()
        self.slots = [variable.numpy() for variable in self.model.optimizer.variables]
        toy.train(self.model, AFTER)


@pytest.fixture(scope="module")
def never_stopped(tmp_path_factory):
    return functools.cache(lambda method: NeverStopped(method, tmp_path_factory.mktemp("saved")))


def through_keras_file(method, kept):
    return gc.load_model(kept.folder / "model.keras")


def through_weights_file(method, kept):
    model = fresh(method)
    model.load_weights(kept.folder / "model.weights.h5")
    return model


def through_checkpoint(method, kept):
    model = fresh(method)
    tf.train.Checkpoint(model=model).restore(kept.checkpoint).assert_existing_objects_matched()
    return model


# A .keras file holds a weights file, so that the other two ways get each kind of state once between them, and both the
# state of an interval.
@pytest.mark.in_turns
@pytest.mark.parametrize(
    ("through", "method"),
    [
        *((through_keras_file, method) for method in METHODS),
        *((through_weights_file, method) for method in ("metabalance every third step", "uw", "famo")),
        *((through_checkpoint, method) for method in ("metabalance every third step", "famo", "gradnorm")),
    ],
)
@pytest.mark.quick(
    "through_keras_file-metabalance",
    "through_keras_file-pcgrad over the representation every third step",
    "through_weights_file-metabalance every third step",
    "through_weights_file-uw",
    "through_checkpoint-famo",
)
def test_continuing_is_never_having_stopped(through, method, never_stopped):
    expected = never_stopped(method)
    model = through(method, expected)
    toy.train(model, AFTER)
    assert toy.difference(model, expected.model) < 1e-6
    if method in SETTINGS:
        assert int(model._balancer_state.tensors()["interval_steps"]) == 16
    for one, other in zip(model.optimizer.variables, expected.model.optimizer.variables, strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=0, atol=1e-6, err_msg=one.path)
    state, wanted = (m._balancer_state.tensors() for m in (model, expected.model))
    assert set(state) == set(wanted)
    for name, value in state.items():
        np.testing.assert_allclose(value, wanted[name], rtol=0, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("method", REMEMBERED)
@pytest.mark.quick("uw", "famo")
def test_the_state_matters_for_what_follows(method, never_stopped):
    # Else the tests above would pass without it: the same weights and slots with a fresh balancer go another way.
    forgetful, kept = fresh(method), never_stopped(method)
    forgetful.set_weights(kept.weights)
    forgetful.optimizer.build(forgetful.trainable_variables)
    for variable, value in zip(forgetful.optimizer.variables, kept.slots, strict=True):
        variable.assign(value)
    toy.train(forgetful, AFTER)
    assert toy.difference(forgetful, kept.model) > 1e-4


@pytest.mark.thorough
def test_two_runs_with_one_seed_draw_the_same_weights_and_saving_changes_nothing(never_stopped):
    again, other = first_half("rlw"), toy.compiled(RLW(seed=6), LazyAdam(0.01), l2=0.01)
    toy.train(other, DATA)
    for model in (again, other):
        toy.train(model, AFTER)
    assert toy.difference(again, never_stopped("rlw").model) == 0
    assert toy.difference(other, never_stopped("rlw").model) > 1e-4


# Keras backs up a weights file; the methods are one that learns in each step, one in each epoch, one that looks back.
@pytest.mark.traced
@pytest.mark.parametrize("method", ["metabalance", "dwa", "famo"])
@pytest.mark.quick("dwa")
def test_an_interrupted_fit_goes_on_where_it_was(method, tmp_path):
    class Interrupt(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise InterruptedError

    whole = toy.compiled(METHODS[method]())
    toy.train(whole, DATA, epochs=4)
    backup = lambda: keras.callbacks.BackupAndRestore(str(tmp_path / "backup"))  # noqa: E731
    with pytest.raises(InterruptedError):
        toy.train(toy.compiled(METHODS[method]()), DATA, epochs=4, callbacks=[backup(), Interrupt()])
    resumed = toy.compiled(METHODS[method]())
    history = toy.train(resumed, DATA, epochs=4, callbacks=[backup()])
    assert len(history["loss"]) == 2
    assert toy.difference(resumed, whole) < 1e-6


def test_a_loaded_model_is_compiled_as_it_was(tmp_path):
    balancer = METHODS["metabalance"]()
    metrics = {"click": [gc.metrics.AUC(), "accuracy"], "like": gc.metrics.AUC()}
    settings = {"loss_weights": {"click": 1.0, "like": 2.0, "follow": 3.0}, "on_nonfinite": "skip", "metrics": metrics}
    settings |= {"balance_over": "representation", "balance_every": 2}
    model = toy.compiled(balancer, LazyAdam(0.01), **settings)
    toy.train(model, epochs=1)
    model.save(tmp_path / "model.keras")
    loaded = gc.load_model(tmp_path / "model.keras")
    assert isinstance(loaded, gc.MultiTaskModel)
    assert loaded.balancing == balancer
    assert loaded.on_nonfinite == "skip"
    compiled = loaded.get_compile_config()
    assert (compiled["balance_over"], compiled["balance_every"]) == ("representation", 2)
    assert isinstance(loaded.optimizer, LazyAdam)
    expected, logs = (m.evaluate(*AFTER, return_dict=True, verbose=0) for m in (model, loaded))
    assert set(logs) == set(expected) >= {"click_auc", "like_auc", "auc_mean", "click_accuracy"}
    assert logs == pytest.approx(expected, rel=1e-6)


def test_a_model_with_parts_by_regex_can_be_saved(tmp_path):
    balancer = gc.balancing.GradCraft(parts={"tables": "embeddings"})
    model = toy.compiled(balancer)
    model.save(tmp_path / "model.keras")
    assert gc.load_model(tmp_path / "model.keras").balancing == balancer


def test_the_file_of_a_model_never_trained_can_be_read_and_trained(tmp_path):
    model = toy.compiled("metabalance")
    model.save(tmp_path / "model.keras")
    loaded = gc.load_model(tmp_path / "model.keras")
    for made in (model, loaded):
        toy.train(made, epochs=1)
    assert toy.difference(model, loaded) < 1e-6


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.keras: no such file"):
        gc.load_model(tmp_path / "none.keras")
