"""Mean losses of an epoch, kept in a balancer's state."""

import tensorflow as tf

from tf_gradcraft.balancing.base import State
from tf_gradcraft.linalg import safe_divide


def means_init(num_tasks: int) -> State:
    """Returns the state at the start of an epoch: `loss_sum` and `loss_count` [T], zeros."""
    zeros = tf.zeros([num_tasks], tf.float64)
    return {"loss_sum": zeros, "loss_count": zeros}


def with_losses(state: State, losses: tf.Tensor, active: tf.Tensor) -> State:
    """Returns the state with the losses [T] of one more step; only those of active tasks count.

    Example:
        >>> state = with_losses(means_init(2), tf.constant([3.0, 1.0], tf.float64), tf.constant([1.0, 0.0], tf.float64))
        >>> means, seen, _ = epoch_means(state)
        >>> means.numpy().tolist(), seen.numpy().tolist()
        ([3.0, 0.0], [True, False])
    """
    return {
        **state,
        "loss_sum": state["loss_sum"] + active * losses,
        "loss_count": state["loss_count"] + active,
    }


def epoch_means(state: State) -> tuple[tf.Tensor, tf.Tensor, State]:
    """Returns the mean losses [T] of the epoch, which tasks [T] had any, and the state emptied for the next epoch."""
    means = safe_divide(state["loss_sum"], state["loss_count"])
    zeros = tf.zeros_like(means)
    return means, state["loss_count"] > 0, {**state, "loss_sum": zeros, "loss_count": zeros}
