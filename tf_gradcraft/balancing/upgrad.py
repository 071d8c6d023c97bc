"""UPGrad: each task gradient projected to conflict with none, then averaged."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import tensorflow as tf

from tf_gradcraft.balancing.base import Balancer, norms_of
from tf_gradcraft.balancing.by_task import TaskValues, in_task_order, task_values
from tf_gradcraft.balancing.preference import preference_shares
from tf_gradcraft.linalg import nonnegative_qp


@dataclasses.dataclass(frozen=True, kw_only=True)
class UPGrad(Balancer):
    r"""Projects each task gradient onto the cone of the directions that conflict with no task, and averages.

    The projection of $p_i g_i$ is $\sum_k v_k g_k$ with $v = \arg\min_{v \ge p_i e_i} v^T A v$; w adds these v up.
    A gradient counts in proportion to its length, as in the mean, and the update conflicts with no task.

    Paper: Quinton and Rey, "Jacobian Descent for Multi-Objective Optimization", 2024, arXiv 2406.16232.

    Args:
        preference: Preferences p of the tasks, not negative: `{task: value}`, or values in the order of the tasks;
            divided by their sum. By default alike, $p_i = 1 / T$.
        parts: How the shared variables are grouped, see `Balancer`.

    Raises:
        ValueError: If a preference is negative.

    Example:
        >>> conflict = tf.constant([[[1.0, -0.5], [-0.5, 4.0]]])
        >>> weights, _ = UPGrad().weights(conflict, losses=tf.ones(2), state={})
        >>> weights.numpy().round(4).tolist()
        [[0.75, 0.5625]]
    """

    preference: TaskValues | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "preference", task_values("UPGrad", "preference", self.preference, low=0))

    def for_tasks(self, tasks: Sequence[str]) -> UPGrad:
        """See `Balancer.for_tasks`."""
        return dataclasses.replace(self, preference=in_task_order("UPGrad", "preference", self.preference, tasks))

    def weights(self, gram, losses, state, seed=None):
        """See `Balancer.weights`."""
        gram = tf.cast(gram, tf.float64)
        own = preference_shares("UPGrad", self.preference, gram) * tf.cast(norms_of(gram) > 0, tf.float64)
        # Row i is what the projection adds to task i's gradient.
        added = nonnegative_qp(gram[:, tf.newaxis], gram)
        return own + tf.linalg.matvec(added, own, transpose_a=True), state
