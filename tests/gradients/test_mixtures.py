"""Experts that are taken in mixtures only: the same Gram matrix and update as by the experts themselves."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from tf_gradcraft.gradients import Representation, RepresentationGradients
from tf_gradcraft.models import MultiGateMixture
from tf_gradcraft.training.shared_representation import recording_representation

X = np.random.default_rng(0).normal(size=(6, 4)).astype("float32")
EXPERTS, WIDTH = 3, 5
WEIGHTS = (0.5, -2.0, 3.0)

# What each of three tasks takes of three mixtures.
TAKEN = {
    "each its own": lambda m: [m[0], m[1], m[2]],
    "several mixtures": lambda m: [m[0] + m[1], m[1] * m[2], m[0] * tf.sin(m[1]) + m[2]],
    "one of all": lambda m: [m[1], 2 * m[1], tf.sin(m[1])],
    "one task none": lambda m: [m[0], m[1] - m[2], None],
}


def losses_of(mixtures, taken):
    """Losses of the tasks; one that takes nothing has a loss all the same."""
    scale = tf.range(1.0, WIDTH + 1)
    taken = TAKEN[taken](mixtures)
    return {
        str(t): tf.reduce_mean(tf.square(tf.reduce_sum(h * scale, axis=1) - t)) if h is not None else tf.constant(1.0)
        for t, h in enumerate(taken)
    }


def made(dtype="float32"):
    layer = MultiGateMixture(3, EXPERTS, [WIDTH], dtype=keras.mixed_precision.Policy(dtype))
    layer(tf.constant(X))
    return layer


def measured(layer, taken, inputs):
    variables = [inputs, *layer.trainable_variables]
    with tf.GradientTape(persistent=True) as tape, recording_representation() as representation:
        losses = losses_of([tf.cast(m, tf.float32) for m in layer(tf.identity(inputs))], taken)
    gradients = RepresentationGradients(tape, losses, variables, representation)
    return gradients.gram()[0].numpy(), gradients.combine(tf.constant([WEIGHTS], tf.float64)), gradients.private


def by_hand(layer, taken):
    """The Gram matrix by experts and by the gates' input as variables, and all variables' plain gradients."""
    experts = tf.Variable([expert(tf.constant(X)) for expert in layer.experts])
    looked_at = tf.Variable(X)
    with tf.GradientTape(persistent=True) as tape:
        shares = [tf.nn.softmax(looked_at @ gate.scores.get_weights()[0]) for gate in layer.gates]
        losses = losses_of([tf.einsum("be,ebh->bh", share, experts) for share in shares], taken)
    rows = []
    for loss in losses.values():
        gradients = tape.gradient(loss, [experts, looked_at], unconnected_gradients="zero")
        rows.append(np.concatenate([np.ravel(gradient).astype(float) for gradient in gradients]))
    return np.array(rows) @ np.array(rows).T


def plain_gradients(layer, taken, inputs):
    variables = [inputs, *layer.trainable_variables]
    with tf.GradientTape(persistent=True) as tape:
        losses = losses_of(layer(tf.identity(inputs)), taken)
    return [tape.gradient(loss, variables) for loss in losses.values()]


@pytest.mark.parametrize("taken", TAKEN)
@pytest.mark.parametrize("known", [True, False], ids=["mixtures", "plain mark"])
def test_gram_matrix_and_update_are_those_of_the_experts(taken, known, monkeypatch):
    if not known:
        monkeypatch.setattr(Representation, "only_mixed", lambda *arguments: None)
    layer, inputs = made(), tf.Variable(X)
    gram, combined, private = measured(layer, taken, inputs)
    expected = by_hand(layer, taken)
    np.testing.assert_allclose(gram, expected, rtol=1e-5, atol=1e-6 * expected.max())
    by_task = plain_gradients(layer, taken, inputs)
    for position, update in enumerate(combined):
        of_task = {t: of[position] for t, of in enumerate(by_task) if of[position] is not None}
        assert (position in private) == (len(of_task) == 1)
        if not of_task:
            assert update is None
            continue
        weights = {private[position]: 1.0} if position in private else dict(enumerate(WEIGHTS))
        sought = sum(weights[t] * gradient.numpy() for t, gradient in of_task.items())
        np.testing.assert_allclose(update, sought, rtol=1e-5, atol=1e-5 * np.abs(sought).max())


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_stays_near_the_experts_in_float32(policy):
    layer, inputs = made(policy), tf.Variable(X)
    gram, combined, _ = measured(layer, "several mixtures", inputs)
    expected = by_hand(layer, "several mixtures")
    norms = np.sqrt(np.diag(expected))
    np.testing.assert_allclose(gram / np.outer(norms, norms), expected / np.outer(norms, norms), atol=0.03)
    reference = made()
    reference.set_weights(layer.get_weights())
    _, in_float32, _ = measured(reference, "several mixtures", inputs)
    for one, other in zip(combined, in_float32, strict=True):
        assert np.linalg.norm(one - other) < 0.03 * np.linalg.norm(other)


def test_two_mixtures_one_above_the_other():
    lower, upper, inputs = made(), MultiGateMixture(3, EXPERTS, [WIDTH]), tf.Variable(X)
    upper(tf.ones([6, WIDTH]))
    variables = [inputs, *lower.trainable_variables, *upper.trainable_variables]

    def forward():
        low = lower(tf.identity(inputs))
        return losses_of([m + low[t] for t, m in enumerate(upper(low[0] + low[1]))], "each its own")

    with tf.GradientTape(persistent=True) as tape, recording_representation() as representation:
        losses = forward()
    assert len(representation.mixtures) == 2
    combined = RepresentationGradients(tape, losses, variables, representation).combine(tf.constant([WEIGHTS]))
    private = RepresentationGradients(tape, losses, variables, representation).private
    with tf.GradientTape(persistent=True) as plain:
        losses = list(forward().values())
    for position, variable in enumerate(variables):
        weights = [float(t == private[position]) for t in range(3)] if position in private else WEIGHTS
        sought = plain.gradient(losses, variable, output_gradients=[tf.constant(w) for w in weights])
        np.testing.assert_allclose(combined[position], sought, rtol=1e-4, atol=1e-5 * np.abs(sought).max())
