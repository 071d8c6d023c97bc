"""IMTL-L: learned scales that bring all losses to the same size."""

import dataclasses
from typing import ClassVar

import tensorflow as tf

from tf_gradcraft.balancing.adam import adam_init, adam_step
from tf_gradcraft.balancing.base import Balancer, active_tasks, check_above, norms_of


@dataclasses.dataclass(frozen=True, kw_only=True)
class IMTLL(Balancer):
    r"""Learns a scale a task that brings its loss to 1.

    With $s_t$ from 0, it minimises $\sum_t e^{s_t} L_t - s_t$ by $s$ as well: $w_t = e^{s_t}$, and $s$ takes a step of
    Adam on $e^{s_t} L_t - 1$. At rest $w_t = 1 / L_t$: every scaled loss is 1. A weight is the one before the step, so
    the first is 1.

    A task without labelled row leaves its scale as it is. Only the gradient of the shared variables is weighed; the
    paper weighs the towers too.

    Paper: Liu et al., "Towards Impartial Multi-task Learning", ICLR 2021, where the scales learn at the rate of the
    network, by its optimizer.

    Args:
        learning_rate: Learning rate of Adam on the scales, above 0.
        parts: See `Balancer`. Makes no difference to this method.

    Raises:
        ValueError: If the learning rate is not above 0.

    Example:
        >>> balancer = IMTLL(learning_rate=0.1)
        >>> _, state = balancer.weights(tf.eye(2)[tf.newaxis], tf.constant([4.0, 0.1]), balancer.init(2))
        >>> weights, _ = balancer.weights(tf.eye(2)[tf.newaxis], tf.constant([4.0, 0.1]), state)
        >>> weights.numpy().round(3).tolist()
        [[0.905, 1.105]]
    """

    learning_rate: float = 1e-3

    needs: ClassVar[str] = "losses"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_above("IMTLL", "learning_rate", self.learning_rate, 0)

    def init(self, num_tasks, num_parts=1):
        """Returns `log_scales` [T], zeros, and the state of Adam."""
        return {"log_scales": tf.zeros([num_tasks], tf.float64), **adam_init([num_tasks])}

    def weights(self, gram, losses, state, seed=None):
        """See `Balancer.weights`."""
        active = active_tasks(gram)
        weights = active * tf.exp(state["log_scales"])
        gradient = weights * tf.cast(losses, tf.float64) - 1
        change, adam = adam_step(gradient, state, active, self.learning_rate)
        new = {"log_scales": state["log_scales"] + change, **adam}
        return tf.ones_like(norms_of(gram)) * weights, new
