"""T x T linear algebra inside the graph: small, batched, float64, safe on singular input and under XLA."""

from tf_gradcraft.linalg.masked import masked_solve, safe_divide

__all__ = ["masked_solve", "safe_divide"]
