"""Axes of a search space: a fixed value, a choice, or a range."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

AXES: tuple[str, ...] = (
    "method",
    "tau",
    "epsilon",
    "relax_factor",
    "strategy",
    "balance_over",
    "architecture",
    "experts",
    "units",
)
AXES += ("dropout", "embedding_dim", "learning_rate", "batch_size")
"""Names of the axes that `MultiTaskHyperModel` has by default."""

Value = bool | int | float | str


@dataclasses.dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included; whole numbers where both are.

    Args:
        low: The smallest.
        high: The largest.
        step: Distance of neighbours; with `log` their ratio. None for all numbers between.
        log: Whether each order of magnitude is as likely as another.

    Raises:
        ValueError: If the range is empty, or reaches 0 with `log`.

    Example:
        >>> Range(1e-4, 1e-2, log=True)
        Range(low=0.0001, high=0.01, step=None, log=True)
    """

    low: float
    high: float
    step: float | None = None
    log: bool = False

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ValueError(f"a range goes from a smaller to a larger number, got {self.low!r} to {self.high!r}")
        if self.log and self.low <= 0:
            raise ValueError(f"a range with log starts above 0, got {self.low!r}")
        if self.step is not None and self.step <= (1 if self.log else 0):
            raise ValueError(f"the step of a range is above {1 if self.log else 0}, got {self.step!r}")


TENTHS = Range(0.0, 1.0, step=0.1)
"""The shares 0, 0.1, ..., 1."""

Axis = Value | Sequence[Value] | Range
"""A fixed value, a sequence of values to choose from, or a `Range`."""


def declare(hp: Any, name: str, axis: Axis, default: Value | None = None) -> Any:
    """Declares an axis as a hyper-parameter and returns its value, None where it is not active.

    Args:
        hp: `keras_tuner.HyperParameters`.
        name: Name of the hyper-parameter.
        axis: What it may be. A fixed value is declared too, so that each trial holds all that it was made of.
        default: The value of a first trial, if the axis has it; else the first choice, or the low end.

    Raises:
        ValueError: If a choice is empty or its values are of several kinds.

    Example:
        >>> import keras_tuner
        >>> hp = keras_tuner.HyperParameters()
        >>> declare(hp, "tau", Range(0.0, 1.0, step=0.1), default=0.5), declare(hp, "method", ["sum", "gradcraft"])
        (0.5, 'sum')
        >>> declare(hp, "batch_size", 512), [of.name for of in hp.space]
        (512, ['tau', 'method', 'batch_size'])
    """
    if isinstance(axis, Range):
        inside = default is not None and not isinstance(default, str) and axis.low <= default <= axis.high
        whole = isinstance(axis.low, int) and isinstance(axis.high, int)
        made = hp.Int if whole else hp.Float
        sampling = "log" if axis.log else "linear"
        first = default if inside else axis.low
        return made(name, axis.low, axis.high, step=axis.step, sampling=sampling, default=first)
    if isinstance(axis, bool | int | float | str):
        return hp.Fixed(name, axis)
    values = list(axis)
    if not values:
        raise ValueError(f"{name}: there is nothing to choose from; give one value, several, or a Range")
    if len(values) == 1:
        return hp.Fixed(name, values[0])
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        values = [float(value) for value in values] if any(isinstance(value, float) for value in values) else values
    elif len({type(value) for value in values}) > 1:
        raise ValueError(f"{name}: the values to choose from are of several kinds: {values}")
    return hp.Choice(name, values, default=default if default in values else values[0])


def values_of(axis: Axis) -> list[Value]:
    """Returns the values of an axis that is no range, as a list.

    Example:
        >>> values_of("sum"), values_of(("sum", "gradcraft"))
        (['sum'], ['sum', 'gradcraft'])
    """
    if isinstance(axis, Range):
        raise ValueError("names are chosen from a list, not from a range")
    return [axis] if isinstance(axis, bool | int | float | str) else list(axis)


def parse_axis(text: str) -> Axis:
    """Returns the axis that a text describes: a value, values with commas, or `low..high`, `:step` or `:log` after it.

    Raises:
        ValueError: If a range can't be read, or is empty.

    Example:
        >>> parse_axis("0.1"), parse_axis("64-32, 128-64"), parse_axis("1e-4..1e-2:log")
        (0.1, ['64-32', '128-64'], Range(low=0.0001, high=0.01, step=None, log=True))
        >>> parse_axis("0..1:0.25"), parse_axis("1..4")
        (Range(low=0.0, high=1.0, step=0.25, log=False), Range(low=1, high=4, step=None, log=False))
    """
    if ".." not in text:
        values = [_value(part.strip()) for part in text.split(",") if part.strip()]
        if not values:
            raise ValueError(f"{text!r} holds no value")
        return values[0] if len(values) == 1 else values
    ends, _, how = text.partition(":")
    numbers = [_value(part.strip()) for part in ends.split("..")]
    step = None if how in ("", "log") else _value(how)
    if len(numbers) != 2 or not all(isinstance(number, int | float) for number in [*numbers, step or 0]):
        raise ValueError(f"{text!r} is no range; write it such as 0..1, 0..1:0.1 or 1e-4..1e-2:log")
    if any(isinstance(number, float) for number in [*numbers, step]):
        numbers = [float(number) for number in numbers]
    low, high = numbers
    return Range(low, high, step=step, log=how == "log")  # type: ignore[arg-type]


def _value(text: str) -> Value:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
