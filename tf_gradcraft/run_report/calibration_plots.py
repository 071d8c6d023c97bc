"""Reliability plots: what was predicted against what happened."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup

from tf_gradcraft.reporting import chart, charts, details, draw, paragraph, table
from tf_gradcraft.run_report.reliability import reliability
from tf_gradcraft.run_report.scored_rows import ScoredSplit, ScoredTask
from tf_gradcraft.run_report.texts import lines_of, number

if TYPE_CHECKING:
    import pandas as pd

RARE = 0.1


def calibration_blocks(scored: ScoredSplit, bins: int) -> list[Markup]:
    """Returns a reliability plot for each binary task, and the bins as tables.

    Args:
        scored: The split.
        bins: Number of bins of equal mass.
    """
    lines = {name: reliability(task, bins) for name, task in scored.tasks.items() if task.task.kind == "binary"}
    if not lines:
        return [paragraph("No task of this run predicts a probability of one event, so there is nothing to calibrate.")]
    columns = ["bin", "rows", "positives", "predictions", "mean prediction", "share that happened", "95 % interval"]
    tables = (
        table(
            f"{name}: bins of equal mass",
            columns,
            [
                [
                    at + 1,
                    f"{line.rows:,}",
                    f"{line.positives:,}",
                    f"{number(line.lowest)} to {number(line.highest)}",
                    number(line.predicted),
                    number(line.observed),
                    f"{number(line.low)} to {number(line.high)}",
                ]
                for at, line in enumerate(lines_of(of_task))
            ],
        )
        for name, of_task in lines.items()
    )
    return [
        paragraph(
            f"Rows are put in order of their prediction and cut into {bins} bins of equal size. Where a point lies on "
            "the diagonal, events happen as often as predicted; above it, more often. Bars are 95 % intervals of the "
            "share in a bin (Wilson; they take rows as independent, which those of one user are not quite). Below: how "
            "many rows get which prediction. Axes of rare events have a square-root scale."
        ),
        charts(*(_plot(name, of_task, scored.tasks[name]) for name, of_task in lines.items())),
        details("The bins as tables", *tables),
    ]


def _plot(name: str, bins: pd.DataFrame, scored: ScoredTask) -> Markup:
    rare = float(np.average(scored.labels, weights=scored.weights)) < RARE
    # A few rows with high predictions must not press all bins into a corner.
    end = float(max(bins.predicted.max(), bins.high.max(), np.quantile(scored.predictions, 0.999)))
    end = min(1.0, 1.05 * end)
    with draw(2, 1, width=4.4, height=4.8) as (figure, axes):
        plot, histogram = axes[:, 0]
        plot.get_gridspec().set_height_ratios([3, 1])
        plot.plot([0, end], [0, end], color="C9", linewidth=1.2, label="calibrated")
        bars = [bins.observed - bins.low, bins.high - bins.observed]
        plot.errorbar(bins.predicted, bins.observed, bars, fmt="o", color="C0", markersize=5, label=name)
        if rare:
            for axis in (plot, histogram):
                axis.set_xscale("function", functions=(_root, np.square))
            plot.set_yscale("function", functions=(_root, np.square))
        edges = np.linspace(0, np.sqrt(end), 25) ** 2 if rare else np.linspace(0, end, 25)
        histogram.hist(np.minimum(scored.predictions, end), bins=edges, color="C0", edgecolor="none")
        for axis in (plot, histogram):
            axis.set_xlim(0, end)
            axis.xaxis.set_major_locator(_locator())
        plot.set_ylim(0, end)
        plot.yaxis.set_major_locator(_locator())
        plot.set_title(name)
        plot.set_ylabel("share that happened")
        histogram.set_ylabel("rows")
        histogram.set_xlabel("prediction")
        off = (bins.predicted - bins.observed).abs().max()
        above, below = (
            int((bins[side] > bins[other]).sum()) for side, other in (("low", "predicted"), ("predicted", "high"))
        )
        return chart(
            figure,
            f"{name}: of {len(bins)} bins the event happened clearly more often than predicted in {above}, clearly "
            f"less often in {below}; the largest difference is {number(float(off), 3)}.",
        )


def _root(values: np.ndarray) -> np.ndarray:
    return np.sqrt(np.maximum(values, 0))


def _locator():
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(4)
