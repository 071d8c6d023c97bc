"""DB-MTL: gradients of the logarithms of the losses, all of the largest norm among them."""

import dataclasses
from typing import ClassVar

import tensorflow as tf

from tf_gradcraft.balancing.base import Balancer, active_tasks, norms_of
from tf_gradcraft.balancing.positive_losses import positive_losses
from tf_gradcraft.linalg import safe_divide

SMALLEST_LOSS = 1e-8


@dataclasses.dataclass(frozen=True, kw_only=True)
class DBMTL(Balancer):
    r"""Balances the losses by their logarithms and the gradients by their norms.

    The gradient of $\log L_t$ is $g_t / L_t$. All of them are brought to the norm of the largest, and added up:
    $w_t = \frac{1}{n_t} \max_s \frac{n_s}{L_s}$, so that the update does not depend on the scale of any loss.

    A loss below 1e-8 counts as 1e-8. With one task alone there is nothing to balance: it keeps its plain gradient.
    Two things differ from the paper. Private variables get the plain gradient of their task's loss, not that of its
    logarithm. And the paper's moving average of whole gradients is left out; it is no function of the Gram matrix.

    Paper: Lin et al., "Dual-Balancing for Multi-Task Learning", 2023, arXiv 2308.12029.

    Args:
        parts: How the shared variables are grouped, see `Balancer`. The paper balances all at once.

    Raises:
        tf.errors.InvalidArgumentError: If a loss is negative (not under XLA).

    Example:
        >>> gram = tf.linalg.diag(tf.constant([[4.0, 1.0]]))
        >>> weights, _ = DBMTL().weights(gram, losses=tf.constant([4.0, 0.5]), state={})
        >>> weights.numpy().tolist()
        [[1.0, 2.0]]
    """

    needs: ClassVar[str] = "norms"

    def weights(self, gram, losses, state, seed=None):
        """See `Balancer.weights`."""
        norms = norms_of(gram)
        active = active_tasks(gram)
        relative = norms / tf.maximum(positive_losses("DBMTL", losses, active), SMALLEST_LOSS)
        weights = safe_divide(tf.reduce_max(relative, axis=-1, keepdims=True), norms)
        return tf.where(tf.reduce_sum(active) < 2, tf.cast(norms > 0, tf.float64), weights), state
