"""One more look at a batch after its update, for balancers that learn from what the update did."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tf_gradcraft.training.balanced_step import learn_from_update


def state_before(model: Any) -> list[tuple[tf.Variable, tf.Tensor]]:
    """Returns what a forward pass assigns to (metrics, moving statistics, seeds), with its present values."""
    variables = [*model.non_trainable_variables, *(v for metric in model.metrics for v in metric.variables)]
    unique = {id(variable): variable for variable in variables}
    return [(variable, tf.identity(variable)) for variable in unique.values()]


def look_back(
    model: Any, inputs: Any, before: list[tuple[tf.Variable, tf.Tensor]], losses: Any, finite_tasks: tf.Tensor
) -> None:
    """Runs the model once more on a batch and gives the balancer the losses before and after the update.

    The second run is a training run from the state before the first, and leaves no trace. Dropout layers of Keras 2
    keep their seeds out of reach by default, so they draw new masks.

    Args:
        model: The `BalancedModel`.
        inputs: The batch.
        before: What `state_before` returned before the first run.
        losses: `{task: loss}` of the first run.
        finite_tasks: bool [T]; if one is False the step was skipped, and the balancer's state stays as it is.
    """
    after = [(variable, tf.identity(variable)) for variable, _ in before]
    for variable, value in before:
        variable.assign(value)
    losses_after = model._weighted_losses(inputs, training=True)
    for variable, value in after:
        variable.assign(value)
    balancer = model.balancing.for_tasks(list(losses))
    learn_from_update(balancer, model._balancer_state, losses, losses_after, finite_tasks)
