"""The laws that hold for every balancing method, and each against its NumPy oracle: a method is one row of METHODS."""

import dataclasses
from collections.abc import Callable

import balancing_oracles as oracles
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tf_gradcraft import balancing
from tf_gradcraft.balancing import Balancer, GradCraft, Mean, MetaBalance, PCGrad, Sum


def _weights(balancer, gram, losses, state, order):
    return balancer.weights(gram, losses, state)


def _weights_in_order(balancer, gram, losses, state, order):
    return balancer.weights_in_order(gram, order), state


@dataclasses.dataclass(frozen=True)
class Method:
    """A row of the table.

    Args:
        name: Name in the registry.
        make: Makes the balancer under test.
        oracle: Makes a NumPy oracle, see `oracles`.
        weights: Calls the balancer; methods of random order are given one.
        scale_degree: Degree of the weights in the scale of all gradients.
        non_conflicting_at_two: Whether no conflict is left between two tasks.
    """

    name: str
    make: Callable[[], Balancer]
    oracle: Callable
    weights: Callable = _weights
    scale_degree: float = 0
    non_conflicting_at_two: bool = False

    def __str__(self):
        return repr(self.make())


METHODS = [
    Method("sum", Sum, oracles.total),
    Method("mean", Mean, oracles.mean),
    Method("gradcraft", GradCraft, lambda: oracles.gradcraft(0.5, 1e-8), non_conflicting_at_two=True),
    Method(
        "gradcraft",
        lambda: GradCraft(tau=0, epsilon=0),
        lambda: oracles.gradcraft(0, 0),
        non_conflicting_at_two=True,
    ),
    Method(
        "gradcraft",
        lambda: GradCraft(tau=1, epsilon=0.1),
        lambda: oracles.gradcraft(1, 0.1),
        non_conflicting_at_two=True,
    ),
    Method("metabalance", MetaBalance, lambda: oracles.metabalance(0.7, 0.9, "C", 0)),
    Method(
        "metabalance",
        lambda: MetaBalance(relax_factor=1, beta=0, strategy="A"),
        lambda: oracles.metabalance(1, 0, "A", 0),
    ),
    Method(
        "metabalance",
        lambda: MetaBalance(relax_factor=0.4, beta=0.5, strategy="B"),
        lambda: oracles.metabalance(0.4, 0.5, "B", 0),
    ),
    Method("metabalance", lambda: MetaBalance(relax_factor=0), oracles.total),
    Method("pcgrad", PCGrad, lambda: oracles.pcgrad("sum"), _weights_in_order, non_conflicting_at_two=True),
    Method(
        "pcgrad",
        lambda: PCGrad(reduction="mean"),
        lambda: oracles.pcgrad("mean"),
        _weights_in_order,
        non_conflicting_at_two=True,
    ),
]
every_method = pytest.mark.parametrize("method", METHODS, ids=str)
first_of_each = pytest.mark.parametrize("method", list({m.name: m for m in reversed(METHODS)}.values()), ids=str)


def test_the_table_covers_the_registry():
    assert {method.name for method in METHODS} == set(balancing.names())


@every_method
def test_a_row_holds_the_method_that_it_names(method):
    assert type(method.make()) is type(balancing.get(method.name))


def gradients_of(num_tasks, seed=0, dimension=64, spread=1.0):
    """Gaussian gradients [T, D] with log-normal scales: about half of all pairs conflict."""
    random = np.random.default_rng([num_tasks, seed])
    return random.normal(size=(num_tasks, dimension)) * np.exp(spread * random.normal(size=(num_tasks, 1)))


def random_order(num_tasks, seed=0):
    random = np.random.default_rng([num_tasks, seed, 1])
    return np.stack([random.permutation(num_tasks) for _ in range(num_tasks)]).astype(np.int32)


def gram_of(gradients):
    return tf.constant((gradients @ gradients.T)[np.newaxis], tf.float64)


def run(method, steps, order=None, balancer=None):
    """Returns the weights [T] of each step, the state being carried from step to step."""
    balancer = balancer or method.make()
    num_tasks = len(steps[0])
    order = random_order(num_tasks) if order is None else order
    state, weights = balancer.init(num_tasks), []
    for gradients in steps:
        of_step, state = method.weights(balancer, gram_of(gradients), tf.ones(num_tasks), state, order)
        assert of_step.dtype == tf.float64
        assert of_step.shape == [1, num_tasks]
        weights.append(of_step.numpy()[0])
    return weights


def assert_same_direction(weights, gradients, expected, tolerance=1e-6):
    """Compares sum_t w_t g_t to a direction, relative to the largest of the gradients involved."""
    size = max(np.linalg.norm(gradients, axis=1).max(), np.linalg.norm(expected), 1e-300)
    np.testing.assert_allclose(weights @ gradients / size, expected / size, rtol=0, atol=tolerance)


