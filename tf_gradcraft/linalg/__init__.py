"""T x T linear algebra inside the graph: small, batched, float64, safe on singular input and under XLA."""

from tf_gradcraft.linalg.masked import masked_solve, safe_divide
from tf_gradcraft.linalg.quadratic import bounded_qp, nonnegative_qp, simplex_qp

__all__ = ["bounded_qp", "masked_solve", "nonnegative_qp", "safe_divide", "simplex_qp"]
