"""Two methods in a row: the second balances what the first has scaled."""

from __future__ import annotations

import dataclasses

from tf_gradcraft.balancing.base import Balancer, State
from tf_gradcraft.balancing.magnitude import scaled_gram

FIRST, SECOND = "first.", "second."


@dataclasses.dataclass(frozen=True, kw_only=True)
class Composition(Balancer):
    r"""Base class of methods that are two methods in a row; a subclass says by `members` which.

    The first member's weights s scale the gradients. The second sees their Gram matrix,
    $\mathrm{diag}(s) A\, \mathrm{diag}(s)$, and chooses weights w; the update is $g = \sum_t w_t s_t g_t$. Both members
    get the losses as they are, and work on the parts of the composition, whatever their own.
    """

    @property
    def members(self) -> tuple[Balancer, Balancer]:
        """The two methods, in their order."""
        raise NotImplementedError

    @property
    def needs(self) -> str:  # type: ignore[override]
        """What the more demanding of the two needs."""
        return next(need for need in ("gram", "norms", "losses") if need in [member.needs for member in self.members])

    def init(self, num_tasks: int, num_parts: int = 1) -> State:
        """Returns the states of both, one dict: the names begin with `first.` and `second.`."""
        first, second = self.members
        return _joined(first.init(num_tasks, num_parts), second.init(num_tasks, num_parts))

    def weights(self, gram, losses, state, seed=None):
        """See `Balancer.weights`."""
        first, second = self.members
        scales, first_state = first.weights(gram, losses, _part_of(state, FIRST), seed)
        weights, second_state = second.weights(scaled_gram(gram, scales), losses, _part_of(state, SECOND), seed)
        return scales * weights, _joined(first_state, second_state)


def _joined(first: State, second: State) -> State:
    return {FIRST + name: value for name, value in first.items()} | {
        SECOND + name: value for name, value in second.items()
    }


def _part_of(state: State, prefix: str) -> State:
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
