"""One more look at a batch after its update, for balancers that learn from what the update did."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from tf_gradcraft.training.balanced_step import learn_from_update


def state_before(model: keras.Model) -> list[tuple[Any, tf.Tensor]]:
    """Returns the variables that training does not fit, such as the seeds of dropout, with their present values."""
    return [(variable, tf.identity(variable.value)) for variable in model.non_trainable_variables]


def look_back(
    model: Any, data: tuple[Any, Any, Any], before: list[tuple[Any, tf.Tensor]], losses: Any, finite_tasks: tf.Tensor
) -> None:
    """Runs the model once more on a batch and gives the balancer the losses before and after the update.

    The second run is a training run (dropout on, batch statistics) and differs from the first in the trained variables
    alone: it starts from the same seeds, so it draws the same dropout masks. It leaves no trace: what it would assign
    to variables of Keras (metrics, moving statistics, seeds) is dropped.

    Args:
        model: The `MultiTaskModel`.
        data: Inputs, labels and weights of the batch.
        before: What `state_before` returned before the first run.
        losses: `{task: loss}` of the first run.
        finite_tasks: bool [T]; if one is False the step was skipped, and the balancer's state stays as it is.
    """
    x, y, sample_weight = data
    with keras.StatelessScope(before):
        y_pred = model(x, training=True) if model._call_has_training_arg else model(x)
        losses_after = model.compute_task_losses(x, y, y_pred, sample_weight, training=True)

    balancer = model.balancing.for_tasks(list(losses))
    learn_from_update(balancer, model._balancer_state, losses, losses_after, finite_tasks)
