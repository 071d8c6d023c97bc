"""The magnitude step of GradCraft: gradient norms moved towards the largest."""

import dataclasses
from typing import ClassVar

import tensorflow as tf

from tf_gradcraft.balancing.base import Balancer, check_range, norms_of
from tf_gradcraft.linalg import safe_divide


def magnitude_scales(norms: tf.Tensor, tau: float, target: tf.Tensor | None = None) -> tf.Tensor:
    r"""Returns the factors $s_t = \tau M / n_t + (1 - \tau)$; 0 for a gradient of norm 0, and 1 for all if M is 0.

    Args:
        norms: Gradient norms n [P, T], float64.
        tau: How far the norms move towards M, in [0, 1].
        target: The norm M [P, 1], float64; by default the largest.

    Returns:
        Factors s [P, T], float64.

    Example:
        >>> magnitude_scales(tf.constant([[4.0, 1.0, 0.0]], tf.float64), tau=0.5).numpy().tolist()
        [[1.0, 2.5, 0.0]]
    """
    if target is None:
        target = tf.reduce_max(norms, axis=-1, keepdims=True)
    ratio = tf.where(target > 0, safe_divide(target, norms), tf.ones_like(norms))
    return tf.cast(norms > 0, norms.dtype) * (tau * ratio + (1 - tau))


def scaled_gram(gram: tf.Tensor, scales: tf.Tensor) -> tf.Tensor:
    """Returns the Gram matrices diag(s) A diag(s) [P, T, T] of the gradients times s [P, T], in float64."""
    return tf.cast(gram, tf.float64) * scales[:, :, tf.newaxis] * scales[:, tf.newaxis, :]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Magnitude(Balancer):
    r"""Moves all gradient norms towards the largest, and leaves the directions alone.

    $w_t = \tau M / n_t + (1 - \tau)$ with $M = \max_t n_t$: the first step of GradCraft. Made to be the first member of
    a `Chain`; by itself it is the sum of gradients of more equal size.

    Paper: Bai et al., "GradCraft: Elevating Multi-task Recommendations through Holistic Gradient Crafting", KDD 2024,
    arXiv 2407.19682.

    Args:
        tau: How far the norms move towards the largest, in [0, 1]: 0 keeps them, 1 makes them equal.
        parts: How the shared variables are grouped, see `Balancer`.

    Raises:
        ValueError: If `tau` is out of range.

    Example:
        >>> weights, _ = Magnitude(tau=1.0).weights(tf.linalg.diag([[16.0, 1.0]]), losses=tf.ones(2), state={})
        >>> weights.numpy().tolist()
        [[1.0, 4.0]]
    """

    tau: float = 0.5

    needs: ClassVar[str] = "norms"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("Magnitude", "tau", self.tau, 0, 1)

    def weights(self, gram, losses, state, seed=None):
        """See `Balancer.weights`."""
        return magnitude_scales(norms_of(gram), self.tau), state
