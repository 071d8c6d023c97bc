"""The record of a training: what was measured, by step and by epoch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tf_gradcraft.callbacks.alerts import alerts_of
from tf_gradcraft.callbacks.measures import CONFLICT, Measures, mean, measure
from tf_gradcraft.files.json_files import finite_or_none
from tf_gradcraft.training.telemetry import Layout

FORMAT = 1
MOST_STEPS = 400
"""How many steps a story holds; of a longer record every second, third, ... noted step."""


class Record:
    """What was noted of a training, added up by epoch.

    Args:
        layout: What the numbers are about.
        method: Name of the balancing method.

    Attributes:
        layout: The same.
    """

    def __init__(self, layout: Layout, method: str) -> None:
        self.layout, self.method = layout, method
        self._steps: list[tuple[int, Measures]] = []
        self._epochs: list[dict[str, Any]] = []

    def add(self, noted: Mapping[str, np.ndarray], losses: Sequence[float]) -> Measures:
        """Adds the noted steps of an epoch, at least one.

        Args:
            noted: What `Telemetry.read` returned.
            losses: Mean losses [T] of the epoch; NaN where not known.

        Returns:
            What was measured on all parts together, in each of the steps.
        """
        gram, weights = noted["gram"], noted["weights"]
        total = measure(gram, weights)
        for position, step in enumerate(noted["step"]):
            self._steps.append((int(step), Measures(*(values[position] for values in total))))
        conflicts = np.where(np.isnan(total.cosines), np.nan, total.cosines < CONFLICT)
        epoch = {
            "epoch": len(self._epochs) + 1,
            "step": int(noted["step"][-1]),
            "noted_steps": len(noted["step"]),
            "losses": list(losses),
            **_means(total),
            "conflicts": mean(conflicts).tolist(),
            "parts": [],
            "gates": self._gates(noted["gates"].mean(axis=0)),
        }
        if len(self.layout.parts) > 1:
            weights = np.broadcast_to(weights, gram.shape[:-1])
            for position, name in enumerate(self.layout.parts):
                one = slice(position, position + 1)
                epoch["parts"].append({"name": name, **_means(measure(gram[:, one], weights[:, one]))})
        self._epochs.append(epoch)
        return total

    def _gates(self, means: np.ndarray) -> list[dict[str, Any]]:
        gates, start = [], 0
        for gate in self.layout.gates:
            end = start + gate["experts"]
            shares, entropy = means[start:end].tolist(), float(means[end])
            gates.append({"name": gate["name"], "task": gate["task"], "shares": shares, "entropy": entropy})
            start = end + 1
        return gates

    @property
    def last_epoch(self) -> dict[str, Any]:
        """The last epoch in which something was noted, as in `story`."""
        return self._epochs[-1]

    def story(self) -> dict[str, Any]:
        """Returns the record as plain JSON, see `GradientMonitor.story`."""
        kept = self._steps[:: max(1, math.ceil(len(self._steps) / MOST_STEPS))]
        story = {
            "format": FORMAT,
            "balancing": self.method,
            "over": self.layout.over,
            "tasks": list(self.layout.tasks),
            "parts": list(self.layout.parts),
            "steps": {
                "step": [step for step, _ in kept],
                "norms": [measures.norms.tolist() for _, measures in kept],
                "weights": [measures.weights.tolist() for _, measures in kept],
                "conflict": [float(measures.conflict) for _, measures in kept],
                "residual_conflict": [float(measures.residual) for _, measures in kept],
            },
            "epochs": self._epochs,
        }
        story = finite_or_none(story)
        return {**story, "alerts": alerts_of(story)}


def _means(measures: Measures) -> dict[str, Any]:
    return {
        "norms": mean(measures.norms).tolist(),
        "weights": mean(measures.weights).tolist(),
        "cosines": mean(measures.cosines).tolist(),
        "conflict": float(mean(measures.conflict)),
        "residual_conflict": float(mean(measures.residual)),
    }
