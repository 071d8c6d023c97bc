"""Values worked out by hand for the methods that look at losses, and for GradNorm."""

import numpy as np
import tensorflow as tf

from tf_gradcraft.balancing import (
    DWA,
    FAMO,
    GLS,
    RLW,
    STCH,
    Fixed,
    GradNorm,
    UncertaintyWeighting,
)

TWO = tf.eye(2, batch_shape=[1], dtype=tf.float64)
LOGS = np.log(2), np.log(4)


def of_losses(balancer, *losses, state=None):
    """Returns the weights and the state for two tasks with these losses."""
    weights, state = balancer.weights(TWO, tf.constant(losses, tf.float64), state or balancer.init(2))
    return weights.numpy()[0], state


def test_fixed_weights_go_by_name():
    balancer = Fixed(weights={"like": 0, "click": 2.5}).for_tasks(["click", "like"])
    np.testing.assert_array_equal(of_losses(balancer, 1, 1)[0], [2.5, 0])
    np.testing.assert_array_equal(of_losses(Fixed(weights=[2, 3]), 1, 1)[0], [2, 3])
    np.testing.assert_array_equal(of_losses(Fixed(), 1, 1)[0], [1, 1])


def test_uncertainty_weighting_takes_adams_first_steps():
    # s = 0: gradients 1/2 - L = (-1.5, 0.25). Adam's first step is the learning rate against the sign.
    weights, state = of_losses(UncertaintyWeighting(learning_rate=0.1), 2, 0.25)
    np.testing.assert_array_equal(weights, [1, 1])
    np.testing.assert_allclose(state["log_variances"], [0.1, -0.1], rtol=1e-6)
    weights, _ = of_losses(UncertaintyWeighting(), 2, 0.25, state=state)
    np.testing.assert_allclose(weights, [np.exp(-0.1), np.exp(0.1)], rtol=1e-6)


def test_uncertainty_weighting_rests_where_weighted_losses_are_a_half():
    state = {**UncertaintyWeighting().init(2), "log_variances": tf.math.log(tf.constant([4.0, 0.5], tf.float64))}
    weights, after = of_losses(UncertaintyWeighting(), 2, 0.25, state=state)
    np.testing.assert_allclose(weights, [0.25, 2], rtol=1e-12)
    np.testing.assert_allclose(after["log_variances"], state["log_variances"], atol=1e-9)


def test_dwa_of_two_steps_an_epoch():
    # Epoch means (2, 3), then (1, 3): r = (1/2, 1); with temperature 1/2 the weights are 2 softmax(1, 2).
    balancer, state = DWA(temperature=0.5), None
    for epoch in ([(1, 2), (3, 4)], [(1, 3), (1, 3)]):
        for losses in epoch:
            weights, state = of_losses(balancer, *losses, state=state)
            np.testing.assert_array_equal(weights, [1, 1])
        state = balancer.end_epoch(state)
    weights, _ = of_losses(balancer, 9, 9, state=state)
    np.testing.assert_allclose(weights, [2 / (1 + np.e), 2 * np.e / (1 + np.e)], rtol=1e-12)


def test_rlw_of_given_draws():
    weights = RLW().weights_of_draws(TWO, tf.constant([0.0, 1.0]))
    np.testing.assert_allclose(weights, [[1 / (1 + np.e), np.e / (1 + np.e)]], rtol=1e-12)


def test_gls_of_two_losses():
    # The geometric mean of 8 and 2 is 4: w = 4 / (2 * 8), 4 / (2 * 2).
    np.testing.assert_allclose(of_losses(GLS(), 8, 2)[0], [0.25, 1], rtol=1e-12)


def test_stch_of_two_losses():
    # Exponents (L - z) / mu = (1, 2) log 2: shares 1/3 and 2/3.
    balancer = STCH(mu=2.0, ideal=[1.0, 2.0])
    np.testing.assert_allclose(of_losses(balancer, 1 + 2 * LOGS[0], 2 + 2 * LOGS[1])[0], [1 / 3, 2 / 3], rtol=1e-12)
    # Preferences (2, 1) make both exponents 2 log 2, and multiply the shares of a half.
    balancer = STCH(preference={"b": 1, "a": 2}).for_tasks(["a", "b"])
    np.testing.assert_allclose(of_losses(balancer, *LOGS)[0], [1, 0.5], rtol=1e-12)


