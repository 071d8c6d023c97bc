"""What every balancing method is: a function of the Gram matrix of the task gradients."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import tensorflow as tf

from tf_gradcraft.suggestions import unknown_name

State = dict[str, tf.Tensor]
Parts = str | Mapping[str, str]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Balancer:
    """Chooses how much each task's gradient counts in the update of the shared variables.

    A method is a subclass with a `weights` method, and with `init` where it remembers something. Objects are immutable;
    what a method remembers is the state that goes in and comes out of `weights`.

    Args:
        parts: How the shared variables are grouped, each group being balanced by its own Gram matrix: `"all"` (one
            part), `"variable"` (one part a shared variable), or `{name: regex}`: a part holds the variables whose path
            the regex finds (`re.search`), the first match counts, and what matches nothing forms one more part.

    Raises:
        ValueError: If `parts` is none of these.

    Attributes:
        needs: `"gram"` (all products of task gradients), `"norms"` (only the diagonal is looked at) or `"losses"` (no
            gradient is looked at: the gradient engine then makes one backward pass of the weighted loss instead of one
            a task, and passes as Gram matrix the identity on the tasks whose loss is not zero).
        looks_back: Whether the method wants to know each step's losses after the update too (see `after_update`); the
            training step then runs the model once more on the same batch.
    """

    parts: Parts = "all"

    needs: ClassVar[str] = "gram"
    looks_back: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_parts(self.parts)

    def init(self, num_tasks: int, num_parts: int = 1) -> State:
        """Returns the state before the first step: a dict of tensors, empty for most methods."""
        return {}

    def weights(
        self, gram: tf.Tensor, losses: tf.Tensor, state: State, seed: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, State]:
        """Returns the weight of each task's gradient and the new state.

        Pure and traceable; computes in float64.

        Args:
            gram: Gram matrices [P, T, T] of the task gradients, one a part.
            losses: Losses [T] of the tasks, after `loss_weights`.
            state: What `init` or the last call returned.
            seed: int64 [2], for methods that draw random numbers; by default they draw from their own state.

        Returns:
            Weights [P, T], float64, and the state after this step. Tasks whose gradient is zero in every part are left
            out: they have weight 0 and the others get the weights they would get without them.
        """
        raise NotImplementedError

    def after_update(self, losses: tf.Tensor, losses_after: tf.Tensor, state: State) -> State:
        """Returns the state after a step, for a method that `looks_back`.

        Pure and traceable. Not called for a step that was skipped.

        Args:
            losses: Losses [T] of the tasks before the update, as `weights` got them.
            losses_after: Losses [T] of the same batch after it.
            state: What `weights` returned in this step.
        """
        return state

    def end_epoch(self, state: State) -> State:
        """Returns the state with which the next epoch starts; called at the end of each epoch of `fit`."""
        return state

    def for_tasks(self, tasks: Sequence[str]) -> Balancer:
        """Returns this balancer with task names resolved to their position.

        Raises:
            ValueError: If a name is not among the tasks.
        """
        return self

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Balancer:
        """Inverse of `get_config`."""
        return cls(**config)


def check_parts(parts: Parts) -> None:
    """Raises a ValueError if `parts` is not `"all"`, `"variable"` or a dict of regular expressions."""
    if isinstance(parts, str):
        if parts not in ("all", "variable"):
            raise ValueError(unknown_name("parts", parts, ("all", "variable")) + ", or {name: regex}")
        return
    if not isinstance(parts, Mapping) or not parts:
        raise ValueError(f"parts must be 'all', 'variable' or a non-empty dict {{name: regex}}, got {parts!r}")
    for name, pattern in parts.items():
        try:
            re.compile(pattern)
        except (re.error, TypeError) as error:
            raise ValueError(f"parts[{name!r}]={pattern!r} is no regular expression: {error}") from error


def check_range(method: str, name: str, value: float, low: float, high: float) -> None:
    """Raises a ValueError if a hyper-parameter is not in [low, high]."""
    if not low <= value <= high:
        raise ValueError(f"{method}: {name}={value!r} is out of range; it must be in [{low}, {high}]")


def check_above(method: str, name: str, value: float, low: float) -> None:
    """Raises a ValueError unless a hyper-parameter is a finite number above `low`."""
    if not low < value < math.inf:
        raise ValueError(f"{method}: {name}={value!r} is out of range; it must be in ({low}, inf)")


def norms_of(gram: tf.Tensor) -> tf.Tensor:
    """Returns the gradient norms [P, T] from Gram matrices [P, T, T], in float64."""
    return tf.sqrt(tf.maximum(tf.linalg.diag_part(tf.cast(gram, tf.float64)), 0))


def scaled_gram(gram: tf.Tensor, scales: tf.Tensor) -> tf.Tensor:
    """Returns the Gram matrices diag(s) A diag(s) [P, T, T] of the gradients times s [P, T], in float64."""
    return tf.cast(gram, tf.float64) * scales[:, :, tf.newaxis] * scales[:, tf.newaxis, :]


def active_tasks(gram: tf.Tensor) -> tf.Tensor:
    """Returns which tasks [T] (float64, 0 or 1) have a gradient in any part; the others are left out of a step."""
    return tf.cast(tf.reduce_any(norms_of(gram) > 0, axis=0), tf.float64)


def plain_if_alone(weights: tf.Tensor, gram: tf.Tensor) -> tf.Tensor:
    """Returns the weights [P, T], or weight 1 for the one task that has a gradient, if there is only one."""
    active = active_tasks(gram)
    alone = tf.reduce_sum(active) == 1
    return tf.where(alone, active * tf.ones_like(weights), weights)
