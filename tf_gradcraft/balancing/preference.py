"""How much the tasks count before anything is projected."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import tensorflow as tf

from tf_gradcraft.balancing.base import active_tasks
from tf_gradcraft.linalg import safe_divide
from tf_gradcraft.suggestions import unknown_name

Preference = Mapping[str, float] | Sequence[float] | None


def check_preference(method: str, preference: Preference) -> Preference:
    """Returns the preference, a sequence as a tuple.

    Raises:
        ValueError: If a value is not positive and finite.
    """
    if preference is None:
        return None
    values = preference.values() if isinstance(preference, Mapping) else preference
    for value in values:
        if not (value > 0 and math.isfinite(value)):
            raise ValueError(f"{method}: preference={preference!r} is out of range; each value must be in (0, inf)")
    return preference if isinstance(preference, Mapping) else tuple(preference)


def resolve_preference(method: str, preference: Preference, tasks: Sequence[str]) -> Preference:
    """Returns the preference in the order of the tasks.

    Raises:
        ValueError: If it is not for these tasks.
    """
    if preference is None:
        return None
    if isinstance(preference, Mapping):
        for name in preference:
            if name not in tasks:
                raise ValueError(f"{method}: " + unknown_name("task of the preference", name, tasks))
        missing = [task for task in tasks if task not in preference]
        if missing:
            raise ValueError(f"{method}: preference has no value for {', '.join(missing)}")
        return tuple(preference[task] for task in tasks)
    if len(preference) != len(tasks):
        raise ValueError(f"{method}: preference has {len(preference)} values for {len(tasks)} tasks")
    return preference


def preferences(method: str, preference: Preference, gram: tf.Tensor) -> tf.Tensor:
    """Returns the tasks' preferences p [T], float64: 0 for tasks without gradient in any part, and adding up to 1.

    Raises:
        ValueError: If names are not resolved, or there is another number of tasks.
    """
    if isinstance(preference, Mapping):
        raise ValueError(f"{method}: preference is not resolved; call for_tasks(names) first")
    resolve_preference(method, preference, range(gram.shape[-1]))
    active = active_tasks(gram)
    if preference is not None:
        active *= tf.constant(preference, tf.float64)
    return safe_divide(active, tf.reduce_sum(active))
