"""Division that knows zero, and the solution of a part of a symmetric system that a mask picks."""

import tensorflow as tf

SMALLEST_PIVOT = 1e-14
"""A squared pivot below this times T, on a unit diagonal, is rounding: the system is taken for singular."""

RELATIVE_RIDGE = 1e-8
"""What is added to the unit diagonal of a singular system, and there alone."""


def safe_divide(numerator, denominator):
    """Returns numerator / denominator, and 0 where the denominator is 0."""
    return tf.math.divide_no_nan(numerator, denominator)


def masked_solve(matrix, right_side, mask):
    r"""Solves the rows and columns of a Gram matrix that a mask picks, one system a mask.

    For each leading index it solves $K[C, C]\, u = b[C]$ with $C$ the picked indices, and sets $u = 0$ elsewhere. The
    system is first scaled to a unit diagonal, so that gradients of very different size do no harm. Where it is singular
    (gradients that depend on each other) a small ridge makes the answer unique, and one step of iterative refinement
    takes back what the ridge changed.

    Args:
        matrix: Symmetric positive semidefinite matrices K [..., T, T], float64.
        right_side: Right sides b [..., T], float64; leading axes broadcast against those of `matrix`.
        mask: What belongs to C [..., T], bool, of the shape of `right_side`.

    Returns:
        Solutions u [..., T], float64.

    Example:
        >>> gram = tf.constant([[4.0, 1.0], [1.0, 2.0]], tf.float64)
        >>> masked_solve(gram, tf.constant([8.0, 5.0], tf.float64), tf.constant([True, False])).numpy().tolist()
        [2.0, 0.0]
    """
    size = matrix.shape[-1]
    norms = tf.sqrt(tf.linalg.diag_part(matrix))
    inverse_norms = safe_divide(tf.ones_like(norms), norms)
    cosines = matrix * inverse_norms[..., :, tf.newaxis] * inverse_norms[..., tf.newaxis, :]
    picked = tf.cast(mask, matrix.dtype) * tf.cast(norms > 0, matrix.dtype)
    system = tf.linalg.set_diag(cosines * picked[..., :, tf.newaxis] * picked[..., tf.newaxis, :], tf.ones_like(picked))
    scaled_right_side = right_side * inverse_norms * picked

    factor = tf.linalg.cholesky(system)
    pivots = tf.linalg.diag_part(factor)
    # A failed factorisation is filled with NaN, which is not above the bound either.
    regular = tf.reduce_all(tf.square(pivots) > SMALLEST_PIVOT * size, axis=-1)
    ridge = RELATIVE_RIDGE * tf.cast(~regular, matrix.dtype)
    ridges = ridge[..., tf.newaxis, tf.newaxis] * tf.eye(size, dtype=matrix.dtype)
    # Under XLA a factorisation is most of the time.
    factor = tf.cond(tf.reduce_all(regular), lambda: factor, lambda: tf.linalg.cholesky(system + ridges))
    solution = tf.linalg.cholesky_solve(factor, scaled_right_side[..., tf.newaxis])[..., 0]
    residual = scaled_right_side - tf.linalg.matvec(system, solution)
    solution += tf.linalg.cholesky_solve(factor, residual[..., tf.newaxis])[..., 0]
    return solution * inverse_norms * picked
