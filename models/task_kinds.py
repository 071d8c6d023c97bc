"""What the schema says of a task by name, as Keras objects: link layer, loss and metrics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from tf_gradcraft.data_pipelines.schema import GROUP
from tf_gradcraft.data_pipelines.task import Task
from tf_gradcraft.models.links import ExponentialLink, QuantileValue
from tf_gradcraft.training.named_metrics import named_metrics


def prediction_of(task: Task, score: Any, inputs: Mapping[str, Any]) -> Any:
    """Returns the prediction of a task, float32, from its head's outputs by the task's link function.

    Args:
        task: The task.
        score: Outputs of the head [B, `task.outputs`].
        inputs: The model's inputs by name.

    Raises:
        ValueError: If the quantiles of a duration-aware task were not fitted.
    """
    settings: dict[str, Any] = {"name": task.name, "dtype": "float32"}
    if task.link in ("exp", "expm1"):
        return ExponentialLink(task.link, **settings)(score)
    if task.link == "quantile_value":
        if not task.quantiles:
            raise ValueError(
                f"task {task.name!r}: its quantiles are not fitted; take the task that fit_duration_quantiles of "
                "tf_gradcraft.data_pipelines.watch_time returns"
            )
        return QuantileValue(task.boundaries, task.quantiles, **settings)([score, inputs[str(task.duration)]])
    return keras.layers.Activation({"identity": "linear"}.get(task.link, task.link), **settings)(score)


def loss_of(task: Task) -> keras.losses.Loss:
    """Returns the loss of a task, averaged over its labelled rows.

    Example:
        >>> loss_of(Task(name="watch", kind="regression", loss="huber", delta=0.5)).delta
        0.5
    """
    from tf_gradcraft import training

    if task.kind == "binary":
        return training.TaskCrossentropy(task.name)
    if task.kind == "multiclass":
        return training.ClassCrossentropy(task.name, task.outputs)
    if task.kind == "regression":
        return training.TaskRegression(task.name, task.loss, task.transform, task.delta)
    if task.kind == "ranking":
        return training.TaskRanking(task.name, task.loss, task.lists, task.list_size)
    if task.loss == "duration_quantile":
        return training.DurationQuantile(task.name)
    return training.WeightedLogistic(task.name)


def metrics_of(task: Task, group: str | None) -> list[Any]:
    """Returns the default metrics of a task; those by group only if there is a group.

    Args:
        task: The task.
        group: Name of the column of a batch with the group key, or None. Ranking tasks go by their lists.

    Example:
        >>> [metric.name for metric in metrics_of(Task(name="watch", kind="regression"), group=None)]
        ['rmse', 'mae']
    """
    by_lists = task.kind == "ranking" and task.lists not in (None, GROUP)
    return named_metrics(task.metrics, task.lists if by_lists else group)
