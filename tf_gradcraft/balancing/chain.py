"""Any two methods in a row."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from tf_gradcraft.balancing.base import Balancer
from tf_gradcraft.balancing.composition import Composition
from tf_gradcraft.suggestions import unknown_name


@dataclasses.dataclass(frozen=True, kw_only=True)
class Chain(Composition):
    r"""Scales the gradients by one method, then chooses a direction by another.

    The weights s of `magnitude` scale the gradients; `direction` sees the Gram matrix
    $\mathrm{diag}(s) A\, \mathrm{diag}(s)$ and chooses w; the update is $g = \sum_t w_t s_t g_t$. A magnitude method is
    `Magnitude` (the first step of GradCraft), `MetaBalance`, or a method that weighs losses; a direction method is any
    that looks at the Gram matrix.

    The parts are those of the chain, for both of its members.

    Papers: "PCGrad+" in Bai et al., KDD 2024, arXiv 2407.19682 (`PCGradPlus`); MetaBalance followed by direction
    methods in He et al., WWW 2022, arXiv 2203.06801, Table 3 (which mostly did worse than MetaBalance alone).

    Args:
        magnitude: The method that scales.
        direction: The method that works on the scaled gradients.
        parts: How the shared variables are grouped, see `Balancer`.

    Raises:
        ValueError: If a member is no `Balancer`, or was given `parts` other than the chain's.

    Example:
        >>> import tensorflow as tf
        >>> from tf_gradcraft.balancing import MetaBalance, PCGrad
        >>> chain = Chain(magnitude=MetaBalance(relax_factor=1.0, target="like"), direction=PCGrad(), parts="variable")
        >>> chain = chain.for_tasks(["click", "like"])
        >>> weights, _ = chain.weights(tf.linalg.diag([[16.0, 1.0]]), losses=tf.ones(2), state=chain.init(2))
        >>> weights.numpy().tolist()
        [[0.25, 1.0]]
    """

    magnitude: Balancer
    direction: Balancer

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, member in (("magnitude", self.magnitude), ("direction", self.direction)):
            if not isinstance(member, Balancer):
                raise ValueError(f"Chain: {name} must be a Balancer, such as GradCraft(), got {member!r}")
            if member.parts not in (type(member).parts, self.parts):
                raise ValueError(
                    f"Chain: {name} has parts={member.parts!r}, the chain {self.parts!r}; both members work on the "
                    f"chain's parts, so give them to the chain: Chain(..., parts={member.parts!r})"
                )

    @property
    def members(self) -> tuple[Balancer, Balancer]:
        """See `Composition.members`."""
        return self.magnitude, self.direction

    def for_tasks(self, tasks: Sequence[str]) -> Chain:
        """See `Balancer.for_tasks`."""
        return dataclasses.replace(
            self, magnitude=self.magnitude.for_tasks(tasks), direction=self.direction.for_tasks(tasks)
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments, the members as `{"class_name": ..., "config": ...}`."""
        return {
            name: {"class_name": _registered_name(type(value)), "config": value.get_config()}
            if isinstance(value, Balancer)
            else value
            for name, value in super().get_config().items()
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Chain:
        """Inverse of `get_config`.

        Raises:
            ValueError: If a member's class is not known in this process.
        """
        return cls(
            magnitude=_member(config["magnitude"]), direction=_member(config["direction"]), parts=config["parts"]
        )


def _registered_name(kind: type[Balancer]) -> str:
    """Returns the name of a class in a config: its package, which stays when a file moves, and its own name."""
    return f"{kind.__module__.split('.')[0]}>{kind.__name__}"


def _member(config: Mapping[str, Any]) -> Balancer:
    """Returns the balancer of a config; of several classes of one name (a notebook's) the last defined."""
    known = {_registered_name(kind): kind for kind in _subclasses(Balancer)}
    if config["class_name"] not in known:
        raise ValueError("Chain: " + unknown_name("class", config["class_name"], known) + "; import it first")
    return known[config["class_name"]].from_config(config["config"])


def _subclasses(kind: type[Balancer]) -> list[type[Balancer]]:
    return [found for child in kind.__subclasses__() for found in (child, *_subclasses(child))]
