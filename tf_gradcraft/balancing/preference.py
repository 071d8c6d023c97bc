"""How much the tasks count before anything is projected."""

from __future__ import annotations

import tensorflow as tf

from tf_gradcraft.balancing.base import active_tasks
from tf_gradcraft.balancing.by_task import TaskValues, check_length
from tf_gradcraft.linalg import safe_divide


def preference_shares(method: str, preference: TaskValues | None, gram: tf.Tensor) -> tf.Tensor:
    """Returns each task's share p [T], float64: its preference among the tasks with a gradient; alike by default.

    Shares of tasks without gradient in any part are 0, and the others add up to 1. Where only tasks of preference 0
    have a gradient they count alike.

    Args:
        method: The method's class name, for messages.
        preference: Values in the order of the tasks, not negative.
        gram: Gram matrices [P, T, T].

    Raises:
        ValueError: If names are not resolved, or the values are not one for each task.

    Example:
        >>> preference_shares("UPGrad", (1.0, 3.0), tf.eye(2)[tf.newaxis]).numpy().tolist()
        [0.25, 0.75]
    """
    active = active_tasks(gram)
    if preference is None:
        return safe_divide(active, tf.reduce_sum(active))
    check_length(method, "preference", preference, gram.shape[-1])
    counted = active * tf.constant(preference, tf.float64)
    counted = tf.where(tf.reduce_sum(counted) > 0, counted, active)
    return safe_divide(counted, tf.reduce_sum(counted))
