"""IMTL-G: an update of equal projection on every task gradient."""

import dataclasses

import tensorflow as tf

from tf_gradcraft.balancing.base import Balancer, norms_of
from tf_gradcraft.balancing.cosines import equal_cosines
from tf_gradcraft.linalg import safe_divide

VANISHED = 1e-10
"""A sum of weights below this times the sum of their sizes is taken for zero."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class IMTLG(Balancer):
    r"""Weighs the tasks so that the update has the same projection on each of their gradients.

    $\langle g, g_t / n_t \rangle$ is the same for all tasks and $\sum_t w_t = 1$: with the cosines C of the gradients,
    $c = C^+ 1$ and $w_t = \frac{c_t / n_t}{\sum_s c_s / n_s}$, and 0 where that sum vanishes. For independent gradients
    that is $A^{-1} n / (1^\top A^{-1} n)$. For dependent ones the pseudo-inverse of C makes the projections as equal as
    they can be, each task counting alike; $A^+ n$ would leave the tasks of small gradients out.

    The weights may be negative. Where the sum of the $c_s / n_s$ is negative too, the common projection is negative:
    the update then *climbs* every loss. That is what the equation says; watch for it.

    Paper: Liu et al., "Towards Impartial Multi-task Learning", ICLR 2021.

    Args:
        parts: How the shared variables are grouped, see `Balancer`. The paper balances all at once.

    Example:
        >>> gram = tf.linalg.diag(tf.constant([[9.0, 1.0]]))
        >>> weights, _ = IMTLG().weights(gram, losses=tf.ones(2), state={})
        >>> weights.numpy().round(6).tolist()
        [[0.25, 0.75]]
    """

    def weights(self, gram, losses, state, seed=None):
        """See `Balancer.weights`."""
        combination, _ = equal_cosines(gram)
        weights = safe_divide(combination, norms_of(gram))
        total = tf.reduce_sum(weights, axis=-1, keepdims=True)
        vanishes = tf.abs(total) <= VANISHED * tf.reduce_sum(tf.abs(weights), axis=-1, keepdims=True)
        return safe_divide(weights, tf.where(vanishes, tf.zeros_like(total), total)), state
