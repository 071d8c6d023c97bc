"""The audit by group as charts and tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup

from tf_gradcraft.reporting import chart, charts, details, draw, paragraph, table
from tf_gradcraft.run_report.audit import FEWEST_EVENTS
from tf_gradcraft.run_report.texts import interval_text, lines_of, number, percent, shortened

if TYPE_CHECKING:
    import pandas as pd


def audit_blocks(audits: dict[str, dict[str, pd.DataFrame]]) -> list[Markup]:
    """Returns a heading, charts and a table for each feature.

    Args:
        audits: `{feature: {task: lines}}`, as `audit` returns them.
    """
    if not any(audits.values()):
        return [
            paragraph(
                "No feature with a handful of values and no binary task to audit; name a feature with --by, and see "
                "docs/reports.md."
            )
        ]
    blocks = [
        paragraph(
            "Each group of rows by itself. Left: AUC within the group, with its 95 % interval; the line is the AUC of "
            "all rows. Right: the share in which the event happened (dot) and the mean prediction (cross); where they "
            "lie apart, the model is off for this group. Small groups are put together; an AUC of fewer than "
            f"{FEWEST_EVENTS} positive or negative rows has no interval, since it may be anything."
        )
    ]
    columns = [
        "task and group",
        "rows",
        "positives",
        "base rate",
        "mean prediction",
        "PCOC",
        "ECE",
        "AUC",
        "95 % interval",
    ]
    for feature, by_task in audits.items():
        blocks.append(Markup("<h3>By {}</h3>\n").format(feature))
        blocks.append(charts(*(_plot(feature, task, lines) for task, lines in by_task.items())))
        rows = [
            [
                f"{task}: {shortened(str(line.Index), 40)}",
                f"{line.rows:,}",
                f"{line.positives:,}",
                percent(line.base_rate),
                percent(line.mean_prediction),
                number(line.pcoc, 3),
                number(line.ece),
                number(line.auc),
                interval_text(line.interval),
            ]
            for task, lines in by_task.items()
            for line in lines_of(lines)
        ]
        blocks.append(details(f"By {feature}, as a table", table(f"Metrics by {feature}", columns, rows)))
    return blocks


def _plot(feature: str, task: str, lines: pd.DataFrame) -> Markup:
    places = np.arange(len(lines))
    with draw(1, 2, width=4.8, height=1.5 + 0.32 * len(lines)) as (figure, axes):
        left, right = axes[0]
        ends = np.array([[one.low, one.high] for one in lines.interval]).reshape(-1, 2)
        bars = np.nan_to_num(np.abs(ends - lines.auc.to_numpy()[:, np.newaxis])).T
        left.errorbar(lines.auc, places, xerr=bars, fmt="o", color="C0", markersize=5)
        left.set_xlabel("AUC")
        left.axvline(float(lines.attrs["auc"]), color="C9", linewidth=1.2, zorder=0)
        right.plot(100 * lines.base_rate, places, "o", color="C0", markersize=5, label="happened")
        right.plot(100 * lines.mean_prediction, places, "x", color="C1", markersize=6, label="predicted")
        right.set_xlabel("percent of rows")
        right.set_xlim(left=0)
        right.legend(
            fontsize="small",
            loc="lower center",
            bbox_to_anchor=(0.5, 1.0),
            ncols=2,
            handletextpad=0.1,
            columnspacing=0.8,
        )
        right.margins(x=0.12)
        left.set_yticks(places, [shortened(str(group)) for group in lines.index])
        right.set_yticks(places, [""] * len(places))
        for axis in axes[0]:
            axis.set_ylim(len(lines) - 0.4, -0.6)
            axis.locator_params(axis="x", nbins=4)
        left.set_title(task, loc="left")
        known = lines.dropna(subset="auc")
        said = "no group has rows of both classes"
        if len(known):
            worst, best = known.auc.idxmin(), known.auc.idxmax()
            said = f"AUC from {number(known.auc.min(), 3)} ({worst}) to {number(known.auc.max(), 3)} ({best})"
        return chart(figure, f"{task} by {feature}: {said}.")
