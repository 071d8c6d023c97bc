"""GradNorm: learned weights that give slow tasks larger gradients and fast tasks smaller ones."""

import dataclasses
from typing import ClassVar

import tensorflow as tf

from tf_gradcraft.balancing.adam import adam_init, adam_step
from tf_gradcraft.balancing.base import Balancer, active_tasks, check_above, check_range, norms_of
from tf_gradcraft.balancing.positive_losses import positive_losses
from tf_gradcraft.linalg import safe_divide

SMALLEST_WEIGHT = 1e-3
"""Weights are kept above this, which the paper leaves open: a step could make one negative."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class GradNorm(Balancer):
    r"""Learns weights that bring the tasks' gradient norms together, larger for tasks that learn slowly.

    With $G_t = w_t n_t$, its mean $\bar G$, and the relative inverse training rate
    $r_t = \frac{L_t / L_t(0)}{\mathrm{mean}_s\, L_s / L_s(0)}$, the weights minimise
    $\sum_t |G_t - \bar G\, r_t^\alpha|$, the target being a constant. This step's update takes the weights as they are;
    then they take a step of Adam and are scaled to add up to T again. They start at 1. $L_t(0)$ is the task's loss in
    its first step.

    The objective is divided by the mean norm, so that the scale of the losses does not matter. A task without gradient
    leaves its weight as it is; the weights of the others then add up to their number.

    Paper: Chen et al., "GradNorm: Gradient Normalization for Adaptive Loss Balancing in Deep Multitask Networks", ICML
    2018, arXiv 1711.02257, which takes the norms on the last shared layer; here they are those of a part.

    Args:
        alpha: How strongly slow tasks are favoured, in [0, 10]; 0 makes all norms equal.
        learning_rate: Learning rate of Adam on the weights, above 0.
        parts: How the shared variables are grouped, see `Balancer`. Each part has weights of its own.

    Raises:
        ValueError: If a hyper-parameter is out of range.

    Example:
        >>> balancer = GradNorm(learning_rate=0.1)
        >>> gram, losses = tf.linalg.diag(tf.constant([[4.0, 1.0]])), tf.ones(2)
        >>> _, state = balancer.weights(gram, losses, balancer.init(2))
        >>> weights, _ = balancer.weights(gram, losses, state)
        >>> weights.numpy().round(3).tolist()
        [[0.9, 1.1]]
    """

    alpha: float = 1.5
    learning_rate: float = 0.025

    needs: ClassVar[str] = "norms"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("GradNorm", "alpha", self.alpha, 0, 10)
        check_above("GradNorm", "learning_rate", self.learning_rate, 0)

    def init(self, num_tasks, num_parts=1):
        """Returns `task_weights` [P, T], ones, `first_losses` [T], 0 where not known, and the state of Adam."""
        shape = [num_parts, num_tasks]
        return {
            "task_weights": tf.ones(shape, tf.float64),
            "first_losses": tf.zeros([num_tasks], tf.float64),
            **adam_init(shape),
        }

    def weights(self, gram, losses, state, seed=None):
        """See `Balancer.weights`."""
        active = active_tasks(gram)
        losses = positive_losses("GradNorm", losses, active)
        unknown = (state["first_losses"] == 0) & (active > 0)
        first_losses = tf.where(unknown, losses, state["first_losses"])
        progress = active * safe_divide(losses, first_losses)
        rates = safe_divide(progress * tf.reduce_sum(active), tf.reduce_sum(progress))

        norms = norms_of(gram)
        present = tf.cast(norms > 0, tf.float64)
        total = _sum(present * state["task_weights"])
        weights = present * state["task_weights"] * safe_divide(_sum(present), total)
        weighted = weights * norms
        target = safe_divide(_sum(weighted), _sum(present)) * tf.pow(rates, self.alpha)
        relative = safe_divide(norms * _sum(present), _sum(norms))
        change, adam = adam_step(relative * tf.sign(weighted - target), state, present, self.learning_rate)

        moved = present * tf.maximum(state["task_weights"] + change, SMALLEST_WEIGHT)
        scaled = moved * safe_divide(total, _sum(moved))
        task_weights = tf.where(present > 0, scaled, state["task_weights"])
        return weights, {"task_weights": task_weights, "first_losses": first_losses, **adam}


def _sum(by_task: tf.Tensor) -> tf.Tensor:
    """Sums over the tasks of each part: [P, T] to [P, 1]."""
    return tf.reduce_sum(by_task, axis=-1, keepdims=True)
