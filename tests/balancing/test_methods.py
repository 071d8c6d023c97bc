"""The laws that hold for every balancing method of the table, and each method against its NumPy oracle."""

import dataclasses
import functools

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from laws import (
    DEGENERATE,
    assert_equal_to_oracle,
    assert_no_conflict,
    assert_same_direction,
    gradients_of,
    gram_of,
    losses_of,
    random_order,
    run,
    steps_of,
)
from methods_table import METHODS

from tf_gradcraft import balancing

pytestmark = pytest.mark.in_turns


def rows(condition):
    return pytest.mark.parametrize("method", [method for method in METHODS if condition(method)], ids=str)


every_method = rows(lambda method: True)
first_of_each = pytest.mark.parametrize("method", list({m.name: m for m in reversed(METHODS)}.values()), ids=str)


@pytest.fixture(autouse=True)
def clean_keras():
    """Nothing here draws from the global seed, and to set it is to throw away the kernels that eager calls reuse."""


def test_the_table_covers_the_registry():
    assert {method.name for method in METHODS} == set(balancing.names())


@every_method
def test_a_row_holds_the_method_that_it_names(method):
    assert type(method.make()) is type(balancing.get(method.name))


@every_method
def test_weights_over_three_steps_equal_the_oracle_for_one_to_sixteen_tasks(method, request):
    for num_tasks in range(1, 17) if request.config.getoption("--exhaustive") else (1, 2, 3, 4, 6, 9, 16):
        steps, order = steps_of(num_tasks, 3), random_order(num_tasks)
        assert_equal_to_oracle(method, run(method, steps, order), steps, order)


# A size takes long to trace and longer to compile. Every method is traced for these, and for one of the sizes between,
# so that the graph gets all of them; the size of five is that of the test below. The largest comes on request.
SIZES, COMPILED_SIZES = (1, 2, 16), (2, 16)
SIZES_BETWEEN = [size for size in range(3, 16) if size != 5]


@first_of_each
def test_compiled_weights_equal_the_oracle_for_one_to_sixteen_tasks(method, request):
    between = SIZES_BETWEEN[sorted(balancing.names()).index(method.name) % len(SIZES_BETWEEN)]
    sizes, by_xla = (*SIZES, between), COMPILED_SIZES
    if not request.config.getoption("--exhaustive"):
        sizes, by_xla = (2, between), (2,)
    for size in sizes:
        step, order = (gradients_of(size), losses_of(size)), random_order(size)
        balancer = method.of(size)
        arguments = (gram_of(step[0]), tf.constant(step[1]), balancer.init(size), tf.constant(order))
        graph = tf.function(functools.partial(method.weights, balancer))
        # XLA compiles what was traced.
        ways = [graph, tf.function(graph.get_concrete_function(*arguments), jit_compile=True)]
        for compiled in ways if size in by_xla else ways[:1]:
            assert_equal_to_oracle(method, compiled(*arguments)[0].numpy(), [step], order)


@first_of_each
@pytest.mark.quick(*(str(method) for method in METHODS if method.of(5).init(5)))
def test_compiled_weights_and_state_equal_the_eager_ones(method):
    balancer = method.of(5)
    steps = [(gram_of(gradients), tf.constant(losses)) for gradients, losses in steps_of(5, 3)]
    graph = tf.function(lambda *arguments: balancer.weights(*arguments))
    xla = tf.function(graph.get_concrete_function(*steps[0], balancer.init(5)), jit_compile=True)
    eager_state = balancer.init(5)
    compiled_states = {graph: eager_state, xla: eager_state}
    for step in steps:
        eager, eager_state = balancer.weights(*step, eager_state)
        for compiled, state in compiled_states.items():
            weights, state = compiled(*step, state)
            np.testing.assert_allclose(weights, eager, rtol=method.precision)
            tf.nest.map_structure(
                lambda a, b: np.testing.assert_allclose(a, b, rtol=method.precision), state, eager_state
            )
            compiled_states[compiled] = state


