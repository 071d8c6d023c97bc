"""What in a record of task gradients should be looked at, in plain words."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

SMALLER = 100.0
"""So many times smaller than the largest, before and after balancing, is worth an alert."""
COLLAPSED = 0.95
"""Share of all weights, or of a gate, at which one task or expert stands for all."""
CONSTANT = 0.95
"""Share of the noted steps in which a pair conflicts that counts as constant."""
ENOUGH = 5
"""Fewer noted steps are too few to call a conflict constant."""


def alerts_of(story: Mapping[str, Any]) -> list[str]:
    """Returns what should be looked at, a sentence or two each; empty if there is nothing.

    Args:
        story: What `GradientMonitor.story` returns; `"alerts"` is not looked at.

    Example:
        >>> epoch = {"noted_steps": 9, "losses": [0.5, 0.0], "norms": [1.0, None], "weights": [1.0, None],
        ...          "conflicts": [[0.0, None], [None, None]], "cosines": [[1.0, None], [None, None]], "gates": []}
        >>> alerts_of({"balancing": "sum", "tasks": ["click", "buy"], "epochs": [epoch]})
        ['`buy` had no gradient in any of the 9 noted steps: it has no labelled row, or nothing to learn from']
    """
    if not story["epochs"]:
        return []
    found = _Means(story)
    return [*found.unheard(), *found.unequal(), *found.collapsed(), *found.conflicting(), *found.gates()]


class _Means:
    """Means over the noted steps of all epochs."""

    def __init__(self, story: Mapping[str, Any]) -> None:
        self.tasks: Sequence[str] = story["tasks"]
        self.summed = story["balancing"] == "sum"
        self.method: str = story["balancing"]
        self.epochs: Sequence[Mapping[str, Any]] = story["epochs"]
        self.steps = np.array([epoch["noted_steps"] for epoch in self.epochs], float)
        self.norms, self.weights = self.mean("norms"), self.mean("weights")

    def mean(self, name: str) -> np.ndarray:
        """Returns the mean of a value over epochs, weighted by their noted steps; NaN where it is never known."""
        values = np.array([epoch[name] for epoch in self.epochs], float)
        steps = self.steps.reshape([-1] + [1] * (values.ndim - 1))
        counted = np.where(np.isnan(values), 0, steps).sum(axis=0)
        return np.where(counted > 0, np.nansum(values * steps, axis=0) / np.maximum(counted, 1), np.nan)

    def unheard(self) -> list[str]:
        texts = []
        for task, name in enumerate(self.tasks):
            losses = [epoch["losses"][task] for epoch in self.epochs]
            # A task that is seldom labelled may have no gradient in the noted steps alone; its loss then is not 0.
            if np.isnan(self.norms[task]) and not any(losses):
                where = f"any of the {self.steps.sum():.0f} noted steps"
                texts.append(f"`{name}` had no gradient in {where}: it has no labelled row, or nothing to learn from")
        return texts

    def unequal(self) -> list[str]:
        """Tasks far smaller than the largest, and still so after balancing; or one far larger than all others."""
        known = np.flatnonzero(~np.isnan(self.norms)).tolist()
        if len(known) < 2:
            return []
        sizes = self.norms * np.abs(self.weights)
        largest = max(known, key=lambda task: self.norms[task])
        others = [task for task in known if task != largest]
        how = "and never balanced" if self.summed else f"and {self.method} does not make up for it"
        ratios = {task: _ratio(self.norms[largest], self.norms[task]) for task in others}
        small = [task for task in others if ratios[task] >= SMALLER and _ratio(sizes[largest], sizes[task]) >= SMALLER]
        if len(small) == len(others) > 1:
            least = min(ratios.values())
            name = self.tasks[largest]
            advice = "check its labels and the scale of its loss"
            return [f"`{name}` is {_times(least)} times larger than any other task {how}: {advice}"]
        return [
            f"`{self.tasks[task]}` is {_times(ratios[task])} times smaller than `{self.tasks[largest]}` {how}: "
            "check its labels"
            for task in small
        ]

    def collapsed(self) -> list[str]:
        """A method whose weights, and with them the update, have gone to one task."""
        known = np.flatnonzero(~np.isnan(self.norms)).tolist()
        if self.summed or len(known) < 2:
            return []
        shares = []
        for values in (np.abs(self.weights), self.norms * np.abs(self.weights)):
            whole = values[known].sum()
            shares.append(values / whole if whole > 0 else np.zeros_like(values))
        for task in known:
            if min(of[task] for of in shares) >= COLLAPSED:
                return [
                    f"{self.method} gives `{self.tasks[task]}` {shares[0][task]:.0%} of all weights: the other tasks "
                    "hardly form what is shared; try another method, or other settings"
                ]
        return []

    def conflicting(self) -> list[str]:
        """Pairs that conflict in nearly all noted steps."""
        if self.steps.sum() < ENOUGH:
            return []
        conflicts, cosines = self.mean("conflicts"), self.mean("cosines")
        return [
            f"`{self.tasks[one]}` and `{self.tasks[other]}` point against each other in {conflicts[one, other]:.0%} of "
            f"the noted steps (mean cosine {cosines[one, other]:.2f}): see whether one label says the opposite of the "
            "other, or give them more of their own layers"
            for one, other in itertools.combinations(range(len(self.tasks)), 2)
            if conflicts[one, other] >= CONSTANT
        ]

    def gates(self) -> list[str]:
        """Gates that use one expert only, at the end."""
        texts = []
        for gate in self.epochs[-1]["gates"]:
            shares = gate["shares"]
            best = int(np.argmax(shares))
            if len(shares) > 1 and shares[best] >= COLLAPSED:
                of_task = f" of `{gate['task']}`" if gate["task"] else ""
                texts.append(
                    f"gate {gate['name']}{of_task} uses one of its {len(shares)} experts only: number {best} has "
                    f"{shares[best]:.0%}; the others learn little from it"
                )
        return texts


def _ratio(large: float, small: float) -> float:
    return float(large / small) if small > 0 else float("inf")


def _times(ratio: float) -> str:
    """Returns a ratio in two digits."""
    return f"{float(f'{ratio:.2g}'):,.0f}"
