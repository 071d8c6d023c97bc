"""MetaBalance: bring auxiliary gradients, part by part, close to the target task's magnitude."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import ClassVar

import tensorflow as tf

from tf_gradcraft.balancing.base import Balancer, Parts, check_range, norms_of
from tf_gradcraft.linalg import safe_divide
from tf_gradcraft.suggestions import unknown_name

STRATEGIES = ("A", "B", "C")


@dataclasses.dataclass(frozen=True, kw_only=True)
class MetaBalance(Balancer):
    r"""Scales each auxiliary task's gradient towards the magnitude of the target task's.

    Each part keeps a moving average of the gradient norms, $m_t \leftarrow \beta m_t + (1 - \beta) n_t$ from $m = 0$.
    With the target task 0, $w_0 = 1$ and $w_i = 1 + r (m_0 / m_i - 1)$ where the strategy fires, else $w_i = 1$; the
    update is the sum $\sum_t w_t g_t$.

    A task without gradient in this step leaves its moving average as it is; where the target has none yet, nothing is
    scaled.

    Paper: He et al., "MetaBalance: Improving Multi-Task Recommendations via Adapting Gradient Magnitudes of Auxiliary
    Tasks", WWW 2022, arXiv 2203.06801, whose best relax factors are 0.7 and 0.9, with strategy C.

    Args:
        relax_factor: The relax factor r in [0, 1]: 0 is the plain sum, 1 makes the magnitudes equal.
        beta: Weight of the past in the moving average, in [0, 1): 0 is the paper's basic algorithm.
        strategy: `"A"` only reduces auxiliary gradients that are larger than the target's, `"B"` only enlarges those
            that are smaller, `"C"` does both.
        target: The target task: its name, or its position.
        parts: How the shared variables are grouped, see `Balancer`. One part a variable by default, as in the paper.

    Raises:
        ValueError: If a hyper-parameter is out of range or the strategy is not known.

    Example:
        >>> balancer = MetaBalance(relax_factor=1.0, beta=0.0)
        >>> gram = tf.linalg.diag(tf.constant([[4.0, 1.0, 16.0]]))
        >>> weights, _ = balancer.weights(gram, losses=tf.ones(3), state=balancer.init(3))
        >>> weights.numpy().tolist()
        [[1.0, 2.0, 0.5]]
    """

    relax_factor: float = 0.7
    beta: float = 0.9
    strategy: str = "C"
    target: str | int = 0
    parts: Parts = "variable"

    needs: ClassVar[str] = "norms"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("MetaBalance", "relax_factor", self.relax_factor, 0, 1)
        if not 0 <= self.beta < 1:
            raise ValueError(f"MetaBalance: beta={self.beta!r} is out of range; it must be in [0, 1)")
        if self.strategy not in STRATEGIES:
            raise ValueError("MetaBalance: " + unknown_name("strategy", self.strategy, STRATEGIES))

    def init(self, num_tasks, num_parts=1):
        """Returns `{"norms": zeros [P, T]}`, the moving average of the gradient norms."""
        return {"norms": tf.zeros([num_parts, num_tasks], tf.float64)}

    def for_tasks(self, tasks: Sequence[str]) -> MetaBalance:
        """See `Balancer.for_tasks`."""
        if isinstance(self.target, str):
            if self.target not in tasks:
                raise ValueError("MetaBalance: " + unknown_name("target", self.target, tasks))
            return dataclasses.replace(self, target=list(tasks).index(self.target))
        if not 0 <= self.target < len(tasks):
            raise ValueError(f"MetaBalance: target={self.target} is no position among {len(tasks)} tasks")
        return self

    def weights(self, gram, losses, state, seed=None):
        """See `Balancer.weights`."""
        if isinstance(self.target, str):
            raise ValueError(f"MetaBalance: target={self.target!r} is not resolved; call for_tasks(names) first")
        norms = norms_of(gram)
        present = norms > 0
        average = tf.where(present, self.beta * state["norms"] + (1 - self.beta) * norms, state["norms"])
        target = average[:, self.target : self.target + 1]
        fires = {
            "A": average > target,
            "B": average < target,
            "C": tf.ones_like(present),
        }[self.strategy]
        scaled = 1 + self.relax_factor * (safe_divide(target, average) - 1)
        weights = tf.where(fires & (target > 0), scaled, tf.ones_like(scaled))
        return weights * tf.cast(present, tf.float64), {"norms": average}
