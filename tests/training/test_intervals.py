"""`balance_every=k`: when weights are asked for, which ones count in between, and what is remembered."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import toy
from weighing import Counting, CountingLosses, after_step, plain_gradients, state_of

from tf_gradcraft.balancing import GradCraft, PCGrad

pytestmark = pytest.mark.eager

RATE = 0.5
OVER = ("parameters", "representation")


def made(balancer, every, **settings):
    return toy.compiled(balancer, keras.optimizers.SGD(RATE), balance_every=every, **settings)


def assert_steps(model, weights_of_steps, absent=(), rows=16):
    """Trains a step a given row of weights [T] (or [shared variables, T]), each on other data, and checks each.

    Args:
        absent: For each step the tasks that have no labelled row in it.
    """
    for step, weights in enumerate(weights_of_steps):
        features, labels = toy.log(rows, seed=step)
        gone = absent[step] if step < len(absent) else ()
        of_rows = {task: np.full(rows, float(task not in gone), "float32") for task in toy.TASKS}
        expected = after_step(model, plain_gradients(model, features, labels, of_rows), weights, RATE)
        model.train_on_batch(features, labels, sample_weight=of_rows)
        for variable, value in zip(model.trainable_variables, expected, strict=True):
            np.testing.assert_allclose(variable, value, rtol=0, atol=3e-6, err_msg=f"step {step}, {variable.path}")


@pytest.mark.traced
@pytest.mark.parametrize("method", ["gradcraft", "metabalance", "pcgrad"])
@pytest.mark.quick("gradcraft")
def test_every_step_is_the_default_bit_for_bit(method):
    one, other = toy.compiled(method), toy.compiled(method, balance_every=1)
    for model in (one, other):
        toy.train(model, epochs=1)
    assert toy.difference(one, other) == 0
    assert set(one._balancer_state.variables_by_name) == set(other._balancer_state.variables_by_name)


@pytest.mark.in_turns
@pytest.mark.traced
@pytest.mark.parametrize("way", [{}, {"run_eagerly": True}, {"jit_compile": True}], ids=["graph", "eager", "xla"])
@pytest.mark.parametrize("over", OVER)
@pytest.mark.quick("parameters-xla", "representation-graph", "representation-eager")
def test_weights_are_asked_for_in_every_third_step_and_the_last_ones_count_in_between(over, way):
    model = made(Counting(), 3, balance_over=over, **way)
    first, second, third = ([n, n + 0.5, n + 1.0] for n in (1, 2, 3))
    assert_steps(model, [first] * 3 + [second] * 3 + [third])
    assert state_of(model, "calls") == 3
    assert state_of(model, "interval_steps") == 7


def test_a_method_that_looks_at_losses_is_asked_every_third_step_too():
    model = made(CountingLosses(), 3)
    assert_steps(model, [[1, 1.5, 2]] * 3 + [[2, 2.5, 3]])
    assert state_of(model, "calls") == 2


@pytest.mark.traced
@pytest.mark.parametrize("way", [{}, {"run_eagerly": True}], ids=["graph", "eager"])
def test_each_part_keeps_its_own_weights(way):
    model = made(Counting(parts="variable"), 2, **way)
    first, second = ([[10 * p + n, 10 * p + n + 0.5, 10 * p + n + 1] for p in range(4)] for n in (1, 2))
    assert_steps(model, [np.array(first)] * 2 + [np.array(second)] * 2)
    assert state_of(model, "interval_weights").shape == (4, 3)


class Kept(keras.optimizers.SGD):
    """Keeps the updates of each step, and changes nothing."""

    def apply_gradients(self, grads_and_vars):
        steps = self.__dict__.setdefault("steps", [])
        steps.append([tf.convert_to_tensor(gradient).numpy() for gradient, _ in grads_and_vars])


@pytest.mark.in_turns
@pytest.mark.parametrize("parts", ["all", "variable"])
@pytest.mark.parametrize("over", OVER)
def test_where_gradients_stay_the_same_old_weights_are_as_good_as_new_ones(parts, over):
    features, labels = toy.log(16)
    updates = []
    for every in (1, 3):
        optimizer, method = Kept(), GradCraft(tau=1, parts=parts)
        model = toy.compiled(method, optimizer, balance_over=over, balance_every=every, run_eagerly=True)
        for _ in range(4):
            model.train_on_batch(features, labels)
        updates.append(optimizer.steps)
    for every_step, every_third in zip(*updates, strict=True):
        for one, other in zip(every_step, every_third, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("over", OVER)
def test_a_task_absent_in_the_step_that_asks_keeps_its_weight_or_gets_the_mean_of_the_others(over):
    model = made(Counting(), 2, balance_over=over)
    weights = [
        [1, 1.5, 0],
        [1, 1.5, 1.25],  # the mean of 1 and 1.5
        [2, 0, 3],
        [2, 1.5, 3],  # what it had before
        [3, 0, 4],
        [3, 1.5, 4],  # still
        [4, 4.5, 5],
        [4, 4.5, 5],
    ]
    absent = [("follow",), (), ("like",), ("click",), ("like",), ()]
    assert_steps(model, weights, absent)


def test_parts_have_means_of_their_own_for_an_absent_task():
    model = made(Counting(parts="variable"), 2)
    due = np.array([[10 * p + 1, 10 * p + 1.5, 0] for p in range(4)])
    between = np.array([[10 * p + 1, 10 * p + 1.5, 10 * p + 1.25] for p in range(4)])
    assert_steps(model, [due, between], [("follow",)])


@pytest.mark.parametrize("over", OVER)
def test_a_step_without_any_task_does_not_use_up_the_turn(over):
    model = made(Counting(), 3, balance_over=over)
    nobody = toy.TASKS
    # The second call is in the next step; a step without tasks in between counts as one.
    weights = [[0, 0, 0], [2, 2.5, 3], [2, 2.5, 3], [2, 2.5, 3], [3, 3.5, 4]]
    assert_steps(model, weights, [nobody, (), nobody])
    assert state_of(model, "interval_steps") == 4


@pytest.mark.thorough
@pytest.mark.traced
@pytest.mark.parametrize("way", [{}, {"jit_compile": True}], ids=["graph", "xla"])
@pytest.mark.parametrize("over", OVER)
@pytest.mark.quick("parameters-graph", "representation-xla")
def test_a_step_that_is_not_finite_leaves_the_state_alone_and_the_next_one_asks_again(over, way):
    model = made(Counting(), 3, balance_over=over, on_nonfinite="skip", **way)
    features, labels = toy.log(16, seed=9)
    features["numbers"][3] = np.nan
    before = model.get_weights()
    model.train_on_batch(features, labels)
    assert all((old == new).all() for old, new in zip(before, model.get_weights(), strict=True))
    assert state_of(model, "interval_steps") == state_of(model, "calls") == 0
    assert np.isnan(state_of(model, "interval_weights")).all()
    assert_steps(model, [[1, 1.5, 2]] * 2)
    model.train_on_batch(features, labels)  # in between
    assert state_of(model, "interval_steps") == 2
    assert int(model.skipped_steps.numpy()) == 2
    assert_steps(model, [[1, 1.5, 2], [2, 2.5, 3]])


@pytest.mark.parametrize("over", OVER)
def test_a_method_that_draws_draws_once_for_each_time_it_is_asked(over):
    model = made(PCGrad(seed=5), 3, balance_over=over)
    for step in range(7):
        model.train_on_batch(*toy.log(16, seed=step))
    assert state_of(model, "seed").tolist() == [5, 3]


def test_the_last_weights_of_a_loaded_state_count(tmp_path):
    model = made(Counting(), 3)
    assert_steps(model, [[1, 1.5, 2]] * 3 + [[2, 2.5, 3]])
    model.save_weights(tmp_path / "model.weights.h5")
    loaded = made(Counting(), 3)
    loaded.load_weights(tmp_path / "model.weights.h5")
    assert_steps(loaded, [[2, 2.5, 3]] * 2 + [[3, 3.5, 4]])


@pytest.mark.parametrize("every", [0, -1, 2.0, True, "2", None])
def test_intervals_that_are_no_number_of_steps_are_refused(every):
    with pytest.raises(ValueError, match=r"balance_every=.* must be a whole number of steps, 1 or more"):
        made("gradcraft", every)
