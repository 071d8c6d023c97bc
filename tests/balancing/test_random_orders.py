"""Random orders: reproducible by seed, different from step to step, and over all orders alike."""

import itertools
from collections import Counter

import balancing_oracles as oracles
import numpy as np
import pytest
import tensorflow as tf

from tf_gradcraft.balancing import GradVac, PCGrad, PCGradPlus

VECTORS = np.array([[1.0, 0.2, 0.0], [-0.8, 1.0, 0.1], [-0.5, -0.9, 1.0]])
GRAM = tf.constant((VECTORS @ VECTORS.T)[np.newaxis])


def steps(balancer, count):
    state, weights = balancer.init(3), []
    for _ in range(count):
        of_step, state = balancer.weights(GRAM, tf.ones(3), state)
        weights.append(tuple(of_step.numpy()[0].round(9)))
    return weights


def possible_updates():
    step = oracles.pcgrad("sum")
    orders = itertools.product(itertools.permutations(range(3)), repeat=3)
    return {tuple(step(VECTORS, None, order).round(6)) for order in orders}


every_random_method = pytest.mark.parametrize("make", [PCGrad, PCGradPlus, GradVac])


@every_random_method
def test_equal_seeds_give_equal_runs(make):
    assert steps(make(seed=3), 10) == steps(make(seed=3), 10)


@every_random_method
def test_other_seeds_give_other_runs(make):
    assert steps(make(seed=3), 10) != steps(make(seed=4), 10)


@every_random_method
def test_steps_of_a_run_draw_different_orders(make):
    # GradVac starts each step from other cosines, so that its weights would differ anyway: it draws PCGrad's orders.
    settings = {"beta": 0.0} if make is GradVac else {}
    assert len(set(steps(make(**settings), 30))) > 3


def test_a_given_seed_takes_the_place_of_the_state():
    balancer = PCGrad()
    seed = tf.constant([5, 6], tf.int64)
    one, _ = balancer.weights(GRAM, tf.ones(3), balancer.init(3), seed=seed)
    other, _ = balancer.weights(GRAM, tf.ones(3), {"seed": tf.constant([9, 9], tf.int64)}, seed=seed)
    np.testing.assert_array_equal(one, other)


def test_every_update_is_that_of_some_order_and_every_order_comes_up():
    drawn = Counter(tuple((np.array(w) @ VECTORS).round(6) + 0.0) for w in steps(PCGrad(), 200))
    possible = {tuple(np.array(update) + 0.0) for update in possible_updates()}
    assert len(possible) > 3
    assert set(drawn) == possible


def test_the_order_is_drawn_for_each_task_by_itself():
    # One order for all tasks would give at most 6 different updates here.
    assert len(possible_updates()) > 6
