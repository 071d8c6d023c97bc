"""T x T linear algebra inside the graph: small, batched, float64, safe on singular input and under XLA."""

from tf_gradcraft.linalg.frank_wolfe import frank_wolfe_min_norm
from tf_gradcraft.linalg.masked import masked_solve, safe_divide
from tf_gradcraft.linalg.newton import fair_weights
from tf_gradcraft.linalg.quadratic import bounded_qp, nonnegative_qp, simplex_qp
from tf_gradcraft.linalg.spectral import pseudo_solve, significant, symmetric_eigen

__all__ = [
    "bounded_qp",
    "fair_weights",
    "frank_wolfe_min_norm",
    "masked_solve",
    "nonnegative_qp",
    "pseudo_solve",
    "safe_divide",
    "significant",
    "simplex_qp",
    "symmetric_eigen",
]
