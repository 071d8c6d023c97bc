"""RLW's draws: normal, reproducible by seed, new in each step, and equal wherever they are computed."""

import numpy as np
import tensorflow as tf

from tf_gradcraft.balancing import RLW
from tf_gradcraft.balancing.rlw import normal_draws

GRAM = tf.eye(3, batch_shape=[1], dtype=tf.float64)


def steps(balancer, count):
    step = tf.function(lambda state: balancer.weights(GRAM, tf.ones(3), state))
    state, weights = balancer.init(3), []
    for _ in range(count):
        of_step, state = step(state)
        weights.append(of_step.numpy()[0])
    return np.array(weights)


def test_equal_seeds_give_equal_runs_and_others_do_not():
    np.testing.assert_array_equal(steps(RLW(seed=3), 10), steps(RLW(seed=3), 10))
    assert not np.isclose(steps(RLW(seed=3), 10), steps(RLW(seed=4), 10)).any()


def test_every_step_draws_anew():
    weights = steps(RLW(), 50)
    assert len(np.unique(weights.round(12))) == weights.size


def test_weights_add_up_to_one_and_no_task_is_favoured():
    weights = steps(RLW(), 2000)
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-12)
    # The standard error of a mean is below 0.25 / sqrt(2000) = 0.0056.
    np.testing.assert_allclose(weights.mean(axis=0), 1 / 3, atol=0.02)


def test_draws_have_the_moments_and_quantiles_of_a_normal_variable():
    draws = normal_draws(tf.constant([7, 0], tf.int64), 100_000).numpy()
    assert np.isfinite(draws).all()
    moments = [np.mean(draws**power) for power in (1, 2, 3, 4)]
    np.testing.assert_allclose(moments, [0, 1, 0, 3], atol=0.08)
    np.testing.assert_allclose(np.quantile(draws, [0.025, 0.25, 0.5, 0.975]), [-1.96, -0.6745, 0, 1.96], atol=0.03)


def test_draws_are_the_same_in_eager_mode_in_the_graph_and_under_xla():
    seed = tf.constant([11, 5], tf.int64)
    eager = normal_draws(seed, 16)
    for compiled in (False, True):
        traced = tf.function(lambda of: normal_draws(of, 16), jit_compile=compiled)
        np.testing.assert_allclose(traced(seed), eager, rtol=1e-12)


def test_a_given_seed_takes_the_place_of_the_state():
    balancer, seed = RLW(), tf.constant([5, 6], tf.int64)
    one, _ = balancer.weights(GRAM, tf.ones(3), balancer.init(3), seed=seed)
    other, _ = balancer.weights(GRAM, tf.ones(3), {"seed": tf.constant([9, 9], tf.int64)}, seed=seed)
    np.testing.assert_array_equal(one, other)


def test_a_task_left_out_takes_nothing_from_the_others_but_its_share():
    balancer, state = RLW(), RLW().init(3)
    whole, _ = balancer.weights(GRAM, tf.ones(3), state)
    part, _ = balancer.weights(tf.linalg.diag([[1.0, 0.0, 1.0]]), tf.ones(3), state)
    expected = whole.numpy()[0] * [1, 0, 1]
    np.testing.assert_allclose(part[0], expected / expected.sum(), rtol=1e-12)
