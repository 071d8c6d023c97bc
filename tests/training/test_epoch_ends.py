"""DWA and STCH's warm-up learn when an epoch ends, however epochs come about."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import toy

import tf_gradcraft as gc
from tf_gradcraft.balancing import DWA, STCH, Mean
from tf_gradcraft.training.epoch_ends import with_epoch_ends

pytestmark = pytest.mark.eager

SHARP = DWA(temperature=0.05)


def state_of(model):
    return {name: value.numpy() for name, value in model._balancer_state.tensors().items()}


def epoch_losses(history, epoch):
    return [history[f"{task}_loss"][epoch] for task in toy.TASKS]


def test_the_history_holds_the_mean_losses_of_the_last_two_epochs():
    model = toy.compiled(SHARP)
    history = toy.train(model, epochs=3)
    state = state_of(model)
    np.testing.assert_allclose(state["last"], epoch_losses(history, 2), rtol=1e-5)
    np.testing.assert_allclose(state["before_last"], epoch_losses(history, 1), rtol=1e-5)
    np.testing.assert_array_equal(state["loss_count"], 0)


@pytest.mark.traced
def test_the_third_epoch_is_trained_with_the_weights_of_the_first_two():
    features, labels = toy.log()
    dwa, fixed = toy.compiled(SHARP), toy.compiled("fixed")
    history = toy.train(dwa, epochs=2)
    toy.train(fixed, epochs=2)
    assert toy.difference(dwa, fixed) < 1e-6
    ratios = np.array(epoch_losses(history, 1)) / epoch_losses(history, 0)
    weights = 3 * np.exp(ratios / 0.05) / np.exp(ratios / 0.05).sum()
    assert np.ptp(weights) > 0.1
    fixed.compile(fixed.optimizer, loss=toy.crossentropy(), balancing=gc.balancing.Fixed(weights=weights.tolist()))
    for model in (dwa, fixed):
        toy.train(model, (features, labels), epochs=1)
    assert toy.difference(dwa, fixed) < 1e-5


@pytest.mark.parametrize("balancer", [SHARP, STCH(mu=0.1, warmup_epochs=2)], ids=["dwa", "stch"])
def test_epochs_count_alike_in_one_fit_and_in_several(balancer):
    one, several = toy.compiled(balancer), toy.compiled(balancer)
    toy.train(one, epochs=4)
    toy.train(several, epochs=1)
    toy.train(several, epochs=2, initial_epoch=1)
    toy.train(several, epochs=2)
    assert toy.difference(one, several) == 0


def test_an_epoch_may_be_a_number_of_steps():
    features, labels = toy.log(64)
    data = tf.data.Dataset.from_tensor_slices((features, labels)).batch(16).repeat()
    by_steps = toy.compiled(SHARP)
    by_steps.fit(data, epochs=6, steps_per_epoch=2, verbose=0)
    # The same batches, each epoch half of the rows.
    by_rows = toy.compiled(SHARP)
    halves = [({k: v[rows] for k, v in features.items()}, {k: v[rows] for k, v in labels.items()}) for rows in HALVES]
    for epoch in range(6):
        toy.train(by_rows, halves[epoch % 2], epochs=1)
    assert toy.difference(by_steps, by_rows) < 1e-6


HALVES = (slice(0, 32), slice(32, 64))


def test_a_model_saved_at_the_end_of_an_epoch_holds_the_state_for_the_next(tmp_path):
    model = toy.compiled(SHARP)
    path = tmp_path / "model.keras"
    toy.train(model, epochs=2, callbacks=[keras.callbacks.ModelCheckpoint(path)])
    loaded = gc.load_model(path)
    for name, value in state_of(model).items():
        np.testing.assert_array_equal(state_of(loaded)[name], value, err_msg=name)
    assert (state_of(loaded)["before_last"] > 0).all()


def test_without_fit_the_model_is_told_by_hand():
    by_hand, fitted = toy.compiled(SHARP), toy.compiled(SHARP)
    toy.train(fitted, epochs=3, batch_size=64)
    by_hand.end_epoch()  # before the first step there is nothing to end
    for _ in range(3):
        by_hand.train_on_batch(*toy.log())
        by_hand.end_epoch()
    assert toy.difference(fitted, by_hand) < 1e-6
    toy.compiled(None).end_epoch()


@pytest.mark.thorough
def test_callbacks_may_be_given_in_any_form():
    expected = toy.compiled(SHARP)
    toy.train(expected, epochs=3)
    seen = []
    for make in (
        lambda call: call,
        lambda call: [call],
        lambda call: keras.callbacks.CallbackList([call]),
    ):
        model = toy.compiled(SHARP)
        call = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(epoch))
        history = toy.train(model, epochs=3, callbacks=make(call))
        assert len(history["loss"]) == 3
        assert toy.difference(model, expected) == 0
    assert seen == [0, 1, 2] * 3


def test_nothing_is_added_for_a_method_without_epochs():
    given = [keras.callbacks.TerminateOnNaN()]
    assert with_epoch_ends(given, Mean()) is given
    assert with_epoch_ends(given, None) is given
    assert with_epoch_ends(given, DWA())[1:] == given


def test_an_epoch_without_labels_leaves_a_tasks_history_as_it_was():
    model = toy.compiled("dwa")
    toy.train(model, epochs=2)
    before = state_of(model)
    weights = {task: np.ones(64, "float32") for task in toy.TASKS} | {"follow": np.zeros(64, "float32")}
    toy.train(model, epochs=1, sample_weight=weights)
    after = state_of(model)
    for name in ("last", "before_last"):
        assert (after[name] != before[name]).tolist() == [True, True, False]
