"""The losses that a Keras model was compiled with, one by one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf


def compiled_losses(
    compiled: Any, y: Any, y_pred: Mapping[str, tf.Tensor], sample_weight: Any = None
) -> dict[str, tf.Tensor]:
    """Returns each task's loss times its weight in `loss_weights`, and updates the trackers behind the loss logs.

    Args:
        compiled: Keras's `CompileLoss`, or None.
        y: `{task: labels}`.
        y_pred: `{task: predictions}`.
        sample_weight: None, one weight a row, or `{task: weights}`.

    Returns:
        `{task: scalar}` for the tasks that have a loss, in the order of the outputs.

    Raises:
        ValueError: If the outputs are not named, or there is no loss.
    """
    if not isinstance(y_pred, Mapping):
        raise ValueError(f"outputs must be a dict {{task: tensor}} to be balanced, got {type(y_pred).__name__}")
    if compiled is None:
        raise ValueError("no loss: give compile() a loss for each task, such as loss={'click': ...}")
    if not compiled.built:
        compiled.build(y, y_pred)
    # Keras adds the losses up before it returns them; this reads them one by one, and updates the same trackers.
    losses = {}
    trackers = compiled.metrics or [None]
    for (path, loss, weight, _), tracker in zip(compiled._flat_losses, trackers, strict=True):
        task = path[0]
        value = loss(y[task], y_pred[task], _of_task(sample_weight, task))
        if tracker is not None:
            tracker.update_state(
                value * tf.distribute.get_strategy().num_replicas_in_sync, sample_weight=tf.shape(y_pred[task])[0]
            )
        losses[task] = value if weight is None else value * weight
    return {task: losses[task] for task in y_pred if task in losses}


def tasks_with_loss(loss: Any) -> list[str] | None:
    """Returns the outputs that the argument `loss` of `compile` has a loss for; None if it does not name outputs.

    Example:
        >>> tasks_with_loss({"click": "mse", "like": None}), tasks_with_loss("mse")
        (['click'], None)
    """
    if not isinstance(loss, Mapping):
        return None
    return [task for task, of_task in loss.items() if of_task is not None]


def loss_weight(compiled: Any, task: str) -> float:
    """Returns the factor of a task in `loss_weights`, 1 by default, from a `CompileLoss` that has been called."""
    return next((weight for path, _, weight, _ in compiled._flat_losses if path[0] == task and weight is not None), 1.0)


def _of_task(by_task: Any, task: str) -> Any:
    return by_task.get(task) if isinstance(by_task, Mapping) else by_task
