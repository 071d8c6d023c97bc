"""Geometric loss strategy: descend on the geometric mean of the losses."""

import dataclasses
from typing import ClassVar

import tensorflow as tf

from tf_gradcraft.balancing.base import Balancer, active_tasks, norms_of
from tf_gradcraft.balancing.positive_losses import positive_losses
from tf_gradcraft.linalg import safe_divide


@dataclasses.dataclass(frozen=True, kw_only=True)
class GLS(Balancer):
    r"""Takes the gradient of the geometric mean of the losses.

    $L = \left(\prod_t L_t\right)^{1/T}$, so $w_t = L / (T L_t)$: what counts is the relative decrease of each loss, and
    scaling one loss changes the length of the update and not its direction. Only the gradient of the shared variables
    is weighed; in the paper the towers follow the geometric mean too.

    Paper: Chennupati et al., "MultiNet++: Multi-Stream Feature Aggregation and Geometric Loss Strategy for Multi-Task
    Learning", CVPR Workshops 2019, arXiv 1904.08492.

    Args:
        parts: See `Balancer`. Makes no difference to this method.

    Raises:
        tf.errors.InvalidArgumentError: In `weights`, if a loss is negative (not under XLA).

    Example:
        >>> weights, _ = GLS().weights(tf.eye(2)[tf.newaxis], losses=tf.constant([4.0, 1.0]), state={})
        >>> weights.numpy().round(6).tolist()
        [[0.25, 1.0]]
    """

    needs: ClassVar[str] = "losses"

    def weights(self, gram, losses, state, seed=None):
        """See `Balancer.weights`."""
        active = active_tasks(gram)
        logs = tf.math.log(positive_losses("GLS", losses, active))
        share = safe_divide(active, tf.reduce_sum(active))
        weights = share * tf.exp(tf.reduce_sum(share * logs) - logs)
        return tf.ones_like(norms_of(gram)) * weights, state
