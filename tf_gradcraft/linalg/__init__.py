"""T x T linear algebra inside the graph: small, batched, float64, safe on singular input and under XLA."""

from tf_gradcraft.linalg.masked import masked_solve, safe_divide
from tf_gradcraft.linalg.spectral import pseudo_solve, significant, symmetric_eigen

__all__ = ["masked_solve", "pseudo_solve", "safe_divide", "significant", "symmetric_eigen"]
