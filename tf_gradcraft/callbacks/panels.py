"""Drawings of a record of task gradients on matplotlib axes: for pages, pictures and TensorBoard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tf_gradcraft.reporting import heat_map


def draw_by_step(axes: Any, story: Mapping[str, Any], name: str, label: str) -> None:
    """Draws a value of each task over steps, on a logarithmic scale where all of it is positive.

    Args:
        axes: Matplotlib axes, of `tf_gradcraft.reporting.draw`.
        story: What `GradientMonitor.story` returns.
        name: `"norms"` or `"weights"`.
        label: What stands at the axis.
    """
    steps, values = story["steps"]["step"], numbers(story["steps"][name])
    for task, of_task in zip(story["tasks"], values.T, strict=True):
        known = ~np.isnan(of_task)
        # A task that is labelled in some steps only has a line from one of them to the next.
        axes.plot(np.asarray(steps)[known], of_task[known], label=task, **_markers(len(steps)))
    if np.nanmin(values, initial=np.inf) > 0:
        axes.set_yscale("log")
    _finish(axes, "step", label)


def draw_conflicts(axes: Any, story: Mapping[str, Any]) -> None:
    """Draws the shares of conflicting pairs before, and of tasks the update points against after balancing."""
    steps = story["steps"]
    for name, label in (("conflict", "pairs in conflict, before"), ("residual_conflict", "tasks harmed, after")):
        axes.plot(steps["step"], 100 * numbers(steps[name]), label=label, **_markers(len(steps["step"])))
    axes.set_ylim(-3, 103)
    _finish(axes, "step", "%")


def draw_cosines(axes: Any, tasks: Sequence[str], cosines: Any) -> None:
    """Draws the cosines [T, T] of the task gradients as a heat map; what is not known is left empty."""
    heat_map(axes, numbers(cosines), tasks, tasks)
    for text in [text for text in axes.texts if text.get_text() == "nan"]:
        text.remove()


def draw_gates(axes: Any, gates: Sequence[Mapping[str, Any]]) -> None:
    """Draws the mean shares of each gate's experts as a bar of pieces, an expert a colour."""
    left = np.zeros(len(gates))
    for expert in range(max(len(gate["shares"]) for gate in gates)):
        shares = np.array([gate["shares"][expert] if expert < len(gate["shares"]) else 0.0 for gate in gates])
        axes.barh(range(len(gates)), 100 * shares, left=100 * left, label=f"expert {expert}", linewidth=0.4)
        left += shares
    axes.set_yticks(range(len(gates)), [gate_title(gate) for gate in gates])
    axes.invert_yaxis()
    axes.set_xlim(0, 100)
    _finish(axes, "mean share, %", "")


def gate_title(gate: Mapping[str, Any]) -> str:
    """Returns a gate's name, and its task if it is that of one.

    Example:
        >>> gate_title({"name": "mixture/gate_1", "task": "like"})
        'mixture/gate_1 (like)'
    """
    return f"{gate['name']} ({gate['task']})" if gate["task"] else gate["name"]


def numbers(values: Any) -> np.ndarray:
    """Returns JSON values as an array, NaN where there is None."""
    return np.array(values, dtype=float)


def _markers(count: int) -> dict[str, Any]:
    """Few points are drawn as such: a line through one of them would not be seen."""
    return {"marker": "o", "markersize": 3.5} if count <= 30 else {}


def _finish(axes: Any, x: str, y: str) -> None:
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
