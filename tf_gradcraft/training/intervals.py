"""New task weights in every k-th step only; the last ones in between."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import tensorflow as tf

from tf_gradcraft.gradients import replica_count

STEPS, WEIGHTS = "interval_steps", "interval_weights"

State = dict[str, tf.Tensor]
NewWeights = Callable[[Mapping[str, tf.Tensor]], tuple[tf.Tensor, State, tf.Tensor]]


def initial_interval(num_tasks: int, num_parts: int) -> State:
    """Returns what is remembered beside a balancer's own state: steps taken, and the last weights (NaN: none yet)."""
    return {
        STEPS: tf.zeros([], tf.int64),
        WEIGHTS: tf.fill([num_parts, num_tasks], tf.constant(float("nan"), tf.float64)),
    }


def every_kth_step(every: int, new_weights: NewWeights, state: State) -> tuple[tf.Tensor, State, tf.Tensor]:
    """Asks for new weights if they are due, and returns the last ones otherwise.

    A task without gradient in the step that asks has no weight in it; for the steps in between it keeps the weight it
    had before, or gets the mean of the others' if it had none. If no task has a gradient, the next step asks again.

    Args:
        every: k; weights are due in steps 0, k, 2 k, ...
        new_weights: Maps the balancer's state to weights [P, T], the new state, and the squared norms [P, T] of the
            task gradients. Traced once, and run only when due (across replicas: in every step).
        state: The balancer's state and the interval's.

    Returns:
        Weights [P, T], the new state, and the squared norms, which are 0 when no weights are due.
    """
    steps, last = state[STEPS], state[WEIGHTS]
    own = {name: value for name, value in state.items() if name not in (STEPS, WEIGHTS)}

    def due() -> tuple[tf.Tensor, State, tf.Tensor]:
        weights, new_state, squares = new_weights(own)
        present = tf.reduce_any(squares > 0, axis=0)
        count = tf.maximum(tf.reduce_sum(tf.cast(present, tf.float64)), 1)
        usual = tf.reduce_sum(tf.where(present, weights, 0), axis=-1, keepdims=True) / count
        absent = tf.where(tf.math.is_nan(last), usual + tf.zeros_like(last), last)
        kept = tf.where(present, weights, absent)
        any_present = tf.reduce_any(present)
        interval = {STEPS: steps + tf.cast(any_present, tf.int64), WEIGHTS: tf.where(any_present, kept, last)}
        return weights, {**new_state, **interval}, squares

    def between() -> tuple[tf.Tensor, State, tf.Tensor]:
        return last, {**own, WEIGHTS: last, STEPS: steps + 1}, tf.zeros_like(last)

    if replica_count() > 1:
        # Replicas can't talk to each other in a branch, so all of them measure every time; only what counts is chosen.
        return tf.nest.map_structure(lambda new, old: tf.where(steps % every == 0, new, old), due(), between())
    return tf.cond(steps % every == 0, due, between)
