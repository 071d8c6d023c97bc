"""Eigenvalues of small symmetric matrices, and what is made of them: rank and pseudo-inverse."""

import numpy as np
import tensorflow as tf

from tf_gradcraft.linalg.masked import safe_divide

EPSILON = float(np.finfo(np.float64).eps)

MOST_SWEEPS = 8
"""Jacobi sweeps at most; from what XLA leaves, one or two are enough."""


def symmetric_eigen(matrix):
    r"""Returns eigenvalues and eigenvectors of symmetric matrices, to rounding in eager mode, graph and XLA.

    XLA's own decomposition stops at off-diagonal elements of 1e-6 of the largest, which is far too much for a
    pseudo-inverse. Where more than rounding is left, Jacobi sweeps take it away; elsewhere they cost nothing.

    Args:
        matrix: Symmetric matrices A [..., T, T], float64. One with an element that is not finite has the eigenvalues
            NaN; TensorFlow's own decomposition raises an error that says nothing of tasks.

    Returns:
        Eigenvalues $\lambda$ [..., T], in no certain order, and eigenvectors V [..., T, T], one a column, float64:
        $A = V\, \mathrm{diag}(\lambda)\, V^\top$.

    Example:
        >>> values, vectors = symmetric_eigen(tf.constant([[2.0, 1.0], [1.0, 2.0]], tf.float64))
        >>> values.numpy().round(12).tolist()
        [1.0, 3.0]
    """
    size = matrix.shape[-1]
    finite = tf.reduce_all(tf.math.is_finite(matrix), axis=[-2, -1], keepdims=True)
    matrix = tf.where(finite, matrix, tf.zeros_like(matrix))
    _, vectors = tf.linalg.eigh(matrix)
    rotated = tf.matmul(vectors, tf.matmul(matrix, vectors), transpose_a=True)
    rounding = size * EPSILON * tf.reduce_max(tf.abs(matrix), axis=[-2, -1], keepdims=True)
    partners = _partners(size)

    def is_open(sweep, rotated, vectors):
        off_diagonal = tf.linalg.set_diag(rotated, tf.zeros_like(rotated[..., 0]))
        return (sweep < MOST_SWEEPS) & tf.reduce_any(tf.abs(off_diagonal) > rounding)

    def rotate_all(sweep, rotated, vectors):
        _, rotated, vectors = tf.while_loop(
            lambda turn, *_: turn < len(partners),
            lambda turn, rotated, vectors: (turn + 1, *_rotate_pairs(rotated, vectors, tf.gather(partners, turn))),
            (0, rotated, vectors),
        )
        return sweep + 1, rotated, vectors

    _, rotated, vectors = tf.while_loop(is_open, rotate_all, (0, rotated, vectors))
    values = tf.linalg.diag_part(rotated)
    return tf.where(finite[..., 0], values, tf.fill(tf.shape(values), tf.constant(np.nan, values.dtype))), vectors


def significant(eigenvalues):
    r"""Returns which eigenvalues of positive semidefinite matrices are more than rounding: those that make the rank.

    $\lambda_k > T\, \epsilon\, \max_j \lambda_j$, with $\epsilon$ the spacing of float64 at 1; none of a zero
    matrix.

    Args:
        eigenvalues: Eigenvalues [..., T], float64.

    Returns:
        bool [..., T].

    Example:
        >>> significant(tf.constant([1e-17, 1e-12, 1.0], tf.float64)).numpy().tolist()
        [False, True, True]
    """
    largest = tf.reduce_max(eigenvalues, axis=-1, keepdims=True)
    return eigenvalues > eigenvalues.shape[-1] * EPSILON * tf.maximum(largest, 0)


def pseudo_solve(matrix, right_side):
    r"""Applies the pseudo-inverse of symmetric positive semidefinite matrices to vectors.

    $A^+ b = \sum_k \lambda_k^{-1} \langle v_k, b \rangle v_k$ over the eigenvalues that are `significant`: of all x
    that bring A x closest to b, the shortest.

    Both "closest" and "shortest" depend on the units of the rows. So A is *not* scaled to a unit diagonal here, as
    `masked_solve` does: with $A = D C D$, $D^{-1} C^+ D^{-1} b$ equals $A^+ b$ where A is regular, and may be another
    vector where it is not. Nor can a relative rank know rows whose size differs by more than 1e7 from the largest
    (1e15 in A). A method that wants each task to count alike, whatever the size of its gradient, applies this to the
    cosines C itself, and says so.

    Args:
        matrix: Matrices A [..., T, T], float64.
        right_side: Vectors b [..., T], float64.

    Returns:
        $A^+ b$ [..., T], float64.

    Example:
        >>> duplicates = tf.constant([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 4.0]], tf.float64)
        >>> pseudo_solve(duplicates, tf.constant([1.0, 1.0, 2.0], tf.float64)).numpy().round(12).tolist()
        [0.5, 0.5, 0.5]
    """
    values, vectors = symmetric_eigen(matrix)
    inverse = safe_divide(tf.cast(significant(values), values.dtype), values)
    return tf.linalg.matvec(vectors, inverse * tf.linalg.matvec(vectors, right_side, transpose_a=True))


def _partners(size):
    """Returns a round-robin tournament [rounds, size]: whom each index meets in each round (itself: a bye)."""
    even = size + size % 2
    table = []
    for turn in range(even - 1):
        circle = [0, *(1 + (turn + k) % (even - 1) for k in range(even - 1))]
        partner = np.arange(even)
        for one, other in zip(circle[: even // 2], reversed(circle[even // 2 :]), strict=True):
            partner[one], partner[other] = other, one
        table.append(np.where(partner < size, partner, np.arange(even))[:size])
    return np.array(table, np.int32)


def _rotate_pairs(matrix, vectors, partner):
    """Zeroes the elements [i, partner[i]] by plane rotations, which of a round touch disjoint pairs."""
    own = tf.range(matrix.shape[-1])
    # Both of a pair must turn by the same angle: the rounding between [i, j] and [j, i] would tell them apart.
    matrix = (matrix + tf.linalg.matrix_transpose(matrix)) / 2
    diagonal = tf.linalg.diag_part(matrix)
    pair = tf.cast(partner[:, tf.newaxis] == own, matrix.dtype) * tf.cast(partner != own, matrix.dtype)[:, tf.newaxis]
    element = tf.reduce_sum(matrix * pair, axis=-1)
    # The tangent of the smaller angle; it changes sign with the order of the pair, also where the diagonal is equal.
    half_gap = (tf.gather(diagonal, partner, axis=-1) - diagonal) / 2
    turn = tf.where(half_gap != 0, tf.sign(half_gap), tf.cast(tf.sign(partner - own), matrix.dtype))
    tangent = safe_divide(turn * element, tf.abs(half_gap) + tf.sqrt(half_gap**2 + element**2))
    cosine = tf.math.rsqrt(1 + tangent**2)
    sine = -tangent * cosine

    def columns(of):
        return of * cosine[..., tf.newaxis, :] + tf.gather(of, partner, axis=-1) * sine[..., tf.newaxis, :]

    half = columns(matrix)
    rotated = half * cosine[..., tf.newaxis] + tf.gather(half, partner, axis=-2) * sine[..., tf.newaxis]
    return rotated, columns(vectors)
