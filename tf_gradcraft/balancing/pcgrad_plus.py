"""PCGrad+: GradCraft's magnitude step, then PCGrad."""

import dataclasses

import tensorflow as tf

from tf_gradcraft.balancing.base import check_range, scaled_gram
from tf_gradcraft.balancing.composition import Composition
from tf_gradcraft.balancing.magnitude_step import Magnitude
from tf_gradcraft.balancing.pcgrad import PCGrad


@dataclasses.dataclass(frozen=True, kw_only=True)
class PCGradPlus(Composition):
    r"""Moves all gradient norms towards the largest, then projects conflicts away one by one.

    `Chain(magnitude=Magnitude(tau), direction=PCGrad(reduction, seed))`: with $s_t = \tau M / n_t + (1 - \tau)$ the
    gradients $s_t g_t$ are what PCGrad projects.

    Paper: the baseline "PCGrad+" of Bai et al., KDD 2024, arXiv 2407.19682; PCGrad is Yu et al., NeurIPS 2020,
    arXiv 2001.06782.

    Args:
        tau: See `Magnitude`.
        reduction: See `PCGrad`.
        seed: See `PCGrad`.
        parts: How the shared variables are grouped, see `Balancer`.

    Raises:
        ValueError: If `tau` is out of range or the reduction is not known.

    Example:
        >>> balancer = PCGradPlus(tau=1.0)
        >>> weights, _ = balancer.weights(tf.linalg.diag([[16.0, 1.0]]), losses=tf.ones(2), state=balancer.init(2))
        >>> weights.numpy().tolist()
        [[1.0, 4.0]]
    """

    tau: float = 0.5
    reduction: str = "sum"
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("PCGradPlus", "tau", self.tau, 0, 1)
        _ = self.members  # they check the others

    @property
    def members(self) -> tuple[Magnitude, PCGrad]:
        """See `Composition.members`."""
        return Magnitude(tau=self.tau), PCGrad(reduction=self.reduction, seed=self.seed)

    def weights_in_order(self, gram: tf.Tensor, order: tf.Tensor) -> tf.Tensor:
        """Returns the weights [P, T] for given orders, see `PCGrad.weights_in_order`."""
        magnitude, direction = self.members
        scales, _ = magnitude.weights(gram, losses=None, state={})
        return scales * direction.weights_in_order(scaled_gram(gram, scales), order)
