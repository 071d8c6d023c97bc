"""Nash-MTL: the bargaining solution between the tasks."""

import dataclasses

import tensorflow as tf

from tf_gradcraft.balancing.base import Balancer, plain_if_alone
from tf_gradcraft.linalg import fair_weights


@dataclasses.dataclass(frozen=True, kw_only=True)
class NashMTL(Balancer):
    r"""Gives each task the update's product with its gradient in inverse proportion to its weight.

    $A w = 1 / w$, $w > 0$: the update with the largest product of the tasks' gains $\langle g, g_t \rangle$ among those
    of its length. It conflicts with no task and does not depend on how losses are scaled against each other. Its length
    is $\sqrt{T}$ whatever the gradients' is, so weights are of degree -1 in the loss scale: with an optimizer that is
    not invariant to it, as SGD, learning rates differ from those of other methods. A single task has weight 1.

    Where gradients cancel out there is no solution; weights then grow up to some $10^4$ times $1 / n_t$.

    Paper: Navon et al., "Multi-Task Learning as a Bargaining Game", ICML 2022, arXiv 2202.01017.

    Args:
        parts: How the shared variables are grouped, see `Balancer`.

    Example:
        >>> gram = tf.constant([[[4.0, 0.0], [0.0, 0.25]]])
        >>> weights, _ = NashMTL().weights(gram, losses=tf.ones(2), state={})
        >>> weights.numpy().round(4).tolist()
        [[0.5, 2.0]]
    """

    def weights(self, gram, losses, state, seed=None):
        """See `Balancer.weights`."""
        return plain_if_alone(fair_weights(tf.cast(gram, tf.float64)), gram), state