def assert_equal_to_oracle(method, weights, steps, order):
    oracle = method.oracle()
    for of_step, gradients in zip(weights, steps, strict=True):
        expected = oracle(gradients, np.ones(len(gradients)), order)
        assert_same_direction(of_step, gradients, expected)
        # The gradients are independent, so the direction has these weights and no others.
        unique, *_ = np.linalg.lstsq(gradients.T, expected, rcond=None)
        np.testing.assert_allclose(of_step, unique, rtol=1e-6, atol=1e-6 * np.abs(unique).max())


@every_method
@pytest.mark.parametrize("num_tasks", range(1, 17))
def test_weights_over_three_steps_equal_the_oracle(method, num_tasks):
    steps = [gradients_of(num_tasks, seed) for seed in range(3)]
    order = random_order(num_tasks)
    assert_equal_to_oracle(method, run(method, steps, order), steps, order)


@first_of_each
@pytest.mark.parametrize(("compiled", "sizes"), [(False, range(1, 17)), (True, (1, 2, 3, 6, 16))], ids=["graph", "xla"])
def test_compiled_weights_equal_the_oracle_for_one_to_sixteen_tasks(method, compiled, sizes):
    """XLA takes seconds to compile a size, so it gets some of them."""
    balancer = method.make()

    @tf.function(jit_compile=compiled)
    def all_sizes(grams, states, orders):
        return [
            method.weights(balancer, gram, tf.ones(gram.shape[-1]), state, order)[0]
            for gram, state, order in zip(grams, states, orders, strict=True)
        ]

    steps = {size: gradients_of(size) for size in sizes}
    orders = [random_order(size) for size in sizes]
    states = [balancer.init(size) for size in sizes]
    weights = all_sizes([gram_of(steps[size]) for size in sizes], states, [tf.constant(order) for order in orders])
    for size, of_size, order in zip(sizes, weights, orders, strict=True):
        assert_equal_to_oracle(method, of_size.numpy(), [steps[size]], order)


@first_of_each
@pytest.mark.parametrize("compiled", [False, True], ids=["graph", "xla"])
def test_compiled_weights_and_state_equal_the_eager_ones(method, compiled):
    balancer = method.make()
    compiled_weights = tf.function(balancer.weights, jit_compile=compiled)
    eager_state = compiled_state = balancer.init(5)
    for seed in range(3):
        gram = gram_of(gradients_of(5, seed))
        eager, eager_state = balancer.weights(gram, tf.ones(5), eager_state)
        traced, compiled_state = compiled_weights(gram, tf.ones(5), compiled_state)
        np.testing.assert_allclose(traced, eager, rtol=1e-9)
        tf.nest.map_structure(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12), compiled_state, eager_state)


@every_method
def test_each_part_is_balanced_by_its_own_gram(method):
    balancer = method.make()
    parts = [gradients_of(4, seed) for seed in range(3)]
    order = random_order(4)
    grams = tf.concat([gram_of(part) for part in parts], axis=0)
    weights, _ = method.weights(balancer, grams, tf.ones(4), balancer.init(4, num_parts=3), order)
    assert weights.shape == [3, 4]
    for of_part, part in zip(weights.numpy(), parts, strict=True):
        np.testing.assert_allclose(of_part, run(method, [part], order)[0], rtol=1e-12)


@every_method
def test_one_task_keeps_its_plain_gradient(method):
    for scale in (1e-10, 1.0, 1e15):
        np.testing.assert_allclose(run(method, [scale * gradients_of(1)])[0], [1.0], rtol=1e-12)


@every_method
@pytest.mark.parametrize("seed", range(5))
def test_reordering_the_tasks_reorders_the_weights(method, seed):
    steps = [gradients_of(6, step) for step in (seed, seed + 1)]
    order = random_order(6, seed)
    permutation = np.random.default_rng(seed).permutation(6)
    place = np.argsort(permutation)
    balancer = method.make()
    if hasattr(balancer, "target"):
        balancer = dataclasses.replace(balancer, target=int(place[balancer.target]))
    plain = run(method, steps, order)
    permuted = run(method, [gradients[permutation] for gradients in steps], place[order[permutation]], balancer)
    np.testing.assert_allclose(permuted, np.array(plain)[:, permutation], rtol=1e-9)


@every_method
@pytest.mark.parametrize("scale", [1e-10, 1e-3, 1e3, 1e15])
def test_scaling_all_losses_scales_the_weights_by_the_declared_degree(method, scale):
    steps = [gradients_of(5, seed) for seed in range(2)]
    plain = run(method, steps)
    scaled = run(method, [scale * gradients for gradients in steps])
    np.testing.assert_allclose(scaled, np.array(plain) * scale**method.scale_degree, rtol=1e-7)


