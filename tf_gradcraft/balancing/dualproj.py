"""DualProj: the mean of the task gradients, projected to conflict with none."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import tensorflow as tf

from tf_gradcraft.balancing.base import Balancer, norms_of
from tf_gradcraft.balancing.by_task import TaskValues, in_task_order, task_values
from tf_gradcraft.balancing.preference import preference_shares
from tf_gradcraft.linalg import bounded_qp


@dataclasses.dataclass(frozen=True, kw_only=True)
class DualProj(Balancer):
    r"""Projects the mean of the task gradients onto the cone of the directions that conflict with no task.

    $w = \arg\min_{v \ge p} v^T A v$: of all updates without conflict the one nearest to $\sum_t p_t g_t$. Where the
    mean conflicts with no task it stays as it is.

    Paper: Lopez-Paz and Ranzato, "Gradient Episodic Memory for Continual Learning", NeurIPS 2017, arXiv 1706.08840, for
    the projection; Quinton and Rey, arXiv 2406.16232, for the name.

    Args:
        preference: Preferences p of the tasks, not negative: `{task: value}`, or values in the order of the tasks;
            divided by their sum. By default alike, $p_t = 1 / T$.
        parts: How the shared variables are grouped, see `Balancer`.

    Raises:
        ValueError: If a preference is negative.

    Example:
        >>> conflict = tf.constant([[[1.0, -2.0], [-2.0, 16.0]]])
        >>> weights, _ = DualProj().weights(conflict, losses=tf.ones(2), state={})
        >>> weights.numpy().round(4).tolist()
        [[1.0, 0.5]]
    """

    preference: TaskValues | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "preference", task_values("DualProj", "preference", self.preference, low=0))

    def for_tasks(self, tasks: Sequence[str]) -> DualProj:
        """See `Balancer.for_tasks`."""
        return dataclasses.replace(self, preference=in_task_order("DualProj", "preference", self.preference, tasks))

    def weights(self, gram, losses, state, seed=None):
        """See `Balancer.weights`."""
        gram = tf.cast(gram, tf.float64)
        least = preference_shares("DualProj", self.preference, gram) * tf.cast(norms_of(gram) > 0, tf.float64)
        return bounded_qp(gram, tf.zeros_like(least), least), state
