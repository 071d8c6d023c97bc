"""ConFIG: the direction that has the same cosine to every task gradient."""

import dataclasses

import tensorflow as tf

from tf_gradcraft.balancing.base import Balancer, norms_of
from tf_gradcraft.balancing.cosines import equal_cosines
from tf_gradcraft.linalg import safe_divide


@dataclasses.dataclass(frozen=True, kw_only=True)
class ConFIG(Balancer):
    r"""Goes in the direction of equal cosine to all task gradients, as far as they reach that way together.

    With the unit gradients U (rows $g_t / n_t$) and their cosines $C = U U^\top$, $c = C^+ 1$: the direction is that of
    $d = U^\top c$, and the update $g = \left(\sum_t \langle g_t, \hat d \rangle\right) \hat d$ with
    $\hat d = d / \|d\|$, that is $w_t = \frac{c_t}{n_t} \cdot \frac{\sum_s n_s (C c)_s}{c^\top C c}$. For independent
    gradients $\langle g, g_t \rangle > 0$ for every task. Where the units add up to nothing, the update is zero.

    The direction is that of IMTL-G, without its sign; only the length differs.

    Paper: Liu et al., "ConFIG: Towards Conflict-free Training of Physics Informed Neural Networks", ICLR 2025,
    arXiv 2408.11104. Its version with momentum is left out.

    Args:
        parts: How the shared variables are grouped, see `Balancer`. The paper balances all at once.

    Example:
        >>> gram = tf.linalg.diag(tf.constant([[9.0, 1.0]]))
        >>> weights, _ = ConFIG().weights(gram, losses=tf.ones(2), state={})
        >>> weights.numpy().round(6).tolist()  # (3 + 1) / sqrt(2) along the diagonal
        [[0.666667, 2.0]]
    """

    def weights(self, gram, losses, state, seed=None):
        """See `Balancer.weights`."""
        combination, products = equal_cosines(gram)
        norms = norms_of(gram)
        square = tf.reduce_sum(combination * products, axis=-1, keepdims=True)
        reach = tf.reduce_sum(norms * products, axis=-1, keepdims=True)
        return safe_divide(reach, square) * safe_divide(combination, norms), state
