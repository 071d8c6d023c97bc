"""Aligned-MTL: the task gradients rotated and rescaled until they are orthogonal and equally long."""

import dataclasses

import tensorflow as tf

from tf_gradcraft.balancing.base import Balancer, active_tasks, norms_of
from tf_gradcraft.linalg import safe_divide, significant, symmetric_eigen
from tf_gradcraft.suggestions import unknown_name

SCALES = ("min", "median", "rmse")
REDUCTIONS = ("mean", "sum")


@dataclasses.dataclass(frozen=True, kw_only=True)
class AlignedMTL(Balancer):
    r"""Replaces the task gradients by the closest ones that are orthogonal and of equal length, and averages those.

    With $A = V \Lambda V^\top$ over the eigenvalues above $T \epsilon \lambda_{max}$ (those that make the rank),
    $w = \sqrt{\lambda^*}\, V \Lambda^{-1/2} V^\top p$, where $\lambda^*$ is the smallest of them (their median, their
    mean) and $p_t = 1 / T$. Every principal component of the gradients then counts alike. The products with the task
    gradients are $\sqrt{\lambda^*} (A^{1/2} p)_t$: never all negative, but one of them may be.

    The rank is that of A as it is: a task whose gradient is 1e7 times smaller than the largest is left out.

    Paper: Senushkin et al., "Independent Component Alignment for Multi-Task Learning", CVPR 2023, arXiv 2305.19000.

    Args:
        scale: Which eigenvalue gives the common length: the smallest (`"min"`, the paper's), the `"median"`, or the
            mean (`"rmse"`, the root mean square of the singular values of the gradients).
        reduction: `"mean"` of the aligned gradients (p = 1/T), or their `"sum"` (p = 1).
        parts: How the shared variables are grouped, see `Balancer`. The paper balances all at once.

    Raises:
        ValueError: If the scale or the reduction is not known.

    Example:
        >>> gram = tf.linalg.diag(tf.constant([[9.0, 1.0]]))
        >>> weights, _ = AlignedMTL(reduction="sum").weights(gram, losses=tf.ones(2), state={})
        >>> weights.numpy().round(6).tolist()
        [[0.333333, 1.0]]
    """

    scale: str = "min"
    reduction: str = "mean"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.scale not in SCALES:
            raise ValueError("AlignedMTL: " + unknown_name("scale", self.scale, SCALES))
        if self.reduction not in REDUCTIONS:
            raise ValueError("AlignedMTL: " + unknown_name("reduction", self.reduction, REDUCTIONS))

    def weights(self, gram, losses, state, seed=None):
        """See `Balancer.weights`."""
        active = active_tasks(gram)
        present = tf.cast(norms_of(gram) > 0, tf.float64)
        values, vectors = symmetric_eigen(tf.cast(gram, tf.float64))
        kept = significant(values)
        factors = tf.sqrt(safe_divide(tf.where(kept, self._common(values, kept), tf.zeros_like(values)), values))
        share = safe_divide(active, tf.reduce_sum(active)) if self.reduction == "mean" else active
        components = tf.linalg.matvec(vectors, share * present, transpose_a=True)
        return tf.linalg.matvec(vectors, factors * components) * present, state

    def _common(self, values, kept):
        """Returns the eigenvalue [P, 1] whose root is the common length, of those that are kept."""
        rank = tf.reduce_sum(tf.cast(kept, tf.int32), axis=-1, keepdims=True)
        if self.scale == "rmse":
            total = tf.reduce_sum(tf.where(kept, values, tf.zeros_like(values)), axis=-1, keepdims=True)
            return safe_divide(total, tf.cast(rank, tf.float64))
        ascending = tf.sort(values, axis=-1)
        first = tf.minimum(values.shape[-1] - rank, values.shape[-1] - 1)  # those that are kept come last
        if self.scale == "min":
            return tf.gather(ascending, first, batch_dims=1)
        # Of an even number the median is the mean of the two in the middle.
        lower = tf.gather(ascending, first + tf.maximum(rank - 1, 0) // 2, batch_dims=1)
        upper = tf.gather(ascending, tf.minimum(first + rank // 2, values.shape[-1] - 1), batch_dims=1)
        return (lower + upper) / 2
