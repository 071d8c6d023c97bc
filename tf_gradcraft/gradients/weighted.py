"""The gradient of a weighted sum of losses, in one backward pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from tf_gradcraft.gradients.rows import scale_gradient, sum_duplicate_rows
from tf_gradcraft.gradients.task_gradients import Gradient

_SMALLEST_WEIGHT = 1e-12


def weighted_gradients(
    tape: tf.GradientTape,
    losses: Sequence[tf.Tensor],
    weights: tf.Tensor,
    variables: Sequence[Any],
    private: Mapping[int, int],
    private_apart: bool = False,
) -> list[Gradient]:
    """Returns the gradient of sum_t w_t L_t by shared variables, and of L_t by those private to task t.

    Args:
        tape: A persistent tape that recorded the losses.
        losses: Scalar losses of the T tasks.
        weights: Weights [T], taken as constants.
        variables: Variables to differentiate by.
        private: `{position of a variable: position of its only task}`.
        private_apart: Whether private variables get a backward pass of their own. In one pass their gradients are
            multiplied by the weight and divided by it again, which float16 has no range for.

    Returns:
        For each variable its gradient, or None; sparse gradients have unique indices.

    Example:
        >>> shared, private = tf.Variable(2.0), tf.Variable(3.0)
        >>> with tf.GradientTape(persistent=True) as tape:
        ...     losses = [shared * shared, shared * private]
        >>> gradients = weighted_gradients(tape, losses, tf.constant([1.0, 0.5]), [shared, private], {1: 1})
        >>> [float(g) for g in gradients]
        [5.5, 2.0]
    """
    weights = weights if private_apart else _away_from_zero(weights)
    factors = [tf.cast(w, loss.dtype) for w, loss in zip(tf.unstack(weights, num=len(losses)), losses, strict=True)]
    if private_apart:
        shared = [position for position in range(len(variables)) if position not in private]
        gradients: list[Gradient] = [None] * len(variables)
        for positions, scales in ((shared, factors), (list(private), None)):
            of_group = [variables[position] for position in positions]
            taken = tape.gradient(list(losses), of_group, output_gradients=scales) if positions else []
            for position, gradient in zip(positions, taken, strict=True):
                gradients[position] = gradient
    else:
        gradients = tape.gradient(list(losses), list(variables), output_gradients=factors)
        for position, task in private.items():
            gradients[position] = scale_gradient(gradients[position], 1 / factors[task])
    return [sum_duplicate_rows(g) if isinstance(g, tf.IndexedSlices) else g for g in gradients]


def _away_from_zero(weights: tf.Tensor) -> tf.Tensor:
    """Returns weights none of which is zero: with it the private gradients would be lost, which the same pass gives."""
    return tf.where(tf.abs(weights) < _SMALLEST_WEIGHT, tf.cast(_SMALLEST_WEIGHT, weights.dtype), weights)
