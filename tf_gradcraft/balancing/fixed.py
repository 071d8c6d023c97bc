"""Fixed weights: the sum of the task gradients with weights that a person chose."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import ClassVar

import tensorflow as tf

from tf_gradcraft.balancing.base import Balancer, Parts, active_tasks, norms_of
from tf_gradcraft.balancing.by_task import TaskValues, check_length, in_task_order, task_values


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fixed(Balancer):
    r"""Weighs each task by a constant.

    $g = \sum_t w_t g_t$ on the shared variables. Private variables get their task's plain gradient; to scale those as
    well, use `loss_weights` of `compile`. A weight of 0 makes a task a probe: it learns from the shared variables and
    does not form them.

    Args:
        weights: `{task: weight}` with every task, or a list in the order of the tasks; weights are not negative. By
            default each is 1, which is the plain sum.
        task_weights: Another name of `weights`. It is the attribute's name: an object's `weights` is its method.
        parts: See `Balancer`. Makes no difference to this method.

    Raises:
        ValueError: If a weight is negative or not finite, or both names are used. When the tasks are known, in
            `for_tasks`: if a name is no task or a task has no weight.

    Example:
        >>> balancer = Fixed(weights={"like": 0.2, "click": 1.0}).for_tasks(["click", "like"])
        >>> weights, _ = balancer.weights(tf.eye(2)[tf.newaxis], losses=tf.ones(2), state={})
        >>> weights.numpy().tolist()
        [[1.0, 0.2]]
    """

    task_weights: TaskValues | None = None

    needs: ClassVar[str] = "losses"

    def __init__(
        self, *, weights: TaskValues | None = None, task_weights: TaskValues | None = None, parts: Parts = "all"
    ) -> None:
        if weights is not None and task_weights is not None:
            raise ValueError("Fixed: weights and task_weights are the same thing; give one of them")
        given = task_weights if weights is None else weights
        object.__setattr__(self, "task_weights", task_values("Fixed", "weights", given, low=0))
        object.__setattr__(self, "parts", parts)
        self.__post_init__()

    def for_tasks(self, tasks: Sequence[str]) -> Fixed:
        """See `Balancer.for_tasks`."""
        return dataclasses.replace(self, task_weights=in_task_order("Fixed", "weights", self.task_weights, tasks))

    def weights(self, gram, losses, state, seed=None):
        """See `Balancer.weights`."""
        weights = tf.ones_like(norms_of(gram)) * active_tasks(gram)
        if self.task_weights is not None:
            check_length("Fixed", "weights", self.task_weights, gram.shape[-1])
            weights *= tf.constant(self.task_weights, tf.float64)
        return weights, state
