"""The balanced part of a training step: from losses to an update that the optimizer applies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from tf_gradcraft.balancing import Balancer
from tf_gradcraft.gradients import (
    Representation,
    RepresentationGradients,
    TaskGradients,
    replica_count,
    sum_over_replicas,
    task_gradients,
    weighted_gradients,
)
from tf_gradcraft.training.balancer_state import BalancerState
from tf_gradcraft.training.intervals import every_kth_step, initial_interval


class BalancedGradients(NamedTuple):
    """What a balancer made of a batch.

    Attributes:
        updates: Update direction of each variable: a tensor, `tf.IndexedSlices`, or None.
        finite_tasks: bool [T]: whether each task's loss and gradient are finite.
    """

    updates: list[Any]
    finite_tasks: tf.Tensor


def balance_gradients(
    tape: tf.GradientTape,
    *,
    balancer: Balancer,
    balancer_state: BalancerState,
    losses: Mapping[str, tf.Tensor],
    scaled_losses: Mapping[str, tf.Tensor],
    loss_scale: tf.Tensor,
    variables: Sequence[Any],
    representation: Representation | None = None,
    every: int = 1,
    float16: bool = False,
) -> BalancedGradients:
    """Measures the task gradients, asks the balancer for weights, and combines.

    Args:
        tape: A persistent tape that recorded the losses.
        balancer: The method, its task names resolved.
        balancer_state: Its state; updated unless a task is not finite.
        losses: `{task: loss}`.
        scaled_losses: The same times `loss_scale`; their gradients are what the optimizer takes.
        loss_scale: The factor of a loss-scaling optimizer, else 1.
        variables: The trainable variables.
        representation: What the forward pass has marked, to measure the tasks there instead of on the shared variables.
        every: New weights are asked for in every step of that number; in between the last ones count.
        float16: Whether layers compute in float16, which has no range for private gradients times a small weight.
    """
    values = sum_over_replicas(tf.stack([tf.cast(loss, tf.float64) for loss in losses.values()]))

    def measure() -> TaskGradients | RepresentationGradients:
        if representation is not None and balancer.needs != "losses":
            return RepresentationGradients(tape, scaled_losses, variables, representation)
        return task_gradients(tape, scaled_losses, variables)

    gradients = measure()
    parts = gradients.parts(balancer.parts)  # refuses a pattern that matches nothing, whatever the method looks at
    num_parts = 1 if balancer.needs == "losses" else len(parts.names)
    # With one weight a task one backward pass of the weighted loss makes the update, where no task is measured by
    # itself or only now and then. The gradients above then only tell shared from private variables, when the graph is
    # built: nothing uses their values, so the compiled step does not compute them.
    one_pass = balancer.needs == "losses" or (every > 1 and num_parts == 1 and replica_count() == 1)

    def new_weights(state: Mapping[str, tf.Tensor]) -> tuple[tf.Tensor, dict[str, tf.Tensor], tf.Tensor]:
        if balancer.needs == "losses":
            gram = tf.linalg.diag(tf.cast(values != 0, tf.float64))[tf.newaxis]
        else:
            # In a branch that only some steps take, gradients are taken anew: those outside would cost every step.
            measured = measure() if one_pass else gradients
            gram = measured.gram(balancer.parts) / tf.square(tf.cast(loss_scale, tf.float64))
        weights, new_state = balancer.weights(gram, values, dict(state))
        return weights, new_state, tf.linalg.diag_part(gram)

    with tf.init_scope():
        initial = balancer.init(len(losses), num_parts)
        if every > 1:
            initial |= initial_interval(len(losses), num_parts)
        balancer_state.ensure(initial)
    state = balancer_state.tensors()
    weights, new_state, squares = new_weights(state) if every == 1 else every_kth_step(every, new_weights, state)
    finite_tasks = tf.math.is_finite(values) & tf.reduce_all(tf.math.is_finite(squares), axis=0)
    balancer_state.assign(new_state, tf.reduce_all(finite_tasks))

    if one_pass:
        losses_of_tasks = list(scaled_losses.values())
        updates = weighted_gradients(tape, losses_of_tasks, weights[0], variables, gradients.private, float16)
    else:
        updates = gradients.combine(weights, balancer.parts)
    return BalancedGradients(updates, finite_tasks)


def apply_if_finite(
    model: Any, updates: Sequence[Any], variables: Sequence[Any], tasks: Sequence[str], finite_tasks: tf.Tensor
) -> None:
    """Lets the optimizer apply the update; raises or skips the step if a task is not finite, as the model says.

    Args:
        model: The `MultiTaskModel`.
        updates: Update direction of each variable.
        variables: The trainable variables.
        tasks: Names of the T tasks.
        finite_tasks: bool [T].

    Raises:
        tf.errors.InvalidArgumentError: If a task is not finite and the model is to raise; the message names it.
    """
    optimizer = model.optimizer
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        # It skips a step that overflowed, and lowers its scale.
        optimizer.apply_gradients(zip(updates, variables, strict=True))
    elif model.on_nonfinite == "raise" and not model.jit_compile:
        checks = [
            tf.debugging.Assert(
                finite_tasks[position],
                [
                    f"task {task} has a loss or gradient that is not finite. Look for NaN in its labels and in the "
                    "features, or lower the learning rate; on_nonfinite of compile() can skip such steps."
                ],
            )
            for position, task in enumerate(tasks)
        ]
        with tf.control_dependencies([check for check in checks if check is not None]):
            optimizer.apply_gradients(zip(updates, variables, strict=True))
    else:

        def apply() -> tf.Tensor:
            optimizer.apply_gradients(zip(updates, variables, strict=True))
            return tf.zeros([], tf.int64)

        skipped = tf.cond(tf.reduce_all(finite_tasks), apply, lambda: tf.ones([], tf.int64))
        model.skipped_steps.assign_add(skipped)
