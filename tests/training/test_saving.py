"""Save, load, continue = never having stopped: weights, optimizer slots and the state of the balancer."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import toy

import tf_gradcraft as gc
from tf_gradcraft.balancing import DWA, FAMO, RLW, STCH, GradNorm, MetaBalance, PCGrad, UncertaintyWeighting
from tf_gradcraft.optimizers import LazyAdam

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
LEARNED = ("uw", "famo", "gradnorm")
REMEMBERED = (*LEARNED, "metabalance", "dwa", "stch")
DATA = toy.log()
AFTER = toy.log(seed=8)


def fresh(method):
    return toy.compiled(METHODS[method](), LazyAdam(0.01), l2=0.01, **SETTINGS.get(method, {}))


def first_half(method):
    model = fresh(method)
    toy.train(model, DATA)
    return model


def through_keras_file(model, method, folder):
    model.save(folder / "model.keras")
    return gc.load_model(folder / "model.keras")


def through_weights_file(model, method, folder):
    model.save_weights(folder / "model.weights.h5")
    other = fresh(method)
    other.load_weights(folder / "model.weights.h5")
    return other


def through_checkpoint(model, method, folder):
    path = tf.train.Checkpoint(model=model).save(str(folder / "checkpoint"))
    other = fresh(method)
    tf.train.Checkpoint(model=other).restore(path).assert_existing_objects_matched()
    return other


@pytest.fixture(scope="module")
def never_stopped():
    trained = {}
    for method in METHODS:
        trained[method] = first_half(method)
        toy.train(trained[method], AFTER)
    return trained


@pytest.mark.parametrize(
    ("through", "method"),
    [
        *((through_keras_file, method) for method in METHODS),
        *((through_weights_file, method) for method in ("metabalance", "metabalance every third step", *LEARNED)),
        *((through_checkpoint, method) for method in ("metabalance", "metabalance every third step", *LEARNED)),
    ],
)
def test_continuing_is_never_having_stopped(through, method, never_stopped, tmp_path):
    model = through(first_half(method), method, tmp_path)
    toy.train(model, AFTER)
    assert toy.difference(model, never_stopped[method]) < 1e-6
    if method in SETTINGS:
        assert int(model._balancer_state.tensors()["interval_steps"]) == 16
    for one, other in zip(model.optimizer.variables, never_stopped[method].optimizer.variables, strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=0, atol=1e-6, err_msg=one.path)
    state, expected = (m._balancer_state.tensors() for m in (model, never_stopped[method]))
    assert set(state) == set(expected)
    for name, value in state.items():
        np.testing.assert_allclose(value, expected[name], rtol=0, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("method", REMEMBERED)
def test_the_state_matters_for_what_follows(method, never_stopped):
    # Else the tests above would pass without it: the same weights and slots with a fresh balancer go another way.
    model = first_half(method)
    forgetful = fresh(method)
    forgetful.set_weights(model.get_weights())
    forgetful.optimizer.build(forgetful.trainable_variables)
    for one, other in zip(forgetful.optimizer.variables, model.optimizer.variables, strict=True):
        one.assign(other.value)
    toy.train(forgetful, AFTER)
    assert toy.difference(forgetful, never_stopped[method]) > 1e-4


def test_two_runs_with_one_seed_draw_the_same_weights(never_stopped):
    again, other = first_half("rlw"), toy.compiled(RLW(seed=6), LazyAdam(0.01), l2=0.01)
    toy.train(other, DATA)
    for model in (again, other):
        toy.train(model, AFTER)
    assert toy.difference(again, never_stopped["rlw"]) == 0
    assert toy.difference(other, never_stopped["rlw"]) > 1e-4


@pytest.mark.parametrize("method", ["metabalance", "dwa", *LEARNED])
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
