"""Uncertainty weighting: each task's weight is the inverse of a variance that is learned along."""

import dataclasses
from typing import ClassVar

import tensorflow as tf

from tf_gradcraft.balancing.adam import adam_init, adam_step
from tf_gradcraft.balancing.base import Balancer, active_tasks, check_above, norms_of


@dataclasses.dataclass(frozen=True, kw_only=True)
class UncertaintyWeighting(Balancer):
    r"""Learns a log-variance a task and weighs the task by the inverse of its variance.

    With $s_t = \log \sigma_t^2$, from $s = 0$, it minimises $\sum_t e^{-s_t} L_t + s_t / 2$, the paper's form for
    classification, by $s$ as well: $w_t = e^{-s_t}$, and $s$ takes a step of Adam on $1/2 - e^{-s_t} L_t$. At rest
    $w_t = 1 / (2 L_t)$: every task has the same weighted loss. A weight is the one before the step, so the first is 1.

    A task without labelled row leaves its log-variance as it is. Only the gradient of the shared variables is weighed;
    the paper weighs the towers too.

    Paper: Kendall, Gal and Cipolla, "Multi-Task Learning Using Uncertainty to Weigh Losses for Scene Geometry and
    Semantics", CVPR 2018, arXiv 1705.07115.

    Args:
        learning_rate: Learning rate of Adam on the log-variances, above 0.
        parts: See `Balancer`. Makes no difference to this method.

    Raises:
        ValueError: If the learning rate is not above 0.

    Example:
        >>> balancer = UncertaintyWeighting(learning_rate=0.1)
        >>> _, state = balancer.weights(tf.eye(2)[tf.newaxis], tf.constant([4.0, 0.1]), balancer.init(2))
        >>> weights, _ = balancer.weights(tf.eye(2)[tf.newaxis], tf.constant([4.0, 0.1]), state)
        >>> weights.numpy().round(3).tolist()
        [[0.905, 1.105]]
    """

    learning_rate: float = 1e-3

    needs: ClassVar[str] = "losses"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_above("UncertaintyWeighting", "learning_rate", self.learning_rate, 0)

    def init(self, num_tasks, num_parts=1):
        """Returns `log_variances` [T], zeros, and the state of Adam."""
        return {"log_variances": tf.zeros([num_tasks], tf.float64), **adam_init([num_tasks])}

    def weights(self, gram, losses, state, seed=None):
        """See `Balancer.weights`."""
        active = active_tasks(gram)
        weights = active * tf.exp(-state["log_variances"])
        gradient = 0.5 - weights * tf.cast(losses, tf.float64)
        change, adam = adam_step(gradient, state, active, self.learning_rate)
        new = {"log_variances": state["log_variances"] + change, **adam}
        return tf.ones_like(norms_of(gram)) * weights, new
