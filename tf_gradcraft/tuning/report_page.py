"""The Pareto report as a page: the front, the tasks against each other, the volume over the trials."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup

from tf_gradcraft import reporting

if TYPE_CHECKING:
    from tf_gradcraft.tuning.report import ParetoReport

_PLAIN, _FRONT = reporting.COLOURS[-1], reporting.COLOURS[1]


def report_page(report: ParetoReport, title: str) -> reporting.Page:
    """Returns the page of a report."""
    count, on_front = len(report.trials), int(report.front.sum())
    lead = (
        f"{count} completed trials; {on_front} of them {'is' if on_front == 1 else 'are'} not dominated: no other "
        "trial is as good for every task and better for one. Validation part, best epoch of each trial."
    )
    page = reporting.Page(title, lead=lead)
    page.add("Not dominated", _front_table(report))
    page.add("Tasks against each other", _tasks_chart(report))
    corner = ", ".join(f"{task} {value:.4g}" for task, value in zip(report.metrics, report.reference, strict=True))
    text = (
        f"The trials dominate a volume of {report.hypervolume:.4g}, measured from the corner ({corner}). Where the "
        "line is flat, further trials found no new trade."
    )
    page.add("Hypervolume", reporting.paragraph(text), _volume_chart(report))
    page.add("All trials", reporting.details(f"{count} trials", _all_table(report)))
    return page


def _rows(report: ParetoReport, positions: np.ndarray) -> tuple[list[str], list[list[Any]]]:
    """Returns titles and cells of trials; hyper-parameters that are the same in all trials are left out."""
    names = list(dict.fromkeys(name for trial in report.trials for name in trial.values))
    varied = [name for name in names if len({repr(trial.values.get(name)) for trial in report.trials}) > 1]
    columns = ["trial", *(f"{task} {of}" for task, of in report.metrics.items()), "score", "epoch", *varied]
    rows = []
    for at in positions:
        trial = report.trials[at]
        numbers = [f"{value:.4f}" for value in report.values[at]]
        rows.append([trial.name, *numbers, f"{trial.score:.4f}", trial.epoch, *(_cell(trial, name) for name in varied)])
    return columns, rows


def _cell(trial: Any, name: str) -> str:
    value = trial.values.get(name, "")
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _by_score(report: ParetoReport, positions: np.ndarray) -> np.ndarray:
    scores = [report.trials[at].score for at in positions]
    return positions[np.argsort([-score if math.isfinite(score) else math.inf for score in scores], kind="stable")]


def _front_table(report: ParetoReport) -> Markup:
    columns, rows = _rows(report, _by_score(report, np.flatnonzero(report.front)))
    return reporting.table("Trials that no other trial dominates, by score", columns, rows)


def _all_table(report: ParetoReport) -> Markup:
    positions = _by_score(report, np.arange(len(report.trials)))
    columns, rows = _rows(report, positions)
    strong = [place for place, at in enumerate(positions) if report.front[at]]
    return reporting.table("All completed trials, by score; in bold what is not dominated", columns, rows, strong)


def _tasks_chart(report: ParetoReport) -> Markup:
    """Returns a scatter plot of two tasks, else parallel coordinates."""
    titles = [f"{task} {of}" for task, of in report.metrics.items()]
    what = f"{len(report.trials)} trials, {int(report.front.sum())} of them not dominated, by {', '.join(titles)}"
    with reporting.draw(height=4.5) as (figure, axes):
        axis = axes[0, 0]
        if len(titles) == 2:
            for chosen, colour, size, label in _groups(report):
                axis.scatter(*report.values[chosen].T, s=size, color=colour, label=label)
            axis.set_xlabel(titles[0])
            axis.set_ylabel(titles[1])
            caption = "Each point is a trial."
        else:
            low, high = np.nanmin(report.values, axis=0), np.nanmax(report.values, axis=0)
            places = (report.values - low) / np.where(high > low, high - low, 1.0)
            for chosen, colour, size, label in _groups(report):
                for at, position in enumerate(np.flatnonzero(chosen)):
                    axis.plot(
                        places[position],
                        color=colour,
                        marker="o",
                        markersize=size / 9,
                        linewidth=size / 25,
                        label=None if at else label,
                    )
            ticks = [f"{title}\n{a:.4f} to {b:.4f}" for title, a, b in zip(titles, low, high, strict=True)]
            axis.set_xticks(range(len(titles)), ticks)
            axis.set_yticks([0, 1], ["smallest", "largest"])
            caption = "Each line is a trial; each task has the range of its own that is written below it."
        axis.legend(loc="best")
        return reporting.chart(figure, f"{what}. The table above has the numbers.", caption)


def _groups(report: ParetoReport) -> list[tuple[np.ndarray, str, int, str]]:
    groups = [(~report.front, _PLAIN, 25, "dominated"), (report.front, _FRONT, 45, "not dominated")]
    return [group for group in groups if group[0].any()]


def _volume_chart(report: ParetoReport) -> Markup:
    volumes = report.hypervolumes
    with reporting.draw(height=3.0) as (figure, axes):
        axis = axes[0, 0]
        axis.step(range(1, len(volumes) + 1), volumes, where="post", marker="o", markersize=4)
        axis.set_xlabel("completed trials")
        axis.set_ylabel("hypervolume")
        axis.set_ylim(bottom=0)
        grown = f"from {volumes[0]:.4g} after the first to {volumes[-1]:.4g} after trial {len(volumes)}"
        return reporting.chart(figure, f"Hypervolume over the trials: {grown}.")
