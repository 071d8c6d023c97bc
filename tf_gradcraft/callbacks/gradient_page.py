"""The record of task gradients as pieces of a page, and as a picture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from markupsafe import Markup

from tf_gradcraft.callbacks.panels import draw_by_step, draw_conflicts, draw_cosines, draw_gates, gate_title
from tf_gradcraft.reporting import Page, alert, chart, details, draw, paragraph, table

LEAD = "Gradients of the tasks on what they share, in the steps that were noted."
MOST_PARTS = 40
"""A table of parts holds so many; the rest is in the record."""


def gradient_blocks(story: dict) -> list[Markup]:
    r"""Returns what a record of task gradients says, as pieces of a page: alerts, charts and tables.

    Args:
        story: What `GradientMonitor.story` returns, or the content of `gradients.json`.

    Returns:
        Blocks for `tf_gradcraft.reporting.Page.add`.

    Example:
        >>> nothing = {"tasks": [], "epochs": [], "alerts": []}
        >>> gradient_blocks(nothing)
        [Markup('<p>No step was noted: no two tasks share a variable, or training ended before.</p>\n')]
    """
    if not story["epochs"]:
        return [paragraph("No step was noted: no two tasks share a variable, or training ended before.")]
    tasks, last = story["tasks"], story["epochs"][-1]
    noted = sum(epoch["noted_steps"] for epoch in story["epochs"])
    over = "the shared representation" if story["over"] == "representation" else "the shared variables"
    blocks = [alert(text) for text in story["alerts"]]
    blocks.append(
        paragraph(
            f"Balancing: {story['balancing']}. {noted} steps were noted, in {len(story['epochs'])} epochs. Gradients "
            f"were measured on {over}."
        )
    )
    blocks.append(_tasks_table(tasks, last))
    with draw(height=3.6) as (figure, axes):
        draw_by_step(axes[0, 0], story, "norms", "norm of the gradient")
        blocks.append(
            chart(figure, f"Norms of the task gradients over steps. {_now(tasks, last['norms'])}", "Sizes of the tasks")
        )
    with draw(height=3.6) as (figure, axes):
        draw_by_step(axes[0, 0], story, "weights", "weight")
        caption = "Weights of the tasks in the update"
        blocks.append(chart(figure, f"Weights of the tasks over steps. {_now(tasks, last['weights'])}", caption))
    if len(tasks) > 1:
        with draw(height=3.2) as (figure, axes):
            draw_conflicts(axes[0, 0], story)
            text = (
                f"Conflicts over steps. In the last epoch {_percent(last['conflict'])} of the pairs before balancing; "
                f"{_percent(last['residual_conflict'])} of the tasks had the update against them after it."
            )
            caption = (
                "Share of the pairs of tasks that point against each other; of the tasks the update points against"
            )
            blocks.append(chart(figure, text, caption))
        with draw(width=max(5.0, 1.1 * len(tasks) + 2), height=max(2.8, 0.6 * len(tasks) + 1.2)) as (figure, axes):
            draw_cosines(axes[0, 0], tasks, last["cosines"])
            blocks.append(chart(figure, _cosines(tasks, last["cosines"]), "Cosines of the task gradients, last epoch"))
    if last["gates"]:
        with draw(height=0.42 * len(last["gates"]) + 1.2) as (figure, axes):
            draw_gates(axes[0, 0], last["gates"])
            blocks.append(chart(figure, "Mean shares of experts by gate; the table says them.", "Gates, last epoch"))
        blocks.append(details("gates", _gates_table(last["gates"])))
    if last["parts"]:
        blocks.append(details("by part of the shared variables", _parts_table(tasks, last["parts"])))
    return blocks


def write_page(path: Path, story: dict) -> None:
    """Writes a record as a page of its own."""
    page = Page("Task gradients", lead=LEAD)
    page.add("Gradients", *gradient_blocks(story))
    page.write(path)


def write_picture(path: Path, story: dict) -> None:
    """Writes the charts of a record as one PNG file.

    Raises:
        ValueError: If no step was noted.
    """
    if not story["epochs"]:
        raise ValueError(f"{path}: no step was noted, there is nothing to draw")
    last, height = story["epochs"][-1], max(4.0, 0.5 * len(story["tasks"]) + 1.5)
    with draw(2, 2, width=15, height=2 * height) as (figure, axes):
        draw_by_step(axes[0, 0], story, "norms", "norm of the gradient")
        draw_by_step(axes[0, 1], story, "weights", "weight")
        draw_conflicts(axes[1, 0], story)
        draw_cosines(axes[1, 1], story["tasks"], last["cosines"])
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, format="png", dpi=110, facecolor="white")


def _tasks_table(tasks: list[str], last: Mapping[str, Any]) -> Markup:
    rows = [
        [task, _number(norm), _number(weight), _number(None if None in (norm, weight) else norm * weight)]
        for task, norm, weight in zip(tasks, last["norms"], last["weights"], strict=True)
    ]
    return table(f"Tasks, means of epoch {last['epoch']}", ["task", "norm", "weight", "norm x weight"], rows)


def _gates_table(gates: list[dict]) -> Markup:
    most = max(len(gate["shares"]) for gate in gates)
    rows = [
        [gate_title(gate), f"{gate['entropy']:.2f}"]
        + [_percent(share) for share in gate["shares"]]
        + [""] * (most - len(gate["shares"]))
        for gate in gates
    ]
    columns = ["gate", "entropy (1: all alike)", *[f"expert {expert}" for expert in range(most)]]
    return table("Mean shares of the experts", columns, rows)


def _parts_table(tasks: list[str], parts: list[dict]) -> Markup:
    rows = [
        [part["name"], _percent(part["conflict"]), _percent(part["residual_conflict"])]
        + [f"{_number(norm)} x {_number(weight)}" for norm, weight in zip(part["norms"], part["weights"], strict=True)]
        for part in parts[:MOST_PARTS]
    ]
    caption = "Norm x weight by part"
    if len(parts) > MOST_PARTS:
        caption += f" (the first {MOST_PARTS} of {len(parts)})"
    return table(caption, ["part", "pairs in conflict", "tasks harmed", *tasks], rows)


def _now(tasks: list[str], values: list) -> str:
    return "Last epoch: " + ", ".join(f"{task} {_number(value)}" for task, value in zip(tasks, values, strict=True))


def _cosines(tasks: list[str], cosines: list) -> str:
    pairs = [
        f"{one} and {other} {cosines[i][j]:.2f}"
        for i, one in enumerate(tasks)
        for j, other in enumerate(tasks)
        if i < j and cosines[i][j] is not None
    ]
    return "Cosines of the task gradients: " + ", ".join(pairs)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.0%}"
