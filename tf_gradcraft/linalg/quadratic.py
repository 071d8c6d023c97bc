"""Quadratic programs over non-negative variables and over the simplex, many small ones at once."""

from __future__ import annotations

import tensorflow as tf

from tf_gradcraft.linalg.masked import safe_divide

RIDGE = 1e-13
"""Added to the unit diagonal, so that each program is strictly convex; about what Gram matrices are exact to."""

SLACK = 1e-11
"""A gradient above minus this, relative to the terms that cancel in it, is not taken for negative."""

BLOCK_ROUNDS = 6
"""Rounds in which all wrong signs change at once. Well-conditioned programs take two to four."""

SINGLE_ROUNDS = 4
"""Rounds one by one, times T, before a program is given up. At a condition of 1e12 and T = 32 about 2 T were seen."""


def nonnegative_qp(
    matrix: tf.Tensor, linear: tf.Tensor, ridge: float = RIDGE, start: tf.Tensor | None = None
) -> tf.Tensor:
    r"""Minimises $\frac12 u^T K u + q^T u$ over $u \ge 0$.

    An active-set method in two stages. Block pivoting guesses which variables are positive, solves their linear system,
    and lets all variables and gradients $K u + q$ of the wrong sign change sides; a few rounds settle most programs.
    Those that it does not settle go on from there by the method of Lawson and Hanson: one variable comes in a round,
    the objective falls with each, so that no set comes twice and it ends. The answer is the solution of a linear
    system, not an iterate. Variables are scaled to a unit diagonal first. Singular matrices are fine where there is a
    minimum, as there is for q in the range of K.

    Papers: Lawson and Hanson, "Solving Least Squares Problems", 1974; Portugal, Judice and Vicente, "A comparison of
    block pivoting and interior-point algorithms for linear least squares problems with nonnegative variables",
    Mathematics of Computation 1994.

    Args:
        matrix: Positive semidefinite matrices K [..., T, T], float64; a variable with $K_{kk} = 0$ is left at 0.
        linear: Linear terms q [..., T], float64, of the leading axes of the answer; those of `matrix` broadcast.
        ridge: What is added to the unit diagonal. It bounds the answer where there is no minimum.
        start: First guess of the positive variables [..., T], bool; by default those with $q_k < 0$.

    Returns:
        Minimisers u [..., T], float64.

    Example:
        >>> gram = tf.constant([[1.0, -0.5], [-0.5, 4.0]], tf.float64)
        >>> nonnegative_qp(gram, gram).numpy().round(4).tolist()
        [[0.0, 0.125], [0.5, 0.0]]
    """
    return _minimise(matrix, linear, ridge, start, sum_is_one=False)


def bounded_qp(matrix: tf.Tensor, linear: tf.Tensor, lower: tf.Tensor, ridge: float = RIDGE) -> tf.Tensor:
    r"""Minimises $\frac12 v^T Q v + c^T v$ over $v \ge l$, see `nonnegative_qp`.

    Args:
        matrix: Positive semidefinite matrices Q [..., T, T], float64; where $Q_{kk} = 0$, $v_k = l_k$.
        linear: Linear terms c [..., T], float64.
        lower: Lower bounds l [..., T], float64.
        ridge: See `nonnegative_qp`.

    Returns:
        Minimisers v [..., T], float64.

    Example:
        >>> gram = tf.constant([[1.0, -0.5], [-0.5, 4.0]], tf.float64)
        >>> bounded_qp(gram, tf.zeros(2, tf.float64), tf.constant([0.5, 0.0], tf.float64)).numpy().round(4).tolist()
        [0.5, 0.0625]
    """
    return lower + nonnegative_qp(matrix, linear + tf.linalg.matvec(matrix, lower), ridge)


def simplex_qp(matrix: tf.Tensor, linear: tf.Tensor, ridge: float = RIDGE) -> tf.Tensor:
    r"""Minimises $\frac12 x^T Q x + c^T x$ over the simplex: $x \ge 0$, $\sum_t x_t = 1$.

    With $\lambda$ the multiplier of the sum, the positive variables solve $Q x = \lambda 1 - c$, and the sum gives
    $\lambda$; all else is as in `nonnegative_qp`.

    Args:
        matrix: Positive semidefinite matrices Q [..., T, T], float64; a variable with $Q_{kk} = 0$ is left at 0.
        linear: Linear terms c [..., T], float64. With c = 0 the minimisers are the weights of the shortest vector in
            the convex hull of the vectors whose Gram matrix Q is.
        ridge: See `nonnegative_qp`.

    Returns:
        Minimisers x [..., T], float64; 0 where the whole diagonal is.

    Example:
        >>> gram = tf.constant([[1.0, 0.0], [0.0, 4.0]], tf.float64)
        >>> simplex_qp(gram, tf.zeros(2, tf.float64)).numpy().round(4).tolist()
        [0.8, 0.2]
    """
    return _minimise(matrix, linear, ridge, None, sum_is_one=True)


