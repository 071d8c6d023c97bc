"""The magnitude step of GradCraft as a method of its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import ClassVar

from tf_gradcraft.balancing.base import Balancer, check_range
from tf_gradcraft.balancing.gradcraft import GradCraft
from tf_gradcraft.balancing.magnitude import resolve_magnitude


@dataclasses.dataclass(frozen=True, kw_only=True)
class Magnitude(Balancer):
    r"""Moves all gradient norms towards one, and leaves the directions alone.

    $w_t = \tau M / n_t + (1 - \tau)$ with $M = \max_t n_t$: the first step of `GradCraft`. Made to be the first member
    of a `Chain`; by itself it is the sum of gradients of more equal size.

    Paper: Bai et al., "GradCraft: Elevating Multi-task Recommendations through Holistic Gradient Crafting", KDD 2024,
    arXiv 2407.19682.

    Args:
        tau: How far the norms move, in [0, 1]: 0 keeps them, 1 makes them equal.
        magnitude: The norm M that they move towards, see `GradCraft`; the largest by default.
        beta: Weight of the past in a moving average of the norms, in [0, 1), see `GradCraft`.
        parts: How the shared variables are grouped, see `Balancer`.

    Raises:
        ValueError: If a hyper-parameter is out of range.

    Example:
        >>> import tensorflow as tf
        >>> weights, _ = Magnitude(tau=1.0).weights(tf.linalg.diag([[16.0, 1.0]]), losses=tf.ones(2), state={})
        >>> weights.numpy().tolist()
        [[1.0, 4.0]]
    """

    tau: float = 0.5
    magnitude: str | int = "max"
    beta: float = 0.0

    needs: ClassVar[str] = "norms"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("Magnitude", "tau", self.tau, 0, 1)
        _ = self._gradcraft  # checks the others

    @property
    def _gradcraft(self) -> GradCraft:
        return GradCraft(tau=self.tau, magnitude=self.magnitude, beta=self.beta)

    def init(self, num_tasks, num_parts=1):
        """Returns `{"norms": zeros [P, T]}` if there is a moving average."""
        return self._gradcraft.init(num_tasks, num_parts)

    def for_tasks(self, tasks: Sequence[str]) -> Magnitude:
        """See `Balancer.for_tasks`."""
        return dataclasses.replace(self, magnitude=resolve_magnitude("Magnitude", self.magnitude, tasks))

    def weights(self, gram, losses, state, seed=None):
        """See `Balancer.weights`."""
        return self._gradcraft.scales(gram, state)
