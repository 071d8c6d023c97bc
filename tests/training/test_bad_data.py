"""NaN and labels that are no labels: the error names the task; or the step is skipped and counted."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
import toy

from tf_gradcraft.training import TaskCrossentropy

pytestmark = pytest.mark.eager

# TensorFlow puts a backslash before the quotes of what a graph asserts.
NOT_FINITE = r"task {} has a loss or gradient that is not finite. Look for NaN"


def losses():
    return {task: TaskCrossentropy(task) for task in toy.TASKS}


def spoiled(where):
    features, labels = toy.log()
    if where == "label":
        labels["like"][20] = np.nan
    else:
        features["numbers"][20, 1] = np.nan
    return features, labels


# Each kind of solver, and of what a method looks at: none may raise an error of its own before the one that helps. In
# the graph solvers might come first; methods that only look at losses have none.
@pytest.mark.in_turns
@pytest.mark.parametrize("method", ["gradcraft", "metabalance", "mean", "imtl_g", "aligned_mtl", "nash_mtl", "upgrad"])
@pytest.mark.quick("gradcraft", "metabalance", "mean")
def test_a_nan_label_is_an_error_that_names_the_task(method):
    with pytest.raises(tf.errors.InvalidArgumentError, match=NOT_FINITE.format("like")):
        toy.train(toy.compiled(method), spoiled("label"))


@pytest.mark.parametrize("method", ["uw", "famo", "gls"])
def test_so_it_is_of_methods_that_look_at_losses(method):
    with pytest.raises(tf.errors.InvalidArgumentError, match=NOT_FINITE.format("like")):
        toy.train(toy.compiled(method, run_eagerly=True), spoiled("label"))


@pytest.mark.parametrize("method", ["gradcraft", "mean"])
def test_a_nan_feature_is_an_error_that_names_a_task_and_leaves_the_weights(method):
    model = toy.compiled(method)
    features, labels = spoiled("feature")
    before = model.get_weights()
    with pytest.raises(tf.errors.InvalidArgumentError, match=NOT_FINITE.format("click")):
        model.train_on_batch(features, labels)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.traced
@pytest.mark.parametrize("run_eagerly", [False, True])
def test_a_gradient_that_is_not_finite_is_found_where_the_loss_is_finite(run_eagerly):
    def root(y_true, y_pred):
        return tf.sqrt(tf.reduce_mean(tf.square(y_pred - tf.stop_gradient(y_pred)), axis=-1))  # 0, with gradient NaN

    model = toy.compiled("gradcraft", loss={**toy.crossentropy(), "follow": root}, run_eagerly=run_eagerly)
    with pytest.raises(tf.errors.InvalidArgumentError, match=NOT_FINITE.format("follow")):
        model.train_on_batch(*toy.log())


@pytest.mark.in_turns
@pytest.mark.traced
@pytest.mark.parametrize("method", ["metabalance", "mean", "aligned_mtl", "gradvac", "imtl"])
@pytest.mark.quick("metabalance", "mean")
def test_a_step_that_is_not_finite_is_skipped_on_request_counted_and_told(method):
    features, labels = spoiled("label")  # the second of four batches
    model = toy.compiled(method, on_nonfinite="skip")
    with pytest.warns(UserWarning, match="1 training steps were skipped"):
        toy.train(model, (features, labels), epochs=1)
    assert int(model.skipped_steps.numpy()) == 1

    # The same as never having met the batch, state of balancer and optimizer included.
    kept = np.r_[0:16, 32:64]
    without = toy.compiled(method, on_nonfinite="skip")
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        toy.train(
            without, ({k: v[kept] for k, v in features.items()}, {k: v[kept] for k, v in labels.items()}), epochs=1
        )
    assert toy.difference(model, without) < 1e-6
    assert int(model.optimizer.iterations.numpy()) == int(without.optimizer.iterations.numpy()) == 3


@pytest.mark.thorough
@pytest.mark.traced
def test_compiled_by_xla_such_steps_are_skipped_and_told():
    model = toy.compiled("gradcraft", jit_compile=True)
    with pytest.warns(UserWarning, match="1 training steps were skipped"):
        toy.train(model, spoiled("label"), epochs=1)
    assert all(np.isfinite(value).all() for value in model.get_weights())


@pytest.mark.parametrize("label", [2.0, -1.0, 0.5, np.nan])
def test_a_label_that_is_neither_0_nor_1_is_an_error_that_names_the_task(label):
    features, labels = toy.log()
    labels["follow"][5] = label
    with pytest.raises(tf.errors.InvalidArgumentError, match="task follow: a label is neither 0 nor 1"):
        toy.compiled("gradcraft", loss=losses(), run_eagerly=True).train_on_batch(features, labels)


def test_labels_of_rows_with_weight_zero_are_not_looked_at():
    features, labels = toy.log()
    labels["follow"][5] = np.nan
    weights = toy.labels_weights()
    weights["follow"][5] = 0
    model = toy.compiled("gradcraft", loss=losses())
    logs = model.train_on_batch(features, labels, sample_weight=weights, return_dict=True)
    assert np.isfinite(logs["loss"])


def test_the_tasks_crossentropy_is_the_mean_over_labelled_rows():
    labels, predictions = np.array([1.0, 0.0, 1.0, 0.0]), np.array([0.9, 0.2, 0.3, 0.6])
    by_row = -np.log(np.where(labels == 1, predictions, 1 - predictions))
    loss = TaskCrossentropy("click")
    assert float(loss(labels[:, None], predictions[:, None])) == pytest.approx(by_row.mean(), rel=1e-5)
    weights = np.array([1.0, 0.0, 2.0, 0.0])
    expected = (weights * by_row).sum() / weights.sum()
    assert float(loss(labels[:, None], predictions[:, None], weights)) == pytest.approx(expected, rel=1e-5)
    assert float(loss(labels[:, None], predictions[:, None], np.zeros(4))) == 0.0


def test_the_tasks_crossentropy_has_a_config():
    loss = TaskCrossentropy("click", label_smoothing=0.1)
    clone = keras.losses.deserialize(keras.losses.serialize(loss))
    assert clone.get_config() == loss.get_config()
    assert clone.task == "click"
