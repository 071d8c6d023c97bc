"""IMTL: losses brought to the same size by learned scales, then an update of equal projections."""

import dataclasses

from tf_gradcraft.balancing.base import check_above
from tf_gradcraft.balancing.composition import Composition
from tf_gradcraft.balancing.imtl_g import IMTLG
from tf_gradcraft.balancing.imtl_l import IMTLL


@dataclasses.dataclass(frozen=True, kw_only=True)
class IMTL(Composition):
    r"""Balances the losses by `IMTLL` and the gradients of the scaled losses by `IMTLG`.

    With the learned scales $s_t$, the gradients $e^{s_t} g_t$ get the weights of IMTL-G:
    $w_t = e^{s_t} \frac{c_t / m_t}{\sum_s c_s / m_s}$ with $m_t = e^{s_t} n_t$ and $c = C^+ 1$. The direction is
    that of `IMTLG` alone, which no scale of a loss changes; its length follows the scaled losses.

    Paper: Liu et al., "Towards Impartial Multi-task Learning", ICLR 2021.

    Args:
        learning_rate: See `IMTLL`.
        parts: How the shared variables are grouped, see `Balancer`. The paper balances all at once.

    Raises:
        ValueError: If the learning rate is not above 0.

    Example:
        >>> import tensorflow as tf
        >>> balancer = IMTL()
        >>> gram = tf.linalg.diag(tf.constant([[9.0, 1.0]]))
        >>> weights, state = balancer.weights(gram, losses=tf.ones(2), state=balancer.init(2))
        >>> weights.numpy().round(6).tolist()  # the first step of IMTL-L scales nothing
        [[0.25, 0.75]]
    """

    learning_rate: float = 1e-3

    def __post_init__(self) -> None:
        super().__post_init__()
        check_above("IMTL", "learning_rate", self.learning_rate, 0)

    @property
    def members(self) -> tuple[IMTLL, IMTLG]:
        """See `Composition.members`."""
        return IMTLL(learning_rate=self.learning_rate), IMTLG()
