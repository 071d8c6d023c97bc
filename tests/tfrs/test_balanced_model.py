"""A TFRS model that has moved over: the plain sum, balanced steps against steps by hand, errors."""

import films
import numpy as np
import pytest
import tensorflow as tf
from films import Balanced, batches, made, values
from tensorflow import keras

from tf_gradcraft import balancing as methods
from tf_gradcraft.balancing import FAMO, Fixed, GradCraft, MetaBalance


def assert_close(one, other, tolerance=1e-6):
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance)


@pytest.mark.parametrize("balancing", [None, "sum"])
def test_the_plain_sum_is_the_step_of_tensorflow_recommenders(balancing):
    before, after = made(films.Plain), made(balancing=balancing)
    histories = [model.fit(batches(), epochs=2, verbose=0).history for model in (before, after)]
    assert histories[0] == histories[1]
    assert_close(values(before), values(after), tolerance=0)
    logs = [model.evaluate(batches(seed=1), return_dict=True, verbose=0) for model in (before, after)]
    assert logs[0] == logs[1]
    assert {"rmse", "factorized_top_k/top_3_categorical_accuracy", "loss", "total_loss"} <= set(logs[0])


def gradients_by_hand(model, features):
    """Returns the gradients of each task and of the penalty, dense, zero where there is none; and what is shared."""
    with tf.GradientTape(persistent=True) as tape:
        losses = [*model.losses_of(features, training=True).values(), tf.add_n(model.losses)]
    found = [tape.gradient(loss, model.trainable_variables) for loss in losses]
    shared = [sum(of[i] is not None for of in found[:2]) == 2 for i in range(len(found[0]))]
    variables = model.trainable_variables
    dense = [
        [
            np.zeros(v.shape) if g is None else tf.convert_to_tensor(g).numpy()
            for g, v in zip(of, variables, strict=True)
        ]
        for of in found
    ]
    return dense, shared


@pytest.mark.parametrize("run_eagerly", [True, False])
def test_a_step_weighs_shared_variables_only_and_leaves_penalties_alone(run_eagerly):
    model = made(balancing=Fixed(weights={"rating": 3.0, "retrieval": 0.5}), run_eagerly=run_eagerly)
    batch = films.rows(count=8)
    before = values(model)
    (rating, retrieval, penalty), shared = gradients_by_hand(model, batch)
    assert shared == [True, True, False, False, False, False]
    model.fit(tf.data.Dataset.from_tensors(batch), verbose=0)
    expected = [
        b - 0.05 * ((3.0 * g + 0.5 * h if both else g + h) + p)
        for b, g, h, p, both in zip(before, rating, retrieval, penalty, shared, strict=True)
    ]
    assert_close(values(model), expected, 1e-5)


def test_gradcraft_moves_otherwise_than_the_sum():
    changed, plain = made(balancing=GradCraft()), made()
    for model in (changed, plain):
        model.fit(batches(), verbose=0)
    # The rating tower is private to its task, the embeddings are not; only what the step before moved differs there.
    assert np.abs(values(changed)[0] - values(plain)[0]).max() > 1e-3


def test_loss_weights_scale_before_balancing():
    model = made(balancing="mean", loss_weights={"retrieval": 4.0})
    batch = films.rows(count=8)
    before = values(model)
    (rating, retrieval, _), _ = gradients_by_hand(model, batch)
    history = model.fit(tf.data.Dataset.from_tensors(batch), verbose=0).history
    np.testing.assert_allclose(values(model)[0], before[0] - 0.05 * (rating[0] + 4 * retrieval[0]) / 2, atol=1e-5)
    losses = made().losses_of(batch, training=False)
    np.testing.assert_allclose(history["loss"], [losses["rating"] + 4 * losses["retrieval"]], rtol=1e-6)


@pytest.mark.in_turns
@pytest.mark.parametrize("name", methods.names())
def test_every_method_trains(name):
    model = made(balancing=name)
    before = values(model)
    history = model.fit(batches(count=8), verbose=0).history
    assert np.isfinite(history["total_loss"]).all()
    assert all((b != a).any() for a, b in zip(before, values(model), strict=True))


def kinds_of_optimizers():
    legacy = keras.optimizers.legacy
    return [kind(0.1) for kind in (keras.optimizers.Adagrad, keras.optimizers.Adam, legacy.Adagrad, legacy.Adam)]


@pytest.mark.parametrize("position", range(4), ids=["Adagrad", "Adam", "legacy Adagrad", "legacy Adam"])
def test_an_optimizer_gets_each_row_once_and_squares_the_sum(position):
    optimizer = kinds_of_optimizers()[position]
    model = made(optimizer=optimizer, balancing="mean")
    batch = films.rows(count=8)
    before = values(model)[0]
    (rating, retrieval, _), _ = gradients_by_hand(model, batch)
    gradient = (rating[0] + retrieval[0]) / 2
    taken, apply = [], optimizer.apply_gradients

    def apply_gradients(pairs, *args, **kwargs):
        pairs = list(pairs)
        taken.extend(gradient for gradient, _ in pairs if isinstance(gradient, tf.IndexedSlices))
        return apply(pairs, *args, **kwargs)

    optimizer.apply_gradients = apply_gradients
    model.fit(tf.data.Dataset.from_tensors(batch), verbose=0)
    assert len(taken) == 2
    assert all(len(set(slices.indices.numpy())) == len(slices.indices) for slices in taken)
    if position % 2:
        step = 0.1 * gradient / (np.abs(gradient) + 1e-7)
    else:
        step = 0.1 * gradient / np.sqrt(0.1 + gradient**2 + 1e-7)
    np.testing.assert_allclose(values(model)[0], before - step, atol=1e-5)


