"""Hyper-parameters that have a value for each task: given by name, or as a list in the order of the tasks."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping, Sequence
from typing import Any

from tf_gradcraft.suggestions import unknown_name

TaskValues = Mapping[str, float] | Sequence[float]


def task_values(method: str, argument: str, values: Any, low: float = -math.inf) -> TaskValues | None:
    """Returns values by task as a dict of floats, or as a tuple of them; None is left as it is.

    Args:
        method: The method's class name, for messages.
        argument: Name of the hyper-parameter.
        values: None, `{task: value}`, or a list of values.
        low: The smallest value allowed.

    Raises:
        ValueError: If it is something else, or a value is no finite number of at least `low`.

    Example:
        >>> task_values("Fixed", "weights", [1, 0.5])
        (1.0, 0.5)
    """
    if values is None:
        return None
    if isinstance(values, str) or not isinstance(values, Mapping | Sequence) or not values:
        raise ValueError(f"{method}: {argument} must be {{task: value}} or a list of values, got {values!r}")
    for key, value in values.items() if isinstance(values, Mapping) else enumerate(values):
        number = isinstance(value, numbers.Real) and not isinstance(value, bool)
        if not (number and math.isfinite(value) and value >= low):
            allowed = "a finite number" if low == -math.inf else f"in [{low}, inf)"
            raise ValueError(f"{method}: {argument}[{key!r}]={value!r} is out of range; it must be {allowed}")
    if isinstance(values, Mapping):
        return {str(task): float(value) for task, value in values.items()}
    return tuple(float(value) for value in values)


def in_task_order(method: str, argument: str, values: TaskValues | None, tasks: Sequence[str]) -> TaskValues | None:
    """Returns values by task as a tuple in the order of the tasks; None is left as it is.

    Raises:
        ValueError: If a name is no task, a task has no value, or there are more or fewer values than tasks.

    Example:
        >>> in_task_order("Fixed", "weights", {"like": 0.5, "click": 1.0}, ["click", "like"])
        (1.0, 0.5)
    """
    if values is None:
        return None
    if isinstance(values, Mapping):
        for name in values:
            if name not in tasks:
                raise ValueError(f"{method}: " + unknown_name(f"task in {argument}", name, tasks))
        if missing := [task for task in tasks if task not in values]:
            raise ValueError(f"{method}: {argument} has no value for {', '.join(missing)}; give one for each task")
        return tuple(values[task] for task in tasks)
    check_length(method, argument, values, len(tasks))
    return values


def check_length(method: str, argument: str, values: TaskValues, num_tasks: int) -> None:
    """Raises a ValueError unless the values are resolved to the order of the tasks, one each."""
    if isinstance(values, Mapping):
        raise ValueError(f"{method}: the names in {argument} are not resolved; call for_tasks(names) first")
    if len(values) != num_tasks:
        raise ValueError(f"{method}: {argument} has {len(values)} values for {num_tasks} tasks; give one for each task")
