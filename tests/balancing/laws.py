"""What a row of the table of methods declares, and how a method is run, compared and cut to some of the tasks."""

import dataclasses
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tf_gradcraft.balancing import Balancer


def call(balancer, gram, losses, state, order):
    """Calls a balancer as the training step does."""
    return balancer.weights(gram, losses, state)


def call_in_order(balancer, gram, losses, state, order):
    """Calls a balancer of random order with the order given."""
    return balancer.weights_in_order(gram, order), state


def call_with_draws(balancer, gram, losses, state, order):
    """Calls a balancer of random weights with draws given: any numbers will do, so the losses stand in for them."""
    return balancer.weights_of_draws(gram, losses), state


def call_in_epochs(balancer, gram, losses, state, order):
    """Calls a balancer as training does where every step is an epoch."""
    weights, state = balancer.weights(gram, losses, state)
    return weights, balancer.end_epoch(state)


def call_and_look_back(balancer, gram, losses, state, order):
    """Calls a balancer before and after an update."""
    weights, state = balancer.weights(gram, losses, state)
    after = losses * (0.6 + 0.3 * tf.cos(3 * losses))
    return weights, balancer.after_update(losses, after, state)


@dataclasses.dataclass(frozen=True)
class Method:
    """A row of the table.

    Args:
        name: Name in the registry.
        make: Makes the balancer under test.
        oracle: Makes a NumPy oracle for one run, see `balancing_oracles`.
        weights: Calls the balancer: `call`, or one of the functions beside it.
        select: Cuts a balancer to the tasks of these positions, in this order, where a hyper-parameter names tasks or
            has a value for each; what `make` makes is then a balancer for 16 tasks.
        scale_degree: Degree of the weights in the scale of all gradients, the losses being what they are; None if the
            weights are no power of it.
        non_conflicting: Whether the update conflicts with no task: <g, g_t> >= 0.
        non_conflicting_at_two: Whether that holds for two tasks (implied by `non_conflicting`).
        equivariant: Whether reordered tasks get the same weights (not where each position draws a random number).
        plain_alone: Whether a single task keeps its plain gradient (not where a weight is relative to the loss).
        leaves_out: Whether a task without gradient changes nothing for the others (not where each position draws one).
        tolerance: Distance to the oracle, relative to the largest gradient and the largest weight.
        precision: Relative difference between two runs that are the same on paper.
        undefined_on: Names of the inputs of `DEGENERATE` on which the method has no single answer; there the weights
            only have to be finite.
    """

    name: str
    make: Callable[[], Balancer]
    oracle: Callable
    weights: Callable = call
    select: Callable[[Balancer, np.ndarray], Balancer] = lambda balancer, tasks: balancer
    scale_degree: float | None = 0
    non_conflicting: bool = False
    non_conflicting_at_two: bool = False
    equivariant: bool = True
    plain_alone: bool = True
    leaves_out: bool = True
    tolerance: float = 1e-6
    precision: float = 1e-9
    undefined_on: tuple[str, ...] = ()

    def __str__(self):
        return repr(self.make())

    def of(self, tasks):
        """Returns the balancer for the first `tasks` tasks, or for the tasks of these positions in this order."""
        return self.select(self.make(), np.arange(tasks) if isinstance(tasks, int) else np.asarray(tasks))


def gradients_of(num_tasks, seed=0, dimension=64, spread=1.0):
    """Gaussian gradients [T, D] with log-normal scales: about half of all pairs conflict."""
    random = np.random.default_rng([num_tasks, seed])
    return random.normal(size=(num_tasks, dimension)) * np.exp(spread * random.normal(size=(num_tasks, 1)))


def losses_of(num_tasks, seed=0):
    """Positive losses [T] around 1 that change from step to step."""
    return np.exp(np.random.default_rng([num_tasks, seed, 2]).normal(size=num_tasks))


def steps_of(num_tasks, count, seed=0):
    """Gradients [T, D] and losses [T] of some steps."""
    return [(gradients_of(num_tasks, step), losses_of(num_tasks, step)) for step in range(seed, seed + count)]


def random_order(num_tasks, seed=0):
    """Row i is the order in which task i meets the tasks."""
    random = np.random.default_rng([num_tasks, seed, 1])
    return np.stack([random.permutation(num_tasks) for _ in range(num_tasks)]).astype(np.int32)


def gram_of(gradients):
    return tf.constant((gradients @ gradients.T)[np.newaxis], tf.float64)


def run(method, steps, order=None, balancer=None):
    """Returns the weights [T] of each step (gradients, losses), the state being carried from step to step."""
    num_tasks = len(steps[0][0])
    balancer = balancer or method.of(num_tasks)
    order = random_order(num_tasks) if order is None else order
    state, weights = balancer.init(num_tasks), []
    for gradients, losses in steps:
        of_step, state = method.weights(balancer, gram_of(gradients), tf.constant(losses), state, order)
        assert of_step.dtype == tf.float64
        assert of_step.shape == [1, num_tasks]
        weights.append(of_step.numpy()[0])
    return weights


def assert_same_direction(weights, gradients, expected, tolerance):
    """Compares sum_t w_t g_t to a direction, relative to the largest of the gradients involved."""
    size = max(np.linalg.norm(gradients, axis=1).max(), np.linalg.norm(expected), 1e-300)
    np.testing.assert_allclose(weights @ gradients / size, expected / size, rtol=0, atol=tolerance)


def assert_equal_to_oracle(method, weights, steps, order):
    oracle = method.oracle()
    for of_step, (gradients, losses) in zip(weights, steps, strict=True):
        expected = oracle(gradients, losses, order)
        assert_same_direction(of_step, gradients, expected, method.tolerance)
        # The gradients are independent, so the direction has these weights and no others.
        unique, *_ = np.linalg.lstsq(gradients.T, expected, rcond=None)
        np.testing.assert_allclose(of_step, unique, rtol=method.tolerance, atol=method.tolerance * np.abs(unique).max())


def assert_no_conflict(weights, gradients, precision):
    """Asserts <g, g_t> >= 0 up to the rounding of the terms that g is the sum of."""
    norms = np.linalg.norm(gradients, axis=1)
    products = gradients @ (weights @ gradients)
    assert (products >= -precision * norms * (np.abs(weights) * norms).sum()).all(), products


DEGENERATE = {
    "rank 1, all alike": np.ones((4, 8)),
    "rank 1, opposed": np.outer([1.0, -1.0, 2.0, -3.0], np.arange(1.0, 9.0)),
    "duplicates": np.repeat(gradients_of(2, dimension=8), 3, axis=0),
    "stationary": (lambda g: np.vstack([g, -g.sum(axis=0)]))(gradients_of(4, dimension=8)),
    "more tasks than dimensions": gradients_of(12, dimension=3),
    "orthogonal": np.eye(5),
    "scales 1e-10 to 1e15": gradients_of(6) * np.geomspace(1e-10, 1e15, 6)[:, np.newaxis],
    "all 1e-10": 1e-10 * gradients_of(5),
    "all 1e15": 1e15 * gradients_of(5),
}