@every_method
@pytest.mark.parametrize("without", range(4))
def test_a_task_without_gradient_changes_nothing_for_the_others(method, without):
    steps = [gradients_of(4, seed) for seed in range(3)]
    order = random_order(4)
    balancer = method.make()
    others = np.delete(np.arange(4), without)
    if hasattr(balancer, "target"):
        # The target itself can't be taken away: the last of the others is the target.
        balancer = dataclasses.replace(balancer, target=int(others[-1]))
    for gradients in steps:
        gradients[without] = 0
    weights = np.array(run(method, steps, order, balancer))

    smaller = np.array([[task - (task > without) for task in row if task != without] for row in order[others]])
    if hasattr(balancer, "target"):
        balancer = dataclasses.replace(balancer, target=2)
    expected = run(method, [gradients[others] for gradients in steps], smaller.astype(np.int32), balancer)
    np.testing.assert_allclose(weights[:, others], expected, rtol=1e-12)
    np.testing.assert_array_equal(weights[:, without], 0)


@every_method
def test_a_batch_without_any_gradient_has_no_weight(method):
    for weights in run(method, [np.zeros((3, 8))] * 2):
        np.testing.assert_array_equal(weights, 0)


DEGENERATE = {
    "rank 1, all alike": np.ones((4, 8)),
    "rank 1, opposed": np.outer([1.0, -1.0, 2.0, -3.0], np.arange(1.0, 9.0)),
    "duplicates": np.repeat(gradients_of(2, dimension=8), 3, axis=0),
    "stationary: gradients add up to zero": (lambda g: np.vstack([g, -g.sum(axis=0)]))(gradients_of(4, dimension=8)),
    "more tasks than dimensions": gradients_of(12, dimension=3),
    "orthogonal": np.eye(5),
    "scales 1e-10 to 1e15": gradients_of(6) * np.geomspace(1e-10, 1e15, 6)[:, np.newaxis],
    "all 1e-10": 1e-10 * gradients_of(5),
    "all 1e15": 1e15 * gradients_of(5),
}


@every_method
@pytest.mark.parametrize("gradients", DEGENERATE.values(), ids=DEGENERATE.keys())
def test_degenerate_gradients_give_the_oracles_direction(method, gradients):
    order = random_order(len(gradients))
    (weights,) = run(method, [gradients], order)
    assert np.isfinite(weights).all()
    expected = method.oracle()(gradients, np.ones(len(gradients)), order)
    # Of nearly equal vectors neither form knows which conflict remains after rounding.
    assert_same_direction(weights, gradients, expected, tolerance=1e-5)


numbers = st.floats(-1e3, 1e3, allow_nan=False, width=32)


@every_method
@settings(max_examples=25)
@given(rows=st.lists(st.lists(numbers, min_size=3, max_size=3), min_size=1, max_size=7), exponent=st.integers(-10, 15))
def test_weights_are_finite_on_any_gradients(method, rows, exponent):
    (weights,) = run(method, [np.array(rows) * 10.0**exponent])
    assert np.isfinite(weights).all()


@pytest.mark.parametrize("method", [m for m in METHODS if m.non_conflicting_at_two], ids=str)
@settings(max_examples=50)
@given(rows=st.lists(st.lists(st.integers(-50, 50), min_size=3, max_size=3), min_size=2, max_size=2))
def test_no_conflict_is_left_between_two_tasks(method, rows):
    gradients = np.array(rows, float)
    assume(np.abs(np.linalg.norm(gradients, axis=1)).min() > 0)
    (weights,) = run(method, [gradients])
    update = weights @ gradients
    norms = np.linalg.norm(gradients, axis=1)
    assert (gradients @ update / norms >= -1e-9 * norms.max()).all()


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
    balancer = method.make()
    state, gram = balancer.init(4), gram_of(gradients_of(4))
    first, _ = balancer.weights(gram, tf.ones(4), state)
    balancer.weights(gram_of(gradients_of(4, seed=9)), tf.ones(4), state)
    again, _ = balancer.weights(gram, tf.ones(4), state)
    np.testing.assert_array_equal(first, again)


@first_of_each
def test_the_state_keeps_its_names_shapes_and_dtypes(method):
    balancer = method.make()
    state = balancer.init(3, num_parts=2)
    gram = tf.concat([gram_of(gradients_of(3, seed)) for seed in range(2)], axis=0)
    _, after = balancer.weights(gram, tf.ones(3), state)
    signature = {name: (value.shape, value.dtype) for name, value in state.items()}
    assert {name: (value.shape, value.dtype) for name, value in after.items()} == signature


@first_of_each
def test_a_float32_gram_is_computed_in_float64(method):
    gram = tf.cast(gram_of(gradients_of(4)), tf.float32)
    balancer = method.make()
    single, _ = balancer.weights(gram, tf.ones(4), balancer.init(4))
    double, _ = balancer.weights(tf.cast(gram, tf.float64), tf.ones(4), balancer.init(4))
    assert single.dtype == tf.float64
    np.testing.assert_allclose(single, double, rtol=1e-12)
