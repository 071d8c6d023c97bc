"""MGDA: the shortest convex combination of the task gradients."""

import dataclasses

import tensorflow as tf

from tf_gradcraft.balancing.base import Balancer, check_range, norms_of
from tf_gradcraft.linalg import frank_wolfe_min_norm, safe_divide, simplex_qp
from tf_gradcraft.suggestions import unknown_name

NORMALIZATIONS = ("none", "l2", "loss", "loss+")
SOLVERS = ("exact", "frank_wolfe")


@dataclasses.dataclass(frozen=True, kw_only=True)
class MGDA(Balancer):
    r"""Takes the shortest vector in the convex hull of the task gradients.

    $w = \arg\min_x x^T A x$ over $x \ge 0$, $\sum_t x_t = 1$. The update has the same product with every gradient that
    takes part and a larger one with the others, so it conflicts with no task; it is zero where no direction is good for
    all. The largest weight goes to the smallest gradient. Normalised, the hull is that of $g_t / z_t$; the weights
    then found multiply the raw gradients $g_t$ all the same, and a conflict may remain.

    Papers: Desideri, "Multiple-gradient descent algorithm (MGDA) for multiobjective optimization", Comptes Rendus
    Mathematique 2012; Sener and Koltun, "Multi-Task Learning as Multi-Objective Optimization", NeurIPS 2018, arXiv
    1810.04650.

    Args:
        normalization: What gradients are divided by before the hull is taken: `"none"`: 1; `"l2"`: their norm $n_t$;
            `"loss"`: their loss $L_t$; `"loss+"`: $L_t n_t$.
        solver: `"exact"`, or the `"frank_wolfe"` iteration of the second paper, in its pairwise variant.
        iterations: The most steps of Frank-Wolfe, in [1, 10000].
        parts: How the shared variables are grouped, see `Balancer`.

    Raises:
        ValueError: If a hyper-parameter is out of range or not known.

    Example:
        >>> gram = tf.constant([[[1.0, 0.0], [0.0, 4.0]]])
        >>> weights, _ = MGDA().weights(gram, losses=tf.ones(2), state={})
        >>> weights.numpy().round(4).tolist()
        [[0.8, 0.2]]
    """

    normalization: str = "none"
    solver: str = "exact"
    iterations: int = 250

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.normalization not in NORMALIZATIONS:
            raise ValueError("MGDA: " + unknown_name("normalization", self.normalization, NORMALIZATIONS))
        if self.solver not in SOLVERS:
            raise ValueError("MGDA: " + unknown_name("solver", self.solver, SOLVERS))
        check_range("MGDA", "iterations", self.iterations, 1, 10000)

    def weights(self, gram, losses, state, seed=None):
        """See `Balancer.weights`."""
        gram = tf.cast(gram, tf.float64)
        norms = norms_of(gram)
        losses = tf.abs(tf.cast(losses, tf.float64)) * tf.ones_like(norms)
        divisor = {"none": tf.ones_like(norms), "l2": norms, "loss": losses, "loss+": losses * norms}
        factor = safe_divide(tf.ones_like(norms), divisor[self.normalization])
        normalized = gram * factor[:, :, tf.newaxis] * factor[:, tf.newaxis, :]
        if self.solver == "exact":
            return simplex_qp(normalized, tf.zeros_like(norms)), state
        return frank_wolfe_min_norm(normalized, self.iterations), state
