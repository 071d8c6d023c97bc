"""Random loss weighting: new random weights in each step."""

import dataclasses
from typing import ClassVar

import numpy as np
import tensorflow as tf

from tf_gradcraft.balancing.base import Balancer, active_tasks, norms_of
from tf_gradcraft.balancing.task_softmax import task_softmax


@dataclasses.dataclass(frozen=True, kw_only=True)
class RLW(Balancer):
    r"""Weighs the tasks by the softmax of a normal draw, new in each step.

    $w = \mathrm{softmax}(z)$ with $z_t \sim N(0, 1)$: the weights add up to 1 and are equal on average. A baseline that
    shows what noise alone brings.

    Paper: Lin et al., "Reasonable Effectiveness of Random Weighting: A Litmus Test for Multi-Task Learning", TMLR 2022,
    arXiv 2111.10603.

    Args:
        seed: Seed of the draws. They come from a counter in the state: equal seeds, equal runs.
        parts: See `Balancer`. Makes no difference to this method.

    Example:
        >>> balancer = RLW(seed=1)
        >>> weights, _ = balancer.weights(tf.eye(3)[tf.newaxis], losses=tf.ones(3), state=balancer.init(3))
        >>> bool(tf.reduce_all(weights > 0)), round(float(tf.reduce_sum(weights)), 6)
        (True, 1.0)
    """

    seed: int = 0

    needs: ClassVar[str] = "losses"

    def init(self, num_tasks, num_parts=1):
        """Returns `{"seed": int64 [2]}`: the seed and the number of steps so far."""
        return {"seed": tf.constant([self.seed, 0], tf.int64)}

    def weights(self, gram, losses, state, seed=None):
        """See `Balancer.weights`."""
        draws = normal_draws(state["seed"] if seed is None else seed, gram.shape[-1])
        return self.weights_of_draws(gram, draws), {"seed": state["seed"] + tf.constant([0, 1], tf.int64)}

    def weights_of_draws(self, gram: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
        """Returns the weights [P, T] for given draws [T]."""
        return tf.ones_like(norms_of(gram)) * task_softmax(tf.cast(draws, tf.float64), active_tasks(gram))


def normal_draws(seed: tf.Tensor, count: int) -> tf.Tensor:
    """Returns standard normal numbers [count], float64: the same in eager mode, in the graph and under XLA.

    Args:
        seed: int64 [2].
        count: How many.

    Example:
        >>> normal_draws(tf.constant([3, 0], tf.int64), 2).shape.as_list()
        [2]
    """
    # Whole-range integers are the only draws that are the same everywhere; Box and Muller make normal ones of them.
    integers = tf.random.stateless_uniform([2, count], seed, minval=None, maxval=None, dtype=tf.int64, alg="philox")
    uniform = tf.cast(integers, tf.float64) * 2.0**-64 + 0.5
    radius = tf.sqrt(-2 * tf.math.log(tf.clip_by_value(uniform[0], 2.0**-64, 1.0)))
    return radius * tf.cos(2 * np.pi * uniform[1])