@every_method
def test_each_part_is_balanced_by_its_own_gram(method):
    balancer = method.of(4)
    parts, losses = [gradients_of(4, seed) for seed in range(3)], losses_of(4)
    order = random_order(4)
    grams = tf.concat([gram_of(part) for part in parts], axis=0)
    weights, _ = method.weights(balancer, grams, tf.constant(losses), balancer.init(4, num_parts=3), order)
    assert weights.shape == [3, 4]
    for of_part, part in zip(weights.numpy(), parts, strict=True):
        np.testing.assert_allclose(of_part, run(method, [(part, losses)], order)[0], rtol=method.precision)


@rows(lambda method: method.plain_alone)
def test_one_task_keeps_its_plain_gradient(method):
    for scale in (1e-10, 1.0, 1e15):
        np.testing.assert_allclose(run(method, [(scale * gradients_of(1), losses_of(1))])[0], [1.0], rtol=1e-12)


@rows(lambda method: method.equivariant)
@pytest.mark.parametrize("seed", range(3))
def test_reordering_the_tasks_reorders_the_weights(method, seed):
    steps, order = steps_of(6, 2, seed), random_order(6, seed)
    permutation = np.random.default_rng(seed).permutation(6)
    plain = run(method, steps, order)
    permuted = run(
        method,
        [(gradients[permutation], losses[permutation]) for gradients, losses in steps],
        np.argsort(permutation)[order[permutation]].astype(np.int32),
        method.of(permutation),
    )
    np.testing.assert_allclose(permuted, np.array(plain)[:, permutation], rtol=method.precision)


@rows(lambda method: method.scale_degree is not None)
def test_scaling_all_gradients_scales_the_weights_by_the_declared_degree(method):
    steps = steps_of(5, 2)
    plain = run(method, steps)
    for scale in (1e-10, 1e-3, 1e3, 1e15):
        scaled = run(method, [(scale * gradients, losses) for gradients, losses in steps])
        expected = np.array(plain) * scale**method.scale_degree
        np.testing.assert_allclose(scaled, expected, rtol=max(1e-7, method.precision), err_msg=f"times {scale}")


@rows(lambda method: method.leaves_out)
@pytest.mark.parametrize("place", range(4))
def test_a_task_without_gradient_changes_nothing_for_the_others(method, place):
    """The last of four tasks is the one without; it stands in every place."""
    tasks = np.insert(np.arange(3), place, 3)
    others = np.delete(np.arange(4), place)
    steps, order = steps_of(4, 3), random_order(4)
    for gradients, losses in steps:
        gradients[place], losses[place] = 0, 0
    weights = np.array(run(method, steps, order, method.of(tasks)))

    smaller = np.array([[task - (task > place) for task in row if task != place] for row in order[others]])
    without = [(gradients[others], losses[others]) for gradients, losses in steps]
    expected = run(method, without, smaller.astype(np.int32), method.of(3))
    np.testing.assert_allclose(weights[:, others], expected, rtol=method.precision)


@every_method
@pytest.mark.parametrize("place", range(3))
def test_a_task_without_gradient_has_no_weight(method, place):
    steps = steps_of(3, 2)
    for gradients, losses in steps:
        gradients[place], losses[place] = 0, 0
    weights = np.array(run(method, steps))
    assert np.isfinite(weights).all()
    np.testing.assert_array_equal(weights[:, place], 0)
    assert not (np.delete(weights, place, axis=1) == 0).all()


@every_method
def test_a_batch_without_any_gradient_has_no_weight(method):
    for weights in run(method, [(np.zeros((3, 8)), np.zeros(3))] * 2):
        np.testing.assert_array_equal(weights, 0)


@every_method
@pytest.mark.parametrize("name", DEGENERATE)
def test_degenerate_gradients_give_the_oracles_direction(method, name):
    gradients = DEGENERATE[name]
    losses, order = losses_of(len(gradients)), random_order(len(gradients))
    (weights,) = run(method, [(gradients, losses)], order)
    assert np.isfinite(weights).all()
    if name not in method.undefined_on:
        expected = method.oracle()(gradients, losses, order)
        # Of nearly equal vectors neither form knows which conflict remains after rounding.
        assert_same_direction(weights, gradients, expected, tolerance=max(1e-5, method.tolerance))


numbers = st.floats(-1e3, 1e3, allow_nan=False, width=32)
exponents = st.integers(-10, 15)


