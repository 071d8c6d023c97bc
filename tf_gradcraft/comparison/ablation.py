"""The plan of GradCraft's ablations and of its scaling with the number of tasks."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tf_gradcraft.comparison.method import SINGLE, SUM, Method, parse_method
from tf_gradcraft.comparison.plan import Group, Plan, fingerprint_of

TAUS = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0)
EPSILONS = (0.0, 1e-10, 1e-9, 1e-8, 1e-4, 1e-2)
TASK_COUNTS = (2, 4, 6)
DEFAULTS: dict[str, Any] = {"tau": 0.5, "epsilon": 1e-8, "projection": "one_shot"}
"""Those of `GradCraft`, which can't be imported without TensorFlow."""

VARIANTS: tuple[dict[str, Any], ...] = (
    {"epsilon": 0.0},
    {"tau": 1.0},
    {"tau": 0.0},
    {"projection": "local"},
    {"projection": "exact"},
)
"""The ablations of the paper: epsilon fixed at 0, tau at its ends, one projection after the other; and ours."""


def ablation_plan(
    prepared: Path,
    tasks: Sequence[str],
    seeds: Sequence[int],
    *,
    base: str = "gradcraft",
    taus: Sequence[float] = TAUS,
    epsilons: Sequence[float] = EPSILONS,
    task_counts: Sequence[int] = TASK_COUNTS,
    **settings: Any,
) -> Plan:
    """Returns the plan of all ablations. It searches nothing: everything but what is varied stays as it is.

    Tables: the variants of the paper, the sweep over tau, the sweep over epsilon, and one for each number of tasks.
    Single-task models and the plain sum are in each. What is in several tables is run once.

    Args:
        prepared: The prepared folder.
        tasks: The tasks.
        seeds: Seeds of all runs.
        base: GradCraft, with the settings that all variants have, as text for `parse_method`.
        taus: Values of tau; none to leave this table out.
        epsilons: Values of epsilon; none to leave this table out.
        task_counts: Numbers of tasks, the first of `tasks`; those that are too large are left out.
        **settings: Further arguments of `Plan`.

    Raises:
        ValueError: If the base is another method, or a number of tasks is below 2.
    """
    tasks = tuple(tasks)
    origin = parse_method(base, tasks)
    if origin.balancing != "gradcraft":
        raise ValueError(f"ablations are those of gradcraft, got {base!r}; write it such as gradcraft:tau=0.3")
    if too_few := [count for count in task_counts if count < 2]:
        raise ValueError(f"a number of tasks must be at least 2, got {too_few[0]}")
    methods = _Methods(origin)
    reference = [methods.add(parse_method(name, tasks)) for name in (SINGLE, SUM)]

    def labels(variants: Sequence[dict[str, Any]]) -> tuple[str, ...]:
        return tuple(methods.add(methods.variant(changed)) for changed in variants)

    groups = [Group(title="Ablations", labels=(*reference, methods.add(origin), *labels(VARIANTS)), tasks=tasks)]
    for name, values in (("tau", taus), ("epsilon", epsilons)):
        if values:
            varied = labels([{name: float(value)} for value in values])
            places = dict(zip(varied, map(float, values), strict=True))
            groups.append(Group(title=name, labels=(*reference, *varied), tasks=tasks, places=places))
    for count in sorted({count for count in task_counts if count <= len(tasks)}):
        # A method on all tasks is there already.
        some = tasks[:count]
        names = [methods.on_tasks(method, some) for method in (methods.known[SUM], origin)]
        groups.append(Group(title=f"{count} tasks", labels=(SINGLE, *names), tasks=some))
    return Plan(
        title="Ablations of GradCraft",
        prepared=str(prepared.resolve()),
        fingerprint=fingerprint_of(prepared),
        methods=tuple(methods.known.values()),
        groups=tuple(groups),
        seeds=tuple(seeds),
        **settings,
    )


class _Methods:
    """Methods by label; what does the same has one label."""

    def __init__(self, origin: Method) -> None:
        self.known: dict[str, Method] = {}
        self._origin = origin

    def add(self, method: Method) -> str:
        return self.known.setdefault(method.label, method).label

    def variant(self, changed: dict[str, Any]) -> Method:
        settings = self._origin.settings | changed
        if DEFAULTS | settings == DEFAULTS | self._origin.settings:
            return self._origin
        label = ":".join(
            [
                "gradcraft",
                *(
                    f"{name}={value:g}" if isinstance(value, float) else f"{name}={value}"
                    for name, value in settings.items()
                ),
            ]
        )
        return dataclasses.replace(self._origin, label=label, settings=settings)

    def on_tasks(self, method: Method, tasks: tuple[str, ...]) -> str:
        if tasks == method.tasks:
            return self.add(method)
        return self.add(dataclasses.replace(method, label=f"{method.label}@{len(tasks)}", tasks=tasks))
