"""Mean of the task gradients (equal weighting)."""

import dataclasses
from typing import ClassVar

import tensorflow as tf

from tf_gradcraft.balancing.base import Balancer, active_tasks, norms_of
from tf_gradcraft.linalg import safe_divide


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mean(Balancer):
    r"""Weighs every task alike.

    $g = \frac{1}{T} \sum_t g_t$. The baseline ("EW") of the GradCraft and MetaBalance papers.

    Args:
        parts: See `Balancer`. Makes no difference to this method.

    Example:
        >>> weights, _ = Mean().weights(tf.eye(2)[tf.newaxis], losses=tf.ones(2), state={})
        >>> weights.numpy().tolist()
        [[0.5, 0.5]]
    """

    needs: ClassVar[str] = "losses"

    def weights(self, gram, losses, state, seed=None):
        """See `Balancer.weights`."""
        active = active_tasks(gram)
        return tf.ones_like(norms_of(gram)) * safe_divide(active, tf.reduce_sum(active)), state
