"""Damped Newton for weights that give every task its due share of the update."""

import tensorflow as tf

from tf_gradcraft.linalg.masked import safe_divide

RIDGE = 1e-9
"""Added to the unit diagonal; bounds the weights where gradients cancel out, which asks for infinite ones."""

DAMPING = 1.2
"""Share of the largest relative decrease in the step's damping; above 1.2 every step lowers the objective."""

SMALL_STEP = 1e-6
"""A relative step below this is the last: what it leaves is its square."""

MOST_STEPS = 60
"""Five to ten steps are usual, some thirty where gradients nearly cancel out."""


def fair_weights(matrix: tf.Tensor, power: float = 1.0) -> tf.Tensor:
    r"""Solves $(A a)_i = a_i^{-p}$, $a > 0$.

    The solution is the one minimum of $\frac12 a^T A a - \sum_i \psi(a_i)$ with $\psi'(a) = a^{-p}$, a convex function.
    Newton's method finds it; a step that would take a weight near or below zero is shortened, by a rule that keeps
    weights positive and lowers the objective each time: with m the largest relative decrease of a weight, by
    $1 / (1 + c m)$, c = 1.2, or $0.6 (1 + p)$ if that is larger.

    Args:
        matrix: Positive semidefinite matrices A [..., T, T], float64; where $A_{ii} = 0$, $a_i = 0$.
        power: The power p, positive.

    Returns:
        Weights a [..., T], float64.

    Example:
        >>> fair_weights(tf.constant([[4.0, 0.0], [0.0, 0.25]], tf.float64)).numpy().round(4).tolist()
        [0.5, 2.0]
    """
    dtype = matrix.dtype
    norms = tf.sqrt(tf.linalg.diag_part(matrix))
    inverse_norms = safe_divide(tf.ones_like(norms), norms)
    present = tf.cast(norms > 0, dtype)
    cosines = matrix * inverse_norms[..., :, tf.newaxis] * inverse_norms[..., tf.newaxis, :]
    system = tf.linalg.set_diag(cosines, (1 + RIDGE) * tf.ones_like(norms))
    # With orthogonal gradients a_i = unit_i. In x = a / unit: E C E x = E^2 x^-p, the common factor of E left out.
    unit = tf.where(norms > 0, norms, tf.ones_like(norms)) ** (-2 / (1 + power)) * present
    shares = norms * unit
    shares = safe_divide(shares, tf.reduce_max(shares, axis=-1, keepdims=True))
    lengths = tf.reduce_sum(shares * tf.linalg.matvec(system, shares), axis=-1, keepdims=True)
    uniform = safe_divide(tf.reduce_sum(tf.square(shares), axis=-1, keepdims=True), lengths) ** (1 / (1 + power))
    start = present * uniform + (1 - present)

    def newton(_, x):
        wanted = x**-power
        curvature = tf.linalg.set_diag(system, (1 + RIDGE) + power * wanted / x)
        left = shares * wanted - tf.linalg.matvec(system, shares * x)
        step = tf.linalg.cholesky_solve(tf.linalg.cholesky(curvature), left[..., tf.newaxis])[..., 0]
        relative = safe_divide(step, shares * x)
        largest_decrease = tf.reduce_max(tf.maximum(-relative, 0), axis=-1, keepdims=True)
        damping = 1 / (1 + max(DAMPING, 0.6 * (1 + power)) * largest_decrease)
        return tf.reduce_any(tf.abs(relative) > SMALL_STEP), x * (1 + damping * relative)

    _, x = tf.while_loop(lambda go, _: go, newton, (tf.constant(True), start), maximum_iterations=MOST_STEPS)
    return unit * x
