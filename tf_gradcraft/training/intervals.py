"""New task weights in every k-th step only; the last ones in between."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from tf_gradcraft.gradients import replica_count

STEPS, WEIGHTS = "interval_steps", "interval_weights"

State = dict[str, tf.Tensor]


class Step(NamedTuple):
    """What a balancer makes of a batch.

    Attributes:
        weights: Weights [P, T] of the tasks.
        state: The balancer's new state.
        gram: Gram matrices [P, T, T] of the task gradients.
        updates: Tensors of the update of each variable, see `split_gradients`.
    """

    weights: tf.Tensor
    state: State
    gram: tf.Tensor
    updates: dict[int, tuple[tf.Tensor, ...]]

    @property
    def squares(self) -> tf.Tensor:
        """Squared norms [P, T] of the task gradients."""
        return tf.linalg.diag_part(self.gram)


def initial_interval(num_tasks: int, num_parts: int) -> State:
    """Returns what is remembered beside a balancer's own state: steps taken, and the last weights (NaN: none yet)."""
    return {
        STEPS: tf.zeros([], tf.int64),
        WEIGHTS: tf.fill([num_parts, num_tasks], tf.constant(float("nan"), tf.float64)),
    }


def every_kth_step(
    every: int,
    new_step: Callable[[State], Step],
    updates_between: Callable[[tf.Tensor], dict[int, tuple[tf.Tensor, ...]]],
    state: State,
) -> Step:
    """Takes a step with new weights if they are due, and one with the last weights otherwise.

    A task without gradient in the step that asks has no weight in it; for the steps in between it keeps the weight it
    had before, or gets the mean of the others' if it had none. If no task has a gradient, the next step asks again.

    Args:
        every: k; weights are due in steps 0, k, 2 k, ...
        new_step: Makes the step from the balancer's state. Traced once, and run only when due (across replicas: in
            every step).
        updates_between: Makes the tensors of the updates from the last weights.
        state: The balancer's state and the interval's.

    Returns:
        The step; in between its Gram matrices are 0.
    """
    steps, last = state[STEPS], state[WEIGHTS]
    own = {name: value for name, value in state.items() if name not in (STEPS, WEIGHTS)}

    def due() -> Step:
        step = new_step(own)
        weights = step.weights
        present = tf.reduce_any(step.squares > 0, axis=0)
        count = tf.maximum(tf.reduce_sum(tf.cast(present, tf.float64)), 1)
        usual = tf.reduce_sum(tf.where(present, weights, 0), axis=-1, keepdims=True) / count
        absent = tf.where(tf.math.is_nan(last), usual + tf.zeros_like(last), last)
        kept = tf.where(present, weights, absent)
        any_present = tf.reduce_any(present)
        interval = {STEPS: steps + tf.cast(any_present, tf.int64), WEIGHTS: tf.where(any_present, kept, last)}
        return step._replace(state={**step.state, **interval})

    def between() -> Step:
        state = {**own, WEIGHTS: last, STEPS: steps + 1}
        nothing = tf.zeros([*last.shape, last.shape[-1]], tf.float64)
        return Step(last, state, nothing, updates_between(last))

    if replica_count() > 1:
        # Replicas can't talk to each other in a branch, so all of them measure every time; only what counts is chosen.
        return tf.nest.map_structure(lambda new, old: tf.where(steps % every == 0, new, old), due(), between())
    return tf.cond(steps % every == 0, due, between)
