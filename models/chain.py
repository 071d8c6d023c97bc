"""Chains of tasks: each can only happen where the one before it has, as click -> conversion."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from tf_gradcraft.data_pipelines.task import Task
from tf_gradcraft.suggestions import unknown_name
from tf_gradcraft.training import SharedRepresentation


def checked_chain(chain: Sequence[str], tasks: Sequence[Task], model: str) -> tuple[str, ...]:
    """Returns the chain as a tuple.

    Args:
        chain: Names of tasks, in the order in which they follow.
        tasks: All tasks.
        model: Name of the model, for error messages.

    Raises:
        ValueError: If it is empty, names a task twice, or one that does not exist or is not binary.

    Example:
        >>> checked_chain(["click", "like"], [Task(name="click"), Task(name="share"), Task(name="like")], "ESMM")
        ('click', 'like')
    """
    names = tuple(task.name for task in tasks)
    if isinstance(chain, str) or not chain:
        raise ValueError(
            f"{model}: chain={chain!r} must be names of tasks, each following from the one before, "
            f"such as chain={names[:2]!r}"
        )
    for task in chain:
        if task not in names:
            raise ValueError(f"{model}: chain: " + unknown_name("task", task, names))
        if (kind := tasks[names.index(task)].kind) != "binary":
            raise ValueError(
                f"{model}: chain: {task!r} is a {kind} task; what follows from one another are binary tasks: leave it "
                "out of the chain, or out of the model"
            )
    if len(set(chain)) < len(chain):
        raise ValueError(f"{model}: chain={tuple(chain)!r} names a task twice; a task follows from one other")
    return tuple(chain)


def entire_space(chain: Sequence[str], labels: Mapping[str, Any], weights: Any) -> tuple[dict[str, Any], Any]:
    """Takes the labels of chained tasks from the space of the task before to the space of all rows.

    A row without the earlier event is a row without the later one: its label is 0 and its weight that of the earlier
    task, whatever it carries for the later one (a mask, a NaN). A row without a label for the earlier event (weight 0)
    has none for the later one. Where the earlier event happened nothing changes.

    Args:
        chain: The chained tasks.
        labels: `{task: labels}`, [B] or [B, 1].
        weights: None, weights of the rows [B], or `{task: weights}`.

    Returns:
        Labels [B, 1] of the chained tasks, all others as they were; and the weights, by task if they were so.

    Example:
        >>> labels = {"click": [[0.0], [1.0], [1.0]], "like": [[9.0], [0.0], [1.0]]}
        >>> weights = {"click": [1.0, 1.0, 1.0], "like": [0.0, 1.0, 1.0]}
        >>> labels, weights = entire_space(["click", "like"], labels, weights)
        >>> labels["like"].numpy().ravel().tolist(), weights["like"].numpy().ravel().tolist()
        ([0.0, 0.0, 1.0], [1.0, 1.0, 1.0])
    """
    labels = dict(labels)
    by_task = dict(weights) if isinstance(weights, Mapping) else None
    chained = [task for task in chain if task in labels]
    for earlier, later in itertools.pairwise(chained):
        before, after = column(labels[earlier]), column(labels[later])
        labels[later] = tf.where(before == 0, 0.0, after)
        if by_task is not None:
            of_earlier, of_later = (
                column(by_task[task]) if by_task.get(task) is not None else tf.ones_like(before)
                for task in (earlier, later)
            )
            of_both = tf.where(of_earlier == 0, 0.0, of_later)
            by_task[later] = tf.reshape(tf.where(before == 0, of_earlier, of_both), [-1])
    return labels, weights if by_task is None else by_task


def multiplied(
    chain: Sequence[str],
    logits: Mapping[str, Any],
    predict: Callable[[Mapping[str, Any]], dict[str, Any]],
    join: Callable[[str, Any, Any], Any] | None = None,
) -> dict[str, Any]:
    r"""Returns each task's prediction; that of a chained task is the product along the chain up to it.

    The logits of all chained tasks but the last reach further tasks, so they are marked as shared representation.

    Args:
        chain: The chained tasks.
        logits: `{task: outputs of its head}`; a chained task's is the logit of its probability where the earlier event
            happened.
        predict: Maps `{task: outputs of its head}` to `{task: prediction}`.
        join: Maps a task's name, the probability of the earlier event and its own conditional one to their product.
    """
    marked = {
        task: SharedRepresentation(name=f"{task}_representation")(logit) if task in chain[:-1] else logit
        for task, logit in logits.items()
    }
    outputs = predict(marked)
    for earlier, later in itertools.pairwise(chain):
        if join is None:
            product = keras.layers.Multiply(name=f"{later}_entire_space", dtype="float32")
            outputs[later] = product([outputs[earlier], outputs[later]])
        else:
            outputs[later] = join(later, outputs[earlier], outputs[later])
    return outputs


def column(values: Any) -> tf.Tensor:
    """Returns values [B] or [B, 1] as float32 [B, 1]."""
    return tf.reshape(tf.cast(values, tf.float32), [-1, 1])
