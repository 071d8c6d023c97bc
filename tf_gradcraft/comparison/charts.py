"""The charts of a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from tf_gradcraft.comparison.method import SINGLE, SUM
from tf_gradcraft.comparison.report import GroupReport, Report
from tf_gradcraft.comparison.results import IMPROVEMENTS, MEANS, METRICS
from tf_gradcraft.reporting import COLOURS, chart, draw, heat_map

ROW = 0.34
"""Inches of a chart's height a method."""


def mean_chart(of: GroupReport) -> Markup:
    """Returns mean AUC and mean group AUC by method: a point a seed, the mean and one standard deviation."""
    labels = list(of.means.index)
    with draw(1, 2, width=10.0, height=1.3 + ROW * len(labels)) as (figure, axes):
        for axis, (metric, mean) in zip(axes[0], MEANS.items(), strict=True):
            _points(axis, of, labels, mean)
            axis.set_xlabel(f"{mean}: mean {METRICS[metric]} over tasks, test part")
        axes[0, 1].set_yticklabels([])
        return chart(figure, _described(of), "A point a seed; the bar is the mean, with one standard deviation.")


def _points(axis: Any, of: GroupReport, labels: Sequence[str], name: str) -> None:
    for place, label in enumerate(labels):
        values = of.scores.loc[of.scores["method"] == label, name]
        axis.plot(values, [place] * len(values), "o", markersize=4, alpha=0.6, color=COLOURS[0])
        axis.errorbar(
            of.means.loc[label, name],
            place,
            xerr=of.spreads[name].fillna(0)[label],
            marker="|",
            markersize=12,
            capsize=3,
            color=COLOURS[1],
        )
    if SUM in labels:
        axis.axvline(of.means.loc[SUM, name], color=COLOURS[9], linestyle="dotted", linewidth=1)
    axis.set_yticks(range(len(labels)), labels)
    axis.invert_yaxis()


def _described(of: GroupReport) -> str:
    values = of.means["AV-A"].dropna()
    if values.empty:
        return f"{of.group.title}: no mean AUC yet"
    said = ", ".join(f"{label} {value:.4f}" for label, value in values.items())
    return f"{of.group.title}: mean AUC by method: {said}; the highest is that of {values.idxmax()}"


def improvement_chart(of: GroupReport) -> Markup:
    """Returns the relative improvement in AUC on the single-task models, in percent, by method and task."""
    tasks = list(of.group.tasks)
    labels = [label for label in of.means.index if label != SINGLE]
    columns = [f"{task}_auc" for task in tasks]
    base = of.means.loc[SINGLE, columns]
    values = 100 * (of.means.loc[labels, columns] / base - 1)
    # One extreme cell must not take the colour from all others.
    limit = max(0.1, float(np.nanquantile(values.abs(), 0.9)))
    with draw(1, 1, width=9.0, height=1.4 + ROW * len(labels)) as (figure, axes):
        heat_map(axes[0, 0], values.to_numpy(), labels, tasks, limit)
        described = (
            f"{of.group.title}: relative improvement in AUC on the single-task models in percent, by method and task"
        )
        return chart(figure, described, "AUC against the single-task models, % (orange: better, blue: worse).")


def sweep_chart(of: GroupReport) -> Markup:
    """Returns mean AUC and mean group AUC over the values of a setting, beside the plain sum and the single tasks."""
    places = {label: place for label, place in of.group.places.items() if label in of.means.index}
    labels = sorted(places, key=lambda label: places[label])
    title = of.group.title
    # From 1e-10 to 1e-2 and 0 among them, values stand at equal distances.
    positions = [places[label] for label in labels] if title == "tau" else list(range(len(labels)))
    with draw(1, 2, width=10.0, height=3.6) as (figure, axes):
        for axis, (metric, mean) in zip(axes[0], MEANS.items(), strict=True):
            axis.errorbar(
                positions, of.means.loc[labels, mean], of.spreads.loc[labels, mean].fillna(0), marker="o", capsize=3
            )
            for colour, base in zip(COLOURS[1:], (SUM, SINGLE), strict=False):
                if base in of.means.index:
                    axis.axhline(of.means.loc[base, mean], color=colour, linestyle="dotted", label=base)
            axis.set_xlabel(title)
            axis.set_ylabel(f"{mean} (mean {METRICS[metric]})")
            axis.set_xticks(positions, [f"{places[label]:g}" for label in labels])
        axes[0, 0].legend()
        return chart(figure, _described(of), "Means over seeds with one standard deviation.")


def scaling_chart(groups: Sequence[GroupReport]) -> Markup | None:
    """Returns improvement and time over the number of tasks; None where all groups have the same tasks."""
    by_count = {len(of.group.tasks): of for of in groups if of.group.title.endswith(" tasks") and not of.scores.empty}
    if len(by_count) < 2:
        return None
    lines: dict[str, dict[int, pd.Series]] = {}
    for count, of in sorted(by_count.items()):
        for label in of.means.index:
            lines.setdefault(str(label).split("@")[0], {})[count] = of.means.loc[label]
    panels = {IMPROVEMENTS["auc"]: "RI-A, %", IMPROVEMENTS["gauc"]: "RI-G, %", "epoch": "seconds an epoch"}
    with draw(1, 3, width=11.0, height=3.6) as (figure, axes):
        for axis, (name, title) in zip(axes[0], panels.items(), strict=True):
            for label, found in lines.items():
                values = [of["seconds"] / of["epochs"] if name == "epoch" else of[name] for of in found.values()]
                axis.plot(list(found), values, marker="o", label=label)
            axis.set_xlabel("number of tasks")
            axis.set_ylabel(title)
            axis.set_xticks(sorted(by_count))
        axes[0, 0].legend()
        return chart(
            figure,
            "Relative improvement on the single-task models, and seconds an epoch, over the number of tasks",
            "The first tasks of the folder. Single-task models: all of them, one after the other.",
        )


def cost_chart(report: Report) -> Markup:
    """Returns seconds a run and peak memory by method."""
    means = report.all_means
    labels = list(means.index)
    with draw(1, 2, width=10.0, height=1.3 + ROW * len(labels)) as (figure, axes):
        panels = ((means["seconds"], "seconds of training a run"), (means["peak_memory"] / 1e9, "peak memory, GB"))
        for axis, (values, title) in zip(axes[0], panels, strict=True):
            bars = axis.barh(range(len(labels)), values.fillna(0), color=COLOURS[0])
            axis.bar_label(bars, fmt="%.3g", padding=2, fontsize="small")
            axis.set_yticks(range(len(labels)), labels)
            axis.set_xlabel(title)
            axis.invert_yaxis()
        axes[0, 1].set_yticklabels([])
        return chart(figure, "Seconds of training a run and peak memory of its process, by method")
