"""Dynamic weight average: tasks whose loss falls slowly from epoch to epoch get more weight."""

import dataclasses
from typing import ClassVar

import tensorflow as tf

from tf_gradcraft.balancing.base import Balancer, active_tasks, check_above, norms_of
from tf_gradcraft.balancing.epoch_means import epoch_means, means_init, with_losses
from tf_gradcraft.balancing.positive_losses import positive_losses
from tf_gradcraft.balancing.task_softmax import task_softmax
from tf_gradcraft.linalg import safe_divide


@dataclasses.dataclass(frozen=True, kw_only=True)
class DWA(Balancer):
    r"""Weighs each task by how slowly its mean loss fell between the last two epochs.

    With $\bar L_t(e)$ the mean over the steps of epoch e, $r_t = \bar L_t(e-1) / \bar L_t(e-2)$ and
    $w_t = T\, \mathrm{softmax}(r / \text{temperature})_t$. In the first two epochs $r_t = 1$ and all weights are 1.

    `fit` tells the balancer when an epoch ends; with `train_on_batch` call `model.end_epoch()`. Steps in which a task
    has no labelled row do not count for its mean; an epoch without any leaves its history as it is.

    Paper: Liu, Johns and Davison, "End-to-End Multi-Task Learning with Attention", CVPR 2019, arXiv 1803.10704, with a
    temperature of 2.

    Args:
        temperature: Above 0; the larger, the more alike the weights.
        parts: See `Balancer`. Makes no difference to this method.

    Raises:
        ValueError: If the temperature is not above 0.

    Example:
        >>> balancer = DWA()
        >>> state = balancer.init(2)
        >>> for losses in ([1.0, 1.0], [0.5, 1.0]):
        ...     _, state = balancer.weights(tf.eye(2)[tf.newaxis], tf.constant(losses), state)
        ...     state = balancer.end_epoch(state)
        >>> weights, _ = balancer.weights(tf.eye(2)[tf.newaxis], tf.ones(2), state)
        >>> weights.numpy().round(3).tolist()
        [[0.876, 1.124]]
    """

    temperature: float = 2.0

    needs: ClassVar[str] = "losses"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_above("DWA", "temperature", self.temperature, 0)

    def init(self, num_tasks, num_parts=1):
        """Returns sums and counts of this epoch's losses [T], and the means [T] of the last two epochs, 0 before."""
        unknown = tf.zeros([num_tasks], tf.float64)
        return {**means_init(num_tasks), "last": unknown, "before_last": unknown}

    def weights(self, gram, losses, state, seed=None):
        """See `Balancer.weights`."""
        active = active_tasks(gram)
        losses = positive_losses("DWA", losses, active)
        known = state["before_last"] > 0
        ratios = tf.where(known, safe_divide(state["last"], state["before_last"]), tf.ones_like(active))
        weights = tf.reduce_sum(active) * task_softmax(ratios / self.temperature, active)
        return tf.ones_like(norms_of(gram)) * weights, with_losses(state, losses, active)

    def end_epoch(self, state):
        """See `Balancer.end_epoch`."""
        means, seen, emptied = epoch_means(state)
        return {
            **emptied,
            "last": tf.where(seen, means, state["last"]),
            "before_last": tf.where(seen, state["last"], state["before_last"]),
        }
