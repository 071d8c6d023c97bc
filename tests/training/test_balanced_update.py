"""One balanced step equals one worked out in NumPy from gradients that separate tapes took."""

import balancing_oracles as oracles
import keras
import loss_oracles
import numpy as np
import pytest
import tensorflow as tf
import toy

from tf_gradcraft.balancing import (
    GLS,
    STCH,
    Fixed,
    GradCraft,
    GradNorm,
    Mean,
    MetaBalance,
    UncertaintyWeighting,
)
from tf_gradcraft.training import TaskCrossentropy

pytestmark = pytest.mark.eager

LOSS_WEIGHTS = {"click": 0.5, "like": 3.0, "follow": 1.0}
RATE, L2 = 0.5, 0.02
SHARED = ("users", "items", "shared")


def separate_gradients(model, features, labels, weights):
    """Returns each task's gradients by all variables, zeros where there is none, those of the penalties, and losses."""
    variables = model.trainable_variables

    def gradient_of(loss):
        with tf.GradientTape() as tape:
            value = loss(model(features))
        return [
            np.zeros(variable.shape) if gradient is None else tf.convert_to_tensor(gradient).numpy().astype(float)
            for variable, gradient in zip(variables, tape.gradient(value, variables), strict=True)
        ]

    def task_loss(task):
        def loss(predictions):
            by_row = keras.losses.binary_crossentropy(labels[task], predictions[task])
            # Keras's default reduction: the sum over the rows divided by their number, weight 0 or not.
            return LOSS_WEIGHTS[task] * tf.reduce_sum(by_row * weights[task]) / len(weights[task])

        return loss

    losses = np.array([task_loss(task)(model(features)).numpy() for task in toy.TASKS], float)
    return [gradient_of(task_loss(task)) for task in toy.TASKS], gradient_of(lambda _: tf.add_n(model.losses)), losses


def by_hand(model, oracles_of_parts, parts, features, labels, weights):
    """Returns all variables after one step of SGD."""
    tasks, penalty, losses = separate_gradients(model, features, labels, weights)
    paths = [variable.path for variable in model.trainable_variables]
    updates = [None] * len(paths)
    for position, path in enumerate(paths):
        if path.split("/")[0] not in SHARED:
            updates[position] = tasks[[path.startswith(task) for task in toy.TASKS].index(True)][position]
    for step, members in zip(oracles_of_parts, parts, strict=True):
        flat = np.array([np.concatenate([task[position].ravel() for position in members]) for task in tasks])
        direction = step(flat, losses, None)
        for position in members:
            size = tasks[0][position].size
            updates[position], direction = direction[:size].reshape(tasks[0][position].shape), direction[size:]
    return [
        variable.numpy() - RATE * (update + of_penalty)
        for variable, update, of_penalty in zip(model.trainable_variables, updates, penalty, strict=True)
    ]


def parts_of(model, kind):
    shared = [i for i, v in enumerate(model.trainable_variables) if v.path.split("/")[0] in SHARED]
    if kind == "variable":
        return [[position] for position in shared]
    if kind == "tables":
        tables = [i for i in shared if "embeddings" in model.trainable_variables[i].path]
        return [tables, [i for i in shared if i not in tables]]
    return [shared]


CASES = {
    "mean": (Mean(), oracles.mean, "all"),
    "fixed": (
        Fixed(weights={"follow": 0.0, "like": 2.0, "click": 0.5}),
        lambda: loss_oracles.fixed((0.5, 2.0, 0.0)),
        "all",
    ),
    "uw": (UncertaintyWeighting(learning_rate=0.5), lambda: loss_oracles.uncertainty_weighting(0.5), "all"),
    "gls": (GLS(), loss_oracles.gls, "all"),
    "stch": (
        STCH(mu=0.1, ideal={"click": 0.1, "like": 0.0, "follow": 0.3}),
        lambda: loss_oracles.stch(0.1, ideal=(0.1, 0.0, 0.3)),
        "all",
    ),
    "gradnorm": (GradNorm(learning_rate=0.2), lambda: loss_oracles.gradnorm(1.5, 0.2), "all"),
    "gradcraft": (GradCraft(), lambda: oracles.gradcraft(0.5, 1e-8), "all"),
    "gradcraft, tables apart": (
        GradCraft(tau=1, epsilon=0.1, parts={"tables": "embeddings"}),
        lambda: oracles.gradcraft(1, 0.1),
        "tables",
    ),
    "metabalance": (MetaBalance(target="like"), lambda: oracles.metabalance(0.7, 0.9, "C", 1), "variable"),
    "metabalance, one part": (
        MetaBalance(relax_factor=1, beta=0.5, strategy="A", parts="all"),
        lambda: oracles.metabalance(1, 0.5, "A", 0),
        "all",
    ),
}


