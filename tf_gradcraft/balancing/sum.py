"""Sum of the task gradients."""

import dataclasses
from typing import ClassVar

import tensorflow as tf

from tf_gradcraft.balancing.base import Balancer, active_tasks, norms_of


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sum(Balancer):
    r"""Adds the task gradients up, as Keras does.

    $g = \sum_t g_t$. `balancing="sum"` and `balancing=None` are the same thing: plain Keras training.

    Args:
        parts: See `Balancer`. Makes no difference to this method.

    Example:
        >>> weights, _ = Sum().weights(tf.eye(2)[tf.newaxis], losses=tf.ones(2), state={})
        >>> weights.numpy().tolist()
        [[1.0, 1.0]]
    """

    needs: ClassVar[str] = "losses"

    def weights(self, gram, losses, state, seed=None):
        """See `Balancer.weights`."""
        return tf.ones_like(norms_of(gram)) * active_tasks(gram), state