@every_method
@settings(max_examples=settings.default.max_examples // 10)
@given(
    rows=st.lists(st.tuples(st.lists(numbers, min_size=3, max_size=3), exponents), min_size=1, max_size=7),
    exponent=exponents,
)
def test_weights_are_finite_on_any_gradients_and_losses(method, rows, exponent):
    gradients = np.array([row for row, _ in rows]) * 10.0**exponent
    losses = 10.0 ** np.array([power for _, power in rows])
    (weights,) = run(method, [(gradients, losses)])
    assert np.isfinite(weights).all()


def lists_of_vectors(fewest, most):
    vector = st.lists(st.integers(-50, 50), min_size=3, max_size=3).filter(any)
    return st.lists(vector, min_size=fewest, max_size=most).map(lambda rows: np.array(rows, float))


@rows(lambda method: method.non_conflicting_at_two or method.non_conflicting)
@settings(max_examples=settings.default.max_examples // 5)
@given(gradients=lists_of_vectors(2, 2))
def test_no_conflict_is_left_between_two_tasks(method, gradients):
    (weights,) = run(method, [(gradients, losses_of(2))])
    assert_no_conflict(weights, gradients, method.precision)


@rows(lambda method: method.non_conflicting)
@settings(max_examples=settings.default.max_examples // 5)
@given(gradients=lists_of_vectors(2, 7))
def test_no_conflict_is_left_between_any_tasks(method, gradients):
    (weights,) = run(method, [(gradients, losses_of(len(gradients)))])
    assert_no_conflict(weights, gradients, method.precision)


@rows(lambda method: method.non_conflicting)
def test_no_conflict_is_left_between_two_to_sixteen_tasks(method):
    for num_tasks in range(2, 17):
        for dimension in (3, num_tasks, 64):
            gradients = gradients_of(num_tasks, dimension=dimension)
            (weights,) = run(method, [(gradients, losses_of(num_tasks))])
            assert_no_conflict(weights, gradients, method.precision)


@first_of_each
def test_a_config_makes_an_equal_method(method):
    balancer = method.make()
    config = balancer.get_config()
    assert type(balancer).from_config(config) == balancer
    assert balancing.get(method.name, **config) == balancer


@every_method
def test_a_config_keeps_every_hyper_parameter(method):
    balancer = method.make()
    clone = type(balancer).from_config(balancer.get_config())
    assert clone is not balancer
    assert clone == balancer
    assert clone.get_config() == {field.name: getattr(balancer, field.name) for field in dataclasses.fields(balancer)}


@first_of_each
def test_a_method_is_immutable(method):
    balancer = method.make()
    for field in dataclasses.fields(balancer):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(balancer, field.name, getattr(balancer, field.name))
    assert hash(balancer) == hash(method.make())


@first_of_each
def test_weights_do_not_depend_on_what_was_asked_before(method):
    balancer, losses = method.of(4), tf.constant(losses_of(4))
    state, gram = balancer.init(4), gram_of(gradients_of(4))
    first, _ = balancer.weights(gram, losses, state)
    balancer.weights(gram_of(gradients_of(4, seed=9)), tf.constant(losses_of(4, seed=9)), state)
    again, _ = balancer.weights(gram, losses, state)
    np.testing.assert_array_equal(first, again)


@first_of_each
def test_the_state_keeps_its_names_shapes_and_dtypes(method):
    balancer = method.of(3)
    state = balancer.init(3, num_parts=2)
    gram = tf.concat([gram_of(gradients_of(3, seed)) for seed in range(2)], axis=0)
    _, after = balancer.weights(gram, tf.constant(losses_of(3)), state)
    signature = {name: (value.shape, value.dtype) for name, value in state.items()}
    assert {name: (value.shape, value.dtype) for name, value in after.items()} == signature


@first_of_each
def test_a_float32_gram_is_computed_in_float64(method):
    gram, losses = tf.cast(gram_of(gradients_of(4)), tf.float32), tf.constant(losses_of(4))
    balancer = method.of(4)
    single, _ = balancer.weights(gram, losses, balancer.init(4))
    double, _ = balancer.weights(tf.cast(gram, tf.float64), losses, balancer.init(4))
    assert single.dtype == tf.float64
    np.testing.assert_allclose(single, double, rtol=1e-12)
