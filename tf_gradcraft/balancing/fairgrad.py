"""FairGrad: alpha-fair shares of the update."""

import dataclasses

import tensorflow as tf

from tf_gradcraft.balancing.base import Balancer, check_range, plain_if_alone
from tf_gradcraft.linalg import fair_weights


@dataclasses.dataclass(frozen=True, kw_only=True)
class FairGrad(Balancer):
    r"""Maximises the tasks' alpha-fair utility of their gains from the update.

    $(A w)_t = w_t^{-1/\alpha}$, $w > 0$: of all updates of its length the one with the largest
    $\sum_t \langle g, g_t \rangle^{1 - \alpha} / (1 - \alpha)$. The larger alpha, the more the task that gains least
    counts: $\alpha = 1$ is Nash-MTL, 2 the least potential delay, and towards infinity the smallest gain alone decides.
    No task is in conflict with the update.
    Weights are of degree $-2 \alpha / (1 + \alpha)$ in the loss scale. A single task has weight 1.

    Where gradients cancel out there is no solution; weights then are large, but finite.

    Paper: Ban and Ji, "Fair Resource Allocation in Multi-Task Learning", ICML 2024, arXiv 2402.15638.

    Args:
        alpha: The fairness, in [0.1, 10].
        parts: How the shared variables are grouped, see `Balancer`.

    Raises:
        ValueError: If alpha is out of range.

    Example:
        >>> gram = tf.constant([[[4.0, 0.0], [0.0, 1.0]]])
        >>> weights, _ = FairGrad(alpha=1.0).weights(gram, losses=tf.ones(2), state={})
        >>> weights.numpy().round(4).tolist()
        [[0.5, 1.0]]
    """

    alpha: float = 2.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("FairGrad", "alpha", self.alpha, 0.1, 10)

    def weights(self, gram, losses, state, seed=None):
        """See `Balancer.weights`."""
        return plain_if_alone(fair_weights(tf.cast(gram, tf.float64), 1 / self.alpha), gram), state
