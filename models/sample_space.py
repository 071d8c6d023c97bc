"""Tasks that count only in the rows where another task's event happened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from tf_gradcraft.data_pipelines.task import Task
from tf_gradcraft.suggestions import unknown_name


def in_sample_space(tasks: Sequence[Task], labels: Any, weights: Any) -> Any:
    """Multiplies the weights of tasks with a sample space by the label of the task that opens it.

    A row whose label of that task is not known (weight 0) does not count either.

    Args:
        tasks: The tasks.
        labels: `{task: labels}`, [B] or [B, 1].
        weights: None, weights of the rows [B], or `{task: weights}`.

    Returns:
        The weights as they were if no task has a sample space; else `{task: weights [B]}` for all labels.

    Raises:
        ValueError: If the labels of a task that opens a sample space are not in the batch.

    Example:
        >>> tasks = [Task(name="click"), Task(name="buy", sample_space="click")]
        >>> labels = {"click": tf.constant([0.0, 1.0, 1.0]), "buy": tf.constant([0.0, 1.0, 0.0])}
        >>> in_sample_space(tasks, labels, {"buy": tf.constant([1.0, 1.0, 0.5])})["buy"].numpy().tolist()
        [0.0, 1.0, 0.5]
    """
    spaces = {task.name: task.sample_space for task in tasks if task.sample_space and task.name in labels}
    if not spaces:
        return weights
    by_task = {task: _weights_of(weights, task, of) for task, of in labels.items()}
    within = dict(by_task)
    for task, space in spaces.items():
        if space not in labels:
            raise ValueError(
                f"task {task!r} counts only where {space!r} happened, so the batch needs labels of it: "
                + unknown_name("task", space, tuple(labels))
            )
        happened = tf.reshape(tf.cast(labels[space], tf.float32), [-1])
        within[task] = by_task[task] * tf.where(by_task[space] == 0, 0.0, happened)
    return within


def _weights_of(weights: Any, task: str, labels: Any) -> tf.Tensor:
    of_task = weights.get(task) if isinstance(weights, Mapping) else weights
    if of_task is None:
        return tf.ones(tf.shape(labels)[:1])
    return tf.reshape(tf.cast(of_task, tf.float32), [-1])