def test_stch_of_logs_is_relative_to_the_last_epoch_of_its_warm_up():
    balancer, state = STCH(mu=0.5, warmup_epochs=2), None
    for losses in ((100, 100), (4, 1)):
        weights, state = of_losses(balancer, *losses, state=state)
        np.testing.assert_allclose(weights, 0.5 / np.array(losses), rtol=1e-12)  # the mean of the log losses
        state = balancer.end_epoch(state)
    # Relative to (4, 1) the losses are (1, 2): squared, as 1/mu is 2, shares of 1/5 and 4/5; over the losses.
    weights, _ = of_losses(balancer, 4, 2, state=state)
    np.testing.assert_allclose(weights, [0.2 / 4, 0.8 / 2], rtol=1e-12)


def test_famo_of_two_losses():
    # D = (1, 3) and z = (1/2, 1/2): w is proportional to (1, 1/3).
    balancer = FAMO(weight_decay=0.1, min_losses=[1, 0])
    weights, state = of_losses(balancer, 2, 3)
    np.testing.assert_allclose(weights, [0.75, 0.25], rtol=1e-7)
    # D falls to (1/2, 3): delta = (log 2, 0), z (delta - mean) = (log 2, -log 2) / 4.
    after = balancer.after_update(tf.constant([2.0, 3.0]), tf.constant([1.5, 3.0]), state)
    np.testing.assert_allclose(after["adam_mean"], [0.1 * LOGS[0] / 4, -0.1 * LOGS[0] / 4], rtol=1e-6)
    np.testing.assert_allclose(after["logits"], [-0.025, 0.025], rtol=1e-6)
    # Nothing falls any more: what is left is the decay of the logits.
    last = balancer.after_update(tf.constant([2.0, 3.0]), tf.constant([2.0, 3.0]), after)
    expected = 0.9 * after["adam_mean"] + 0.1 * 0.1 * after["logits"]
    np.testing.assert_allclose(last["adam_mean"], expected, rtol=1e-12)


def test_gradnorm_of_two_tasks():
    # Norms 3 and 1, mean 2: both first steps of Adam are the learning rate, towards equal norms.
    balancer, gram = GradNorm(learning_rate=0.2), tf.linalg.diag(tf.constant([[9.0, 1.0]], tf.float64))
    weights, state = balancer.weights(gram, tf.constant([4.0, 2.0]), balancer.init(2))
    np.testing.assert_array_equal(weights, [[1, 1]])
    np.testing.assert_allclose(state["task_weights"], [[0.8, 1.2]], rtol=1e-6)
    np.testing.assert_array_equal(state["first_losses"], [4, 2])
    # Objective over the mean norm: slopes sign * n / 2 = 1.5 and -0.5; Adam's mean is a tenth of them.
    np.testing.assert_allclose(state["adam_mean"], [[0.15, -0.05]], rtol=1e-12)
    # G = (2.4, 1.2), mean 1.8. Losses (1, 2) are (1/4, 1) of the first: r = (0.4, 1.6), targets with alpha 1.5
    # 1.8 * (0.253, 2.02): the first is still too large, the second too small.
    weights, state = balancer.weights(gram, tf.constant([1.0, 2.0]), state)
    np.testing.assert_allclose(weights, [[0.8, 1.2]], rtol=1e-6)
    np.testing.assert_allclose(state["adam_mean"], [[0.9 * 0.15 + 0.15, -0.9 * 0.05 - 0.05]], rtol=1e-12)
    np.testing.assert_allclose(tf.reduce_sum(state["task_weights"]), 2, rtol=1e-12)


def test_gradnorm_keeps_the_weight_of_a_task_without_gradient():
    balancer = GradNorm(learning_rate=0.2)
    state = {**balancer.init(3), "task_weights": tf.constant([[0.5, 1.5, 1.0]], tf.float64)}
    gram = tf.linalg.diag(tf.constant([[9.0, 0.0, 1.0]], tf.float64))
    weights, after = balancer.weights(gram, tf.constant([1.0, 0.0, 1.0]), state)
    # The two that are there get the weights (0.5, 1), scaled to add up to 2.
    np.testing.assert_allclose(weights, [[2 / 3, 0, 4 / 3]], rtol=1e-12)
    assert after["task_weights"][0, 1] == 1.5
    np.testing.assert_allclose(tf.reduce_sum(after["task_weights"]), 3, rtol=1e-12)
    np.testing.assert_array_equal(after["first_losses"], [1, 0, 1])


def test_gradnorm_weights_stay_positive():
    balancer = GradNorm(learning_rate=5.0)
    gram, state = tf.linalg.diag(tf.constant([[9.0, 1.0]], tf.float64)), balancer.init(2)
    for _ in range(5):
        weights, state = balancer.weights(gram, tf.ones(2), state)
        assert (weights.numpy() > 0).all()
