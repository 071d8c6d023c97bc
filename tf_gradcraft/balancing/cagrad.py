"""CAGrad: the update near the mean gradient that serves the worst-off task best."""

import dataclasses

import tensorflow as tf

from tf_gradcraft.balancing.base import Balancer, active_tasks, norms_of, plain_if_alone
from tf_gradcraft.linalg import nonnegative_qp, safe_divide
from tf_gradcraft.suggestions import unknown_name

RESCALES = ("none", "linear", "square")

MOST_STEPS = 30
"""Newton steps; four to eight are usual."""

ENOUGH = 1e-12
"""Relative error of the radius at which Newton stops."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class CAGrad(Balancer):
    r"""Maximises the smallest gain $\min_t \langle d, g_t \rangle$ among the d within $c \|g_0\|$ of the mean gradient.

    With $b = 1/T$, $g_0 = \sum_t b_t g_t$ and $k = c \|g_0\|$: $x^* = \arg\min_x x^T A b + k \sqrt{x^T A x}$ over the
    simplex, $w = b + (k / \sqrt{x^{*T} A x^*})\, x^*$. c = 0 is the mean; the nearer to 1, the more the worst-off task
    decides. Conflicts may remain.

    How it is solved: with $y = w - b$ the conditions of the optimum say that y minimises
    $\frac12 y^T A y + (A b - \lambda 1)^T y$ over $y \ge 0$, where the smallest gain $\lambda$ is such that
    $\sqrt{y^T A y} = k$. That length is a convex function of $\lambda$ (the distance from $g_0$ to the vectors of gain
    $\lambda$), so Newton's method from above goes straight down to it; each step is one exact quadratic program.

    A single task has weight 1.

    Paper: Liu et al., "Conflict-Averse Gradient Descent for Multi-task Learning", NeurIPS 2021, arXiv 2110.14048, which
    searched c in {.1, .2, ..., .9}.

    Args:
        c: Radius around the mean gradient, relative to its length, in [0, 1).
        rescale: What the weights are divided by, so that the step does not grow with c: `"none"`: 1; `"linear"`: 1 + c;
            `"square"`: 1 + c^2.
        parts: How the shared variables are grouped, see `Balancer`.

    Raises:
        ValueError: If c is out of range or the rescaling is not known.

    Example:
        >>> gram = tf.constant([[[1.0, 0.0], [0.0, 1.0]]])
        >>> weights, _ = CAGrad(c=0.5).weights(gram, losses=tf.ones(2), state={})
        >>> weights.numpy().round(4).tolist()
        [[0.75, 0.75]]
    """

    c: float = 0.4
    rescale: str = "none"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.c < 1:
            raise ValueError(f"CAGrad: c={self.c!r} is out of range; it must be in [0, 1)")
        if self.rescale not in RESCALES:
            raise ValueError("CAGrad: " + unknown_name("rescale", self.rescale, RESCALES))

    def weights(self, gram, losses, state, seed=None):
        """See `Balancer.weights`."""
        gram = tf.cast(gram, tf.float64)
        norms = norms_of(gram)
        present = norms > 0
        active = active_tasks(gram)
        mean = safe_divide(active, tf.reduce_sum(active)) * tf.cast(present, tf.float64)
        gains_of_mean = tf.linalg.matvec(gram, mean)
        radius = self.c * length_of(mean, gram)

        # No task can gain more than the whole radius spent on it alone.
        most = gains_of_mean + radius * norms
        most = tf.where(present, most, tf.reduce_max(most, axis=-1, keepdims=True))
        gain = tf.reduce_min(most, axis=-1, keepdims=True)

        def newton(_, gain, change):
            change = nonnegative_qp(gram, gains_of_mean - gain, start=change > 0)
            length = length_of(change, gram)
            slope = safe_divide(tf.reduce_sum(change, axis=-1, keepdims=True), length)
            excess = length - radius
            return tf.reduce_any(excess > ENOUGH * radius), gain - safe_divide(excess, slope), change

        state_of_loop = (tf.constant(True), gain, tf.zeros_like(norms))
        *_, change = tf.while_loop(lambda go, *_: go, newton, state_of_loop, maximum_iterations=MOST_STEPS)
        weights = mean + change * safe_divide(radius, length_of(change, gram))
        weights /= {"none": 1.0, "linear": 1 + self.c, "square": 1 + self.c**2}[self.rescale]
        return plain_if_alone(weights, gram), state


def length_of(weights: tf.Tensor, gram: tf.Tensor) -> tf.Tensor:
    """Returns the length [P, 1] of the combination that weights [P, T] make of the gradients."""
    square = tf.reduce_sum(weights * tf.linalg.matvec(gram, weights), axis=-1, keepdims=True)
    return tf.sqrt(tf.maximum(square, 0))
