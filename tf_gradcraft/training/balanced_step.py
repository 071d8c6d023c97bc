"""The balanced part of a training step: from losses to an update that the optimizer applies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from tf_gradcraft.balancing import Balancer
from tf_gradcraft.gradients import (
    Representation,
    RepresentationGradients,
    TaskGradients,
    join_gradients,
    replica_count,
    split_gradients,
    sum_over_replicas,
    task_gradients,
    weighted_gradients,
)
from tf_gradcraft.training.balancer_state import BalancerState
from tf_gradcraft.training.intervals import Step, every_kth_step, initial_interval


class BalancedGradients(NamedTuple):
    """What a balancer made of a batch.

    Attributes:
        updates: Update direction of each variable: a tensor, `tf.IndexedSlices`, or None.
        finite_tasks: bool [T]: whether each task's loss and gradient are finite.
        weights: Weights [P, T], those of the last measurement in between; [1, T] if no gradient was looked at.
        gram: Gram matrices [P, T, T] of the task gradients, 0 in between; None if the method looks at no gradient.
        parts: Names of the P parts.
        over_representation: Whether gradients by the representation were looked at.
    """

    updates: list[Any]
    finite_tasks: tf.Tensor
    weights: tf.Tensor
    gram: tf.Tensor | None
    parts: tuple[str, ...]
    over_representation: bool


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

    by_losses = balancer.needs == "losses"

    def measure() -> TaskGradients | RepresentationGradients:
        if representation is not None and not by_losses:
            return RepresentationGradients(tape, scaled_losses, variables, representation)
        return task_gradients(tape, scaled_losses, variables)

    gradients = measure()
    parts = gradients.parts(balancer.parts)  # refuses a pattern that matches nothing, whatever the method looks at
    num_parts = 1 if by_losses else len(parts.names)
    # In between two measurements one backward pass of the weighted loss makes the update, if each task has one weight.
    # Then steps with and without measurement are branches; a branch can't gather from other replicas.
    branching = every > 1 and num_parts == 1 and replica_count() == 1

    def weighted(weights: tf.Tensor) -> list[Any]:
        # Of `gradients` this needs to know shared from private variables, when the graph is built. Where nothing else
        # uses them, the compiled step does not compute them.
        losses_of_tasks = list(scaled_losses.values())
        return weighted_gradients(tape, losses_of_tasks, weights[0], variables, gradients.private, float16)

    def combined(measured: TaskGradients | RepresentationGradients, weights: tf.Tensor) -> list[Any]:
        return weighted(weights) if by_losses else measured.combine(weights, balancer.parts)

    def new_step(state: Mapping[str, tf.Tensor]) -> Step:
        # In a branch of the graph gradients are taken anew: those outside would cost every step.
        measured = measure() if branching and not by_losses and not tf.executing_eagerly() else gradients
        if by_losses:
            gram = tf.linalg.diag(tf.cast(values != 0, tf.float64))[tf.newaxis]
        else:
            gram = measured.gram(balancer.parts) / tf.square(tf.cast(loss_scale, tf.float64))
        weights, new_state = balancer.weights(gram, values, dict(state))
        updates = split_gradients(combined(measured, weights)) if branching else {}
        return Step(weights, new_state, gram, updates)

    with tf.init_scope():
        initial = balancer.init(len(losses), num_parts)
        if every > 1:
            initial |= initial_interval(len(losses), num_parts)
        balancer_state.ensure(initial)
    state = balancer_state.tensors()
    if every == 1:
        step = new_step(state)
    else:
        step = every_kth_step(every, new_step, lambda last: split_gradients(weighted(last)) if branching else {}, state)
    finite_tasks = tf.math.is_finite(values) & tf.reduce_all(tf.math.is_finite(step.squares), axis=0)
    balancer_state.assign(step.state, tf.reduce_all(finite_tasks))
    updates = join_gradients(step.updates, variables) if branching else combined(gradients, step.weights)
    gram = None if by_losses else step.gram
    names = parts.names or ("all",)  # no variable may be shared at all
    return BalancedGradients(updates, finite_tasks, step.weights, gram, names, representation is not None)


def learn_from_update(
    balancer: Balancer,
    balancer_state: BalancerState,
    losses: Mapping[str, tf.Tensor],
    losses_after: Mapping[str, tf.Tensor],
    finite_tasks: tf.Tensor,
) -> None:
    """Gives a balancer that `looks_back` the losses of one batch before and after its update.

    Args:
        balancer: The method, its task names resolved.
        balancer_state: Its state.
        losses: `{task: loss}` before the update.
        losses_after: The same after it.
        finite_tasks: bool [T]; if one is False the step was skipped, and the balancer's state stays as it is.
    """
    values, values_after = (
        sum_over_replicas(tf.stack([tf.cast(loss, tf.float64) for loss in by_task.values()]))
        for by_task in (losses, losses_after)
    )
    keep = tf.reduce_all(finite_tasks) & tf.reduce_all(tf.math.is_finite(values_after))
    balancer_state.assign(balancer.after_update(values, values_after, balancer_state.tensors()), keep)


def apply_if_finite(
    model: Any,
    updates: Sequence[Any],
    variables: Sequence[Any],
    tasks: Sequence[str],
    finite_tasks: tf.Tensor,
    float16: bool = False,
) -> None:
    """Lets the optimizer apply the update; raises or skips the step if a task is not finite, as the model says.

    Args:
        model: The model: it has `optimizer`, `on_nonfinite`, `jit_compile` and `skipped_steps`.
        updates: Update direction of each variable.
        variables: The trainable variables.
        tasks: Names of the T tasks.
        finite_tasks: bool [T].
        float16: Whether the optimizer scales losses; it then skips steps that overflowed by itself.

    Raises:
        tf.errors.InvalidArgumentError: If a task is not finite and the model is to raise; the message names it.
    """
    optimizer = model.optimizer
    if float16:
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