def _minimise(matrix, linear, ridge, start, sum_is_one):
    """Both programs, in variables u_k sqrt(K_kk); a round of all systems is one batched factorisation."""
    dtype = matrix.dtype
    size = matrix.shape[-1]
    norms = tf.sqrt(tf.linalg.diag_part(matrix))
    inverse_norms = safe_divide(tf.ones_like(norms), norms)
    cosines = matrix * inverse_norms[..., :, tf.newaxis] * inverse_norms[..., tf.newaxis, :]
    system = tf.linalg.set_diag(cosines, (1 + ridge) * tf.ones_like(norms))
    identity = tf.eye(size, dtype=dtype)
    linear = linear * inverse_norms
    present = (norms > 0) & tf.ones_like(linear, tf.bool)
    in_sum = inverse_norms * tf.ones_like(linear)
    largest = tf.reduce_max(tf.abs(linear), axis=-1, keepdims=True)

    def total(variables):
        return tf.reduce_sum(in_sum * variables, axis=-1, keepdims=True)

    def solve(positive):
        """Solves the linear system of a set; returns the variables and where the others' gradient is negative."""
        picked = tf.cast(positive, dtype)
        both = picked[..., :, tf.newaxis] * picked[..., tf.newaxis, :]
        factor = tf.linalg.cholesky(identity + (system - identity) * both)

        def solve_for(right_side):
            return tf.linalg.cholesky_solve(factor, (right_side * picked)[..., tf.newaxis])[..., 0]

        if sum_is_one:
            of_sum = solve_for(in_sum)
            multiplier = safe_divide(1 + total(solve_for(linear)), total(of_sum))
            solution = solve_for(multiplier * in_sum - linear)
            # In a nearly singular system the rounding of the multiplier matters; the sum is put right along its effect.
            missing = safe_divide(1 - total(solution), total(of_sum))
            solution += missing * of_sum
            constant = linear - (multiplier + missing) * in_sum
        else:
            solution, constant = solve_for(-linear), linear
        gradient = tf.linalg.matvec(system, solution) + constant
        cancelling = largest + tf.reduce_sum(tf.abs(solution), axis=-1, keepdims=True)
        negative = tf.where(present & ~positive & (gradient < -SLACK * cancelling), gradient, tf.zeros_like(gradient))
        return solution, negative

    def exchange_all(_, positive, solution):
        solution, negative = solve(positive)
        wrong = (positive & (solution < 0)) | (negative < 0)
        return tf.reduce_any(wrong), tf.math.logical_xor(positive, wrong), solution

    def exchange_one(_, positive, feasible):
        solution, negative = solve(positive)
        blocks = positive & (solution <= 0)
        # As far towards the solution as all variables stay positive; the first to reach zero leaves.
        reach = tf.where(blocks, safe_divide(feasible, feasible - solution), tf.ones_like(feasible))
        step = tf.reduce_min(reach, axis=-1, keepdims=True)
        leaves = blocks & (reach <= step)
        feasible = tf.where(leaves, tf.zeros_like(feasible), feasible + step * (solution - feasible))
        blocked = tf.reduce_any(blocks, axis=-1, keepdims=True)
        enters = ~blocked & tf.one_hot(tf.argmin(negative, axis=-1), size, True, False) & (negative < 0)
        return tf.reduce_any(blocked | enters), (positive & ~leaves) | enters, feasible

    if start is None:
        start = tf.ones_like(present) if sum_is_one else linear < 0
    state = (tf.constant(True), start & present, tf.zeros_like(linear))
    unsolved, _, solution = tf.while_loop(lambda go, *_: go, exchange_all, state, maximum_iterations=BLOCK_ROUNDS)
    solution = tf.maximum(solution, 0)
    if sum_is_one:
        solution = safe_divide(solution, total(solution))
    state = (unsolved, solution > 0, solution)
    rounds = SINGLE_ROUNDS * size
    _, _, solution = tf.while_loop(lambda go, *_: go, exchange_one, state, maximum_iterations=rounds)
    return solution * inverse_norms
