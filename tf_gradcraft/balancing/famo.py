"""FAMO: weights that make all losses fall at the same relative speed, learned from the losses alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import ClassVar

import tensorflow as tf

from tf_gradcraft.balancing.adam import adam_init, adam_step
from tf_gradcraft.balancing.base import Balancer, active_tasks, check_above, check_range, norms_of
from tf_gradcraft.balancing.by_task import TaskValues, check_length, in_task_order, task_values
from tf_gradcraft.balancing.task_softmax import task_softmax
from tf_gradcraft.linalg import safe_divide

SMALLEST_EXCESS = 1e-8


@dataclasses.dataclass(frozen=True, kw_only=True)
class FAMO(Balancer):
    r"""Learns weights under which the logarithms of all losses fall alike.

    With $z = \mathrm{softmax}(\xi)$, from $\xi = 0$, and $D_t = L_t - L^{\min}_t + 10^{-8}$, the weights are
    $w_t = z_t / (c\, D_t)$ with $c = \sum_t z_t / D_t$: they add up to 1. After the update the model is run once more
    on the *same batch*: $\delta_t$ is by how much $\log D_t$ fell, and $\xi$ takes a step of Adam on
    $z_t (\delta_t - z^\top \delta) + \gamma\, \xi_t$: tasks that fell fast lose weight.

    A task without labelled row leaves its $\xi_t$ as it is. Only the gradient of the shared variables is weighed; the
    paper weighs the towers too.

    Paper: Liu et al., "FAMO: Fast Adaptive Multitask Optimization", NeurIPS 2023, arXiv 2306.03792.

    Args:
        learning_rate: Learning rate of Adam on $\xi$, above 0.
        weight_decay: $\gamma$, in [0, 1]: how fast old steps are forgotten.
        min_losses: The smallest value that each loss can have: `{task: value}` or a list in the order of the tasks; 0
            by default.
        parts: See `Balancer`. Makes no difference to this method.

    Raises:
        ValueError: If a hyper-parameter is out of range. When the tasks are known, in `for_tasks`: if a name is no task
            or a task has no value.

    Example:
        >>> balancer = FAMO(learning_rate=0.1)
        >>> losses = tf.constant([1.0, 3.0])
        >>> weights, state = balancer.weights(tf.eye(2)[tf.newaxis], losses, balancer.init(2))
        >>> weights.numpy().round(3).tolist()
        [[0.75, 0.25]]
        >>> state = balancer.after_update(losses, tf.constant([0.5, 2.9]), state)
        >>> state["logits"].numpy().round(3).tolist()
        [-0.1, 0.1]
    """

    learning_rate: float = 0.025
    weight_decay: float = 1e-3
    min_losses: TaskValues | None = None

    needs: ClassVar[str] = "losses"
    looks_back: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_above("FAMO", "learning_rate", self.learning_rate, 0)
        check_range("FAMO", "weight_decay", self.weight_decay, 0, 1)
        object.__setattr__(self, "min_losses", task_values("FAMO", "min_losses", self.min_losses))

    def for_tasks(self, tasks: Sequence[str]) -> FAMO:
        """See `Balancer.for_tasks`."""
        return dataclasses.replace(self, min_losses=in_task_order("FAMO", "min_losses", self.min_losses, tasks))

    def init(self, num_tasks, num_parts=1):
        """Returns `logits` [T], zeros, and the state of Adam."""
        return {"logits": tf.zeros([num_tasks], tf.float64), **adam_init([num_tasks])}

    def weights(self, gram, losses, state, seed=None):
        """See `Balancer.weights`."""
        active = active_tasks(gram)
        speeds = task_softmax(state["logits"], active) / self._excess(losses)
        return tf.ones_like(norms_of(gram)) * safe_divide(speeds, tf.reduce_sum(speeds)), state

    def after_update(self, losses, losses_after, state):
        """See `Balancer.after_update`."""
        active = tf.cast(tf.cast(losses, tf.float64) != 0, tf.float64)
        shares = task_softmax(state["logits"], active)
        fall = active * tf.math.log(self._excess(losses) / self._excess(losses_after))
        gradient = shares * (fall - tf.reduce_sum(shares * fall)) + self.weight_decay * state["logits"]
        change, adam = adam_step(gradient, state, active, self.learning_rate)
        return {"logits": state["logits"] + change, **adam}

    def _excess(self, losses: tf.Tensor) -> tf.Tensor:
        """Returns how far the losses are above the smallest they can be, [T]."""
        losses = tf.cast(losses, tf.float64)
        if self.min_losses is not None:
            check_length("FAMO", "min_losses", self.min_losses, losses.shape[0])
            losses -= tf.constant(self.min_losses, tf.float64)
        return tf.maximum(losses, 0) + SMALLEST_EXCESS