def test_a_look_back_leaves_no_trace_in_the_metrics():
    model = made(balancing=FAMO(learning_rate=0.1))
    plain = made()
    batch = tf.data.Dataset.from_tensors(films.rows(count=8))
    logs = [one.fit(batch, verbose=0).history for one in (model, plain)]
    assert logs[0]["rmse"] == logs[1]["rmse"]
    assert float(model.rating.metrics[0].count) == 8
    state = model._balancer_state.tensors()
    assert any((value.numpy() != 0).any() for value in state.values())


def test_mixed_float16_scales_losses_and_takes_the_scale_out_again():
    expected = made(balancing="metabalance")
    keras.mixed_precision.set_global_policy("mixed_float16")
    scaling = keras.mixed_precision.LossScaleOptimizer(keras.optimizers.SGD(0.05), dynamic=False, initial_scale=64)
    model = made(balancing="metabalance", optimizer=scaling)
    model.retrieval.factorized_metrics = []  # TensorFlow Recommenders has them for float32 alone
    for one in (expected, model):
        one.fit(batches(count=8), verbose=0)
    assert_close(values(model), values(expected), 5e-3)
    assert float(scaling.loss_scale) == 64


class Broken(Balanced):
    """Its retrieval loss is not finite for the film `e`."""

    def compute_task_losses(self, features, training=False):
        losses = super().compute_task_losses(features, training)
        broken = tf.reduce_any(features["film"] == "e")
        return {**losses, "retrieval": tf.where(broken, float("nan"), 1.0) * losses["retrieval"]}


def test_a_loss_that_is_not_finite_names_its_task():
    with pytest.raises(tf.errors.InvalidArgumentError, match="task retrieval has a loss or gradient that"):
        made(Broken, balancing="gradcraft").fit(batches(), verbose=0)


def test_steps_that_are_not_finite_are_skipped_and_counted():
    model = made(Broken, balancing="gradcraft", on_nonfinite="skip", run_eagerly=False)
    before = values(model)
    with_e = tf.data.Dataset.from_tensors({**films.rows(count=8), "film": np.array(["e"] * 8)})
    with pytest.warns(UserWarning, match="1 training steps were skipped"):
        model.fit(with_e, verbose=0)
    assert_close(values(model), before, tolerance=0)
    assert int(model.skipped_steps) == 1


class Unfinished(Balanced):
    """Returns what a test puts into it."""

    def compute_task_losses(self, features, training=False):
        losses = self.losses_of(features, training)
        return self.returned(losses) if self.returned else super(films.Balanced, self).compute_task_losses(features)


@pytest.mark.parametrize(
    ("returned", "settings", "message"),
    [
        (None, {}, "Unfinished must implement compute_task_losses.* rename compute_loss"),
        (lambda losses: sum(losses.values()), {}, "must return a dict {task: loss}, got"),
        (lambda losses: {**losses, "rating": tf.ones([8, 1])}, {}, r"loss of task rating has the shape \(8, 1\)"),
        (lambda losses: {"rating": losses["rating"]}, {}, "two or more tasks with a loss, this model has .'rating'.$"),
        (dict, {"loss_weights": {"ratings": 2.0}}, "loss_weights: .*'ratings'.*rating"),
        (dict, {"balancing": MetaBalance(target="stars")}, "'stars'"),
        (dict, {"balancing": GradCraft(parts={"x": "no_such"})}, "they are: user_model/.*embeddings"),
        (dict, {"balance_over": "representation"}, "marks no shared representation"),
    ],
)
def test_errors_say_what_to_do(returned, settings, message):
    model = made(Unfinished, **{"balancing": "gradcraft", **settings})
    model.returned = returned
    with pytest.raises((ValueError, NotImplementedError), match=message):
        model.fit(batches(), verbose=0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"balancing": "gradcarft"}, "did you mean 'gradcraft'"),
        ({"balance_over": "tables"}, "balance_over"),
        ({"loss_weights": [1.0, 2.0]}, "loss_weights must be a dict"),
    ],
)
def test_compile_refuses_what_it_does_not_know(settings, message):
    with pytest.raises(ValueError, match=message):
        made(**settings)


def test_parts_are_matched_on_the_attributes_that_lead_to_a_variable():
    model = made(balancing=MetaBalance(parts={"users": "^user_model/"}, beta=0.5))
    model.fit(batches(count=8), verbose=0)
    assert {value.shape[0] for value in model._balancer_state.tensors().values() if value.shape.rank == 2} == {2}
