"""Unit gradients: their cosines, and the direction that has the same cosine to all."""

import tensorflow as tf

from tf_gradcraft.balancing.base import norms_of
from tf_gradcraft.linalg import pseudo_solve, safe_divide

VANISHED = 1e-24
"""A squared length below this, of a combination of unit vectors that would be of length 1 or so, is rounding."""


def cosines_of(gram: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the cosines of the task gradients and the inverses of their norms; 0 for a gradient of norm 0.

    Args:
        gram: Gram matrices [P, T, T].

    Returns:
        Cosines [P, T, T] and 1 / n [P, T], float64.

    Example:
        >>> cosines, inverse_norms = cosines_of(tf.constant([[[4.0, 1.0], [1.0, 1.0]]]))
        >>> cosines.numpy().tolist(), inverse_norms.numpy().tolist()
        ([[[1.0, 0.5], [0.5, 1.0]]], [[0.5, 1.0]])
    """
    inverse_norms = safe_divide(tf.ones([], tf.float64), norms_of(gram))
    scales = inverse_norms[:, :, tf.newaxis] * inverse_norms[:, tf.newaxis, :]
    return tf.cast(gram, tf.float64) * scales, inverse_norms


def equal_cosines(gram: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    r"""Returns the combination of the unit gradients that has the product 1 with each, or as near to it as can be.

    $c = C^+ 1$ with the cosines C, so that each task counts alike whatever the size of its gradient. Zero where
    no direction is nearer than none: the unit gradients are opposite pairs.

    Args:
        gram: Gram matrices [P, T, T].

    Returns:
        c [P, T], and the products C c [P, T] of that combination with the unit gradients, float64.

    Example:
        >>> combination, products = equal_cosines(tf.linalg.diag([[9.0, 1.0]]))
        >>> combination.numpy().round(6).tolist(), products.numpy().round(6).tolist()
        ([[1.0, 1.0]], [[1.0, 1.0]])
    """
    cosines, inverse_norms = cosines_of(gram)
    combination = pseudo_solve(cosines, tf.cast(inverse_norms > 0, tf.float64))
    products = tf.linalg.matvec(cosines, combination)
    exists = tf.reduce_sum(combination * products, axis=-1, keepdims=True) > VANISHED
    combination = tf.where(exists & (inverse_norms > 0), combination, tf.zeros_like(combination))
    return combination, tf.where(exists, products, tf.zeros_like(products))