@pytest.mark.in_turns
@pytest.mark.parametrize("case", CASES)
def test_steps_equal_those_worked_out_by_hand(case):
    balancer, oracle, kind = CASES[case]
    model = toy.compiled(balancer, keras.optimizers.SGD(RATE), l2=L2, loss_weights=LOSS_WEIGHTS)
    parts = parts_of(model, kind)
    steps = [oracle() for _ in parts]
    for seed in range(3):
        (features, labels), weights = toy.log(32, seed), toy.labels_weights(32, seed)
        expected = by_hand(model, steps, parts, features, labels, weights)
        model.train_on_batch(features, labels, sample_weight=weights)
        for variable, value in zip(model.trainable_variables, expected, strict=True):
            np.testing.assert_allclose(variable.numpy(), value, rtol=0, atol=3e-6, err_msg=variable.path)


@pytest.mark.traced
def test_loss_weights_act_before_balancing():
    # GradCraft with tau = 1 makes all norms equal to the largest, so weights given before it change the length of the
    # shared update and not its direction; given after, they would turn it.
    def shared_update(**weights):
        model = toy.compiled(GradCraft(tau=1), keras.optimizers.SGD(1.0), loss_weights=weights)
        before = model.get_layer("shared").kernel.numpy()
        model.train_on_batch(*toy.log())
        return (before - model.get_layer("shared").kernel.numpy()).ravel().astype(float)

    plain = shared_update(click=1.0, like=1.0, follow=1.0)
    weighted = shared_update(click=3.0, like=0.1, follow=0.5)
    cosine = plain @ weighted / (np.linalg.norm(plain) * np.linalg.norm(weighted))
    assert cosine == pytest.approx(1, abs=1e-5)
    assert not np.allclose(plain, weighted)


@pytest.mark.parametrize(
    "method", ["mean", "gradcraft", "metabalance", "pcgrad", "uw", "gls", "stch", "famo", "gradnorm"]
)
@pytest.mark.parametrize("loss", ["keras", "labelled rows"])
@pytest.mark.quick(
    "labelled rows-gradcraft", "keras-metabalance", "labelled rows-uw", "keras-famo", "labelled rows-gradnorm"
)
def test_a_task_without_labelled_row_is_as_if_it_were_not_there(method, loss):
    make = toy.crossentropy if loss == "keras" else lambda tasks: {task: TaskCrossentropy(task) for task in tasks}
    features, labels = toy.log()
    weights = {**toy.labels_weights(), "follow": np.zeros(64, "float32")}
    labels["follow"] = np.full((64, 1), 1.0 if loss == "keras" else np.nan, "float32")
    present = toy.compiled(method, keras.optimizers.SGD(0.5), loss=make(toy.TASKS))
    absent = toy.compiled(method, keras.optimizers.SGD(0.5), loss=make(toy.TASKS[:2]))
    # The order of random projections depends on the number of tasks; two tasks have but one.
    for model in (present, absent):
        model.train_on_batch(features, labels, sample_weight=weights)
    assert toy.difference(present, absent) < 1e-6
    assert all(np.isfinite(value).all() for value in present.get_weights())


def test_rows_of_weight_zero_do_not_count_for_the_loss_of_labelled_rows():
    features, labels = toy.log(32)
    weights = {task: (np.arange(32) < 20).astype("float32") for task in toy.TASKS}
    whole, part = (
        toy.compiled("gradcraft", keras.optimizers.SGD(0.5), loss={t: TaskCrossentropy(t) for t in toy.TASKS})
        for _ in range(2)
    )
    whole.train_on_batch(features, labels, sample_weight=weights)
    part.train_on_batch({k: v[:20] for k, v in features.items()}, {k: v[:20] for k, v in labels.items()})
    assert toy.difference(whole, part) < 1e-6


@pytest.mark.parametrize("shape", [(64,), (64, 1)])
def test_labels_may_be_of_rank_one(shape):
    features, labels = toy.log()
    model, reference = toy.compiled("gradcraft"), toy.compiled("gradcraft")
    for made in (model, reference):
        made.compile("sgd", loss={t: TaskCrossentropy(t) for t in toy.TASKS}, balancing="gradcraft")
    model.train_on_batch(features, {task: label.reshape(shape) for task, label in labels.items()})
    reference.train_on_batch(features, labels)
    assert toy.difference(model, reference) == 0
