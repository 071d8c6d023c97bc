"""Two methods side by side: per task AUC and group AUC, as table and as chart."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from tf_gradcraft.cli.tables import MEAN, number, task_metric

METRICS = {"auc": "AUC", "gauc": "group AUC"}
COLOURS = ("#9aa7b5", "#1b6ca8")
IMPROVEMENT_COLOURS = ("#c8553d", "#e9b872")


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Metrics of a baseline and another method by task, the mean last.

    Attributes:
        methods: The two titles, the baseline first.
        rows: Names of the tasks, and "mean".
        values: `{metric: {title: [one a row]}}`.
        improvement: `{metric: [one a row]}`: relative improvement of the second over the first, in percent.
        best_possible: `{task: AUC of the true probabilities}`, where they are known.
    """

    methods: tuple[str, str]
    rows: tuple[str, ...]
    values: dict[str, dict[str, list[float]]]
    improvement: dict[str, list[float]]
    best_possible: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Returns plain JSON types."""
        return dataclasses.asdict(self)


def compare_metrics(
    metrics: Mapping[str, Mapping[str, float]], tasks: Sequence[str], best_possible: Mapping[str, float]
) -> Comparison:
    """Compares the metrics of two methods.

    Args:
        metrics: `{title: metrics of evaluate}`, the baseline first.
        tasks: Names of the tasks.
        best_possible: AUC of the true probabilities by task; may be empty.

    Example:
        >>> both = {"sum": {"a_auc": 0.5, "auc_mean": 0.5}, "new": {"a_auc": 0.6, "auc_mean": 0.6}}
        >>> compare_metrics(both, ["a"], {}).improvement["auc"]
        [20.0, 20.0]
    """
    rows = (*tasks, MEAN)
    baseline, other = metrics
    values = {
        name: {title: [task_metric(of, row, name) for row in rows] for title, of in metrics.items()} for name in METRICS
    }
    improvement = {
        name: [round(100 * (new / old - 1), 3) for old, new in zip(by[baseline], by[other], strict=True)]
        for name, by in values.items()
    }
    return Comparison((baseline, other), rows, values, improvement, dict(best_possible))


def comparison_table(comparison: Comparison, metric: str) -> Table:
    """Returns one metric of the comparison as a table; for AUC with what the true probabilities reach."""
    second = comparison.methods[1]
    best = comparison.best_possible if metric == "auc" else {}
    table = Table(title=f"{METRICS[metric]} on the test part", title_justify="left")
    for column in ("task", *comparison.methods, f"{second} is better by"):
        table.add_column(column, justify="left" if column == "task" else "right")
    if best:
        table.add_column("true probabilities", justify="right")
    for at, row in enumerate(comparison.rows):
        gain = comparison.improvement[metric][at]
        cells = [row, *(number(comparison.values[metric][title][at]) for title in comparison.methods)]
        cells.append(f"[{'green' if gain > 0 else 'red'}]{number(gain, '{:+.2f} %')}[/]")
        if best:
            cells.append(number(best.get(row, float("nan"))))
        table.add_row(*cells, style="bold" if row == MEAN else "", end_section=at == len(comparison.rows) - 2)
    return table


def draw_comparison(comparison: Comparison, path: Path) -> None:
    """Draws the comparison: AUC, group AUC and relative improvement by task, as PNG of 1650 x 600 pixels."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 3, figsize=(16.5, 6), layout="constrained")
    places = range(len(comparison.rows))
    for axis, (name, title) in zip(axes, METRICS.items(), strict=False):
        for side, method, colour in zip((-0.2, 0.2), comparison.methods, COLOURS, strict=True):
            heights = comparison.values[name][method]
            bars = axis.bar([place + side for place in places], heights, 0.38, label=method, color=colour)
            axis.bar_label(bars, fmt="%.3f", fontsize=8, padding=2)
        axis.set_ylim(0.5, 1.08 * max(max(heights) for heights in comparison.values[name].values()))
        axis.set_ylabel(f"{title} on the test part (0.5 = chance)")
        axis.set_title(title)
    if comparison.best_possible:
        at = [place for place, row in enumerate(comparison.rows) if row in comparison.best_possible]
        best = [comparison.best_possible[comparison.rows[place]] for place in at]
        starts, ends = ([place + side for place in at] for side in (-0.42, 0.42))
        axes[0].hlines(best, starts, ends, "#333333", "dotted", label="true probabilities")
        axes[0].set_ylim(0.5, 1.08 * max(best))
    for side, (name, title), colour in zip((-0.2, 0.2), METRICS.items(), IMPROVEMENT_COLOURS, strict=True):
        gains = comparison.improvement[name]
        bars = axes[2].bar([place + side for place in places], gains, 0.38, label=title, color=colour)
        axes[2].bar_label(bars, fmt="%+.2f", fontsize=8, padding=2)
    axes[2].axhline(0, color="black", linewidth=1.2)
    axes[2].margins(y=0.12)
    axes[2].set_ylabel("percent of the plain sum's value")
    axes[2].set_title(f"Relative improvement of {comparison.methods[1]} over {comparison.methods[0]}")
    for axis in axes:
        axis.set_xticks(list(places), comparison.rows)
        axis.axvline(len(comparison.rows) - 1.5, color="#cccccc", linewidth=1)
        axis.spines[["top", "right"]].set_visible(False)
        axis.legend(frameon=False, loc="upper left")
    figure.suptitle("Synthetic short-video log: PLE trained by the plain sum of losses and by GradCraft", fontsize=14)
    figure.savefig(path, dpi=100)
    pyplot.close(figure)
