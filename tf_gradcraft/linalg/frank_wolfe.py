"""Frank-Wolfe for the shortest vector in the convex hull of some vectors."""

import tensorflow as tf

GAP = 1e-14
"""Duality gap, relative to the squared length of the vectors that x mixes, at which the iteration stops."""


def frank_wolfe_min_norm(matrix: tf.Tensor, iterations: int = 100) -> tf.Tensor:
    r"""Minimises $x^T A x$ over the simplex, step by step.

    Starts at the shortest of the vectors. Each step moves weight from the vector of the largest to the vector of the
    smallest product with the present mixture, and by exact line search: the pairwise variant of Frank-Wolfe, which
    unlike the classical one converges linearly. Where vectors nearly cancel out, or differ much in length, hundreds of
    steps are far from the end; `simplex_qp` gives the exact answer, and in less time.

    Papers: Sener and Koltun, "Multi-Task Learning as Multi-Objective Optimization", NeurIPS 2018, arXiv 1810.04650, for
    the use; Lacoste-Julien and Jaggi, "On the Global Linear Convergence of Frank-Wolfe Optimization Variants", NeurIPS
    2015, arXiv 1511.05932, for the variant.

    Args:
        matrix: Gram matrices A [..., T, T], float64; a vector of length 0 is left out.
        iterations: The most steps that are taken.

    Returns:
        Weights x [..., T], float64; 0 where the whole diagonal is.

    Example:
        >>> frank_wolfe_min_norm(tf.constant([[1.0, 0.0], [0.0, 4.0]], tf.float64)).numpy().tolist()
        [0.8, 0.2]
    """
    size = matrix.shape[-1]
    squares = tf.linalg.diag_part(matrix)
    present = squares > 0
    infinity = tf.constant(float("inf"), matrix.dtype)

    def unit(position):
        return tf.one_hot(position, size, dtype=matrix.dtype)

    def step(_, x):
        products = tf.linalg.matvec(matrix, x)
        to = unit(tf.argmin(tf.where(present, products, infinity), axis=-1))
        away = unit(tf.argmax(tf.where(x > 0, products, -infinity), axis=-1))
        direction = to - away
        slope = tf.reduce_sum(direction * products, axis=-1, keepdims=True)
        curvature = tf.reduce_sum(direction * tf.linalg.matvec(matrix, direction), axis=-1, keepdims=True)
        most = tf.reduce_sum(away * x, axis=-1, keepdims=True)
        # Where both vectors are alike any share is as good as another.
        length = tf.clip_by_value(tf.math.divide_no_nan(-slope, curvature), 0, most)
        open_gap = -slope > GAP * tf.reduce_sum(x * squares, axis=-1, keepdims=True)
        return tf.reduce_any(open_gap), tf.where(open_gap, x + length * direction, x)

    start = unit(tf.argmin(tf.where(present, squares, infinity), axis=-1)) * tf.cast(present, matrix.dtype)
    _, x = tf.while_loop(lambda go, _: go, step, (tf.constant(True), start), maximum_iterations=iterations)
    return x
