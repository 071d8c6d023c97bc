"""Every method that looks at gradients, on each form of `parts`, in `fit`: as if each part were balanced by itself."""

import itertools
import re

import keras
import numpy as np
import pytest
import tensorflow as tf
import toy

from tf_gradcraft import balancing
from tf_gradcraft.balancing import Chain, Magnitude, MetaBalance, PCGrad

pytestmark = pytest.mark.eager

FORMS = {
    "all": "all",
    "variable": "variable",
    # The bias of the shared layer is left over: one more part.
    "groups": {"tables": "users|items", "kernel": r"shared/kernel$"},
}
GRAM_METHODS = [name for name in balancing.names() if balancing.get(name).needs != "losses"]
FEATURES, LABELS = toy.log(rows=32)
RATE = 0.05


def part_of(path, form):
    """Returns which part a shared variable belongs to."""
    if form == "all":
        return "all"
    if form == "variable":
        return path
    return next((name for name, regex in form.items() if re.search(regex, path)), "the rest")


def task_gradients(model, features, labels):
    """Returns the losses [T] and, for each variable, a gradient a task, or None."""
    with tf.GradientTape(persistent=True) as tape:
        outputs = model(features, training=True)
        losses = [tf.reduce_mean(keras.losses.binary_crossentropy(labels[task], outputs[task])) for task in toy.TASKS]
    by_task = [tape.gradient(loss, model.trainable_variables) for loss in losses]
    dense = [[None if g is None else tf.convert_to_tensor(g).numpy() for g in of_task] for of_task in by_task]
    return np.array(losses, float), list(zip(*dense, strict=True))


class ByHand:
    """Gradient descent where each part has a balancer, and a state, of its own."""

    def __init__(self, balancer, form):
        self.balancer, self.form, self.states = balancer.for_tasks(toy.TASKS), form, {}

    def step(self, model, features, labels):
        losses, gradients = task_gradients(model, features, labels)
        parts = {}
        for position, variable in enumerate(model.trainable_variables):
            own = [g for g in gradients[position] if g is not None]
            if len(own) == 1:
                variable.assign_sub(RATE * own[0])
            else:
                parts.setdefault(part_of(variable.path, self.form), []).append(position)
        for name, positions in parts.items():
            flat = np.concatenate([np.reshape(gradients[p], [len(losses), -1]) for p in positions], axis=1).astype(
                float
            )
            gram = tf.constant((flat @ flat.T)[np.newaxis])
            state = self.states.setdefault(name, self.balancer.init(len(losses), 1))
            weights, self.states[name] = self.balancer.weights(gram, tf.constant(losses), state)
            assert np.isfinite(weights).all()
            for position in positions:
                update = np.tensordot(weights.numpy()[0], np.array(gradients[position], float), 1)
                model.trainable_variables[position].assign_sub((RATE * update).astype("float32"))


def assert_trained_by_part(balancer, form, **settings):
    model = toy.compiled(balancer, keras.optimizers.SGD(RATE), **settings)
    toy.train(model, (FEATURES, LABELS), epochs=1, batch_size=16)

    expected, by_hand = toy.model(), ByHand(balancer, form)
    start = expected.get_weights()
    for rows in (slice(0, 16), slice(16, 32)):
        batch = ({name: value[rows] for name, value in of.items()} for of in (FEATURES, LABELS))
        by_hand.step(expected, *batch)
    for before, wanted, got in zip(start, expected.get_weights(), model.get_weights(), strict=True):
        size = np.abs(wanted - before).max()
        assert size > 0
        np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-4 * size + 1e-6)


@pytest.mark.in_turns
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", GRAM_METHODS)
@pytest.mark.quick(*(f"{name}-{form}" for name, form in zip(GRAM_METHODS, itertools.cycle(FORMS), strict=False)))
def test_each_part_is_trained_as_by_a_balancer_of_its_own(name, form):
    # Tracing takes a second, so that only one form of three is traced, with --exhaustive.
    assert_trained_by_part(balancing.get(name, parts=FORMS[form]), FORMS[form], run_eagerly=form != "groups")


@pytest.mark.thorough
@pytest.mark.traced
@pytest.mark.parametrize("form", FORMS)
def test_so_it_is_with_a_chain_in_the_compiled_step(form):
    chain = Chain(magnitude=MetaBalance(target="like"), direction=PCGrad(), parts=FORMS[form])
    assert_trained_by_part(chain, FORMS[form])


@pytest.mark.parametrize("name", ["uw", "famo"])
def test_to_a_method_that_looks_at_losses_parts_make_no_difference(name):
    trained = []
    for form in FORMS.values():
        trained.append(toy.compiled(balancing.get(name, parts=form), run_eagerly=True))
        toy.train(trained[-1], (FEATURES, LABELS), epochs=1)
        assert all(np.isfinite(weights).all() for weights in trained[-1].get_weights())
    assert toy.difference(trained[0], toy.model()) > 0
    assert toy.difference(trained[0], trained[1]) == 0
    assert toy.difference(trained[0], trained[2]) == 0


def test_forms_of_parts_are_not_the_same():
    trained = []
    for form in FORMS.values():
        model = toy.compiled(balancing.get("aligned_mtl", parts=form), run_eagerly=True)
        toy.train(model, (FEATURES, LABELS), epochs=1)
        trained.append(model)
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert toy.difference(trained[one], trained[other]) > 1e-4


@pytest.mark.parametrize(
    "balancer", [Magnitude(parts={"gates": "gate_[0-9]"}), MetaBalance(parts={"gates": "gate_[0-9]"})]
)
def test_a_regex_that_matches_nothing_is_named_when_fit_starts(balancer):
    model = toy.compiled(balancer)
    before = model.get_weights()
    wanted = r"parts\['gates'\]='gate_\[0-9\]' matches no shared variable; they are: .*shared/kernel"
    with pytest.raises(ValueError, match=wanted):
        toy.train(model)
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
