"""Metrics by task with their intervals, as table and chart."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from markupsafe import Markup

from tf_gradcraft.reporting import chart, charts, draw, paragraph, table
from tf_gradcraft.run_report.bootstrap import MEAN, Interval
from tf_gradcraft.run_report.scored_rows import ROW, ScoredSplit, ScoredTask
from tf_gradcraft.run_report.texts import TITLES, interval_text, number, with_interval

Metrics = Mapping[str, Mapping[str, Interval]]
DRAWN = ("auc", "gauc")


def metric_blocks(scored: ScoredSplit, metrics: Metrics, resamples: int, bins: int) -> list[Markup]:
    """Returns the metrics of a split: charts of AUC and group AUC, a table of all.

    Args:
        scored: The split.
        metrics: Its metrics with intervals, as `bootstrap` returns them.
        resamples: Number of resamples.
        bins: Number of bins of the calibration error.
    """
    shown = [name for name in TITLES if any(name in of_task for of_task in metrics.values())]
    rows = []
    for task, of_task in metrics.items():
        known = scored.tasks.get(task)
        counted = [f"{len(known.labels):,}", _positives(known)] if known else ["", ""]
        rows.append([task, *counted, *(with_interval(of_task.get(name)) for name in shown)])
    strong = [len(rows) - 1] if MEAN in metrics else []
    columns = ["task", "rows", "positives", *(TITLES[name] for name in shown)]
    unit = "rows" if scored.unit_name == ROW else f"the {scored.units:,} values of {scored.unit_name}"
    intervals = (
        f"Below each value its 95 % interval: the metric on {resamples:,} resamples, each of which draws {unit} anew, "
        "with replacement, and takes all rows of what is drawn. It tells how much the value would differ on other "
        "users; it does not tell how much it differs from one training to the next."
        if resamples
        else "Intervals were not asked for (--resamples 0)."
    )
    return [
        paragraph(f"All {len(next(iter(scored.columns.values()))):,} rows of the {scored.split} part. {intervals}"),
        charts(*(_forest(name, metrics) for name in DRAWN if name in shown)),
        table(f"Metrics on the {scored.split} part", columns, rows, strong),
        paragraph(
            "AUC: share of pairs of a positive and a negative row in the right order. Group AUC: the same within each "
            "group (most often the user). PCOC: sum of predictions over sum of labels, 1 is calibrated. ECE: mean "
            f"difference between predicted and observed rate over {bins} bins of equal mass."
        )
        if "auc" in shown
        else Markup(""),
    ]


def _positives(known: ScoredTask) -> str:
    return f"{int((known.labels > 0).sum()):,}" if known.task.kind == "binary" else "-"


def _forest(name: str, metrics: Metrics) -> Markup:
    found = {task: of_task[name] for task, of_task in metrics.items() if name in of_task}
    places: Sequence[int] = range(len(found))
    with draw(width=4.8, height=1.3 + 0.34 * len(found)) as (figure, axes):
        axis = axes[0, 0]
        axis.axvline(0.5, color="C9", linewidth=1.2, zorder=0)
        for place, interval in zip(places, found.values(), strict=True):
            low, high = (interval.value if math.isnan(end) else end for end in (interval.low, interval.high))
            axis.plot([low, high], [place, place], color="C0")
            axis.plot([interval.value], [place], "o", color="C0", markersize=6)
        axis.set_yticks(places, found)
        axis.set_ylim(len(found) - 0.5, -0.5)
        axis.set_xlabel(f"{TITLES[name]} (line: chance)")
        said = "; ".join(f"{task} {number(of.value, 3)} ({interval_text(of)})" for task, of in found.items())
        return chart(figure, f"{TITLES[name]} with 95 % intervals: {said}.", caption=f"{TITLES[name]} by task")
