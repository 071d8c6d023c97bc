"""Learning curves: loss and metric of each task by epoch."""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup

from tf_gradcraft.data_pipelines.task import Task
from tf_gradcraft.reporting import chart, charts, details, draw, paragraph, table
from tf_gradcraft.run_report.bootstrap import MEAN
from tf_gradcraft.run_report.run_files import RunFiles
from tf_gradcraft.run_report.texts import TITLES, number


def curve_blocks(run: RunFiles, tasks: Sequence[Task]) -> list[Markup]:
    """Returns a chart for all tasks together and one for each, and a table of all values.

    Args:
        run: The run.
        tasks: The tasks of its model.
    """
    several = len(tasks) > 1
    lines = [("all tasks", "loss", f"auc_{MEAN}", "mean AUC")] if several else []
    for task in tasks:
        metric = task.metrics[0]
        loss = f"{task.name}_loss" if f"{task.name}_loss" in run.history else "loss"
        lines.append((task.name, loss, f"{task.name}_{metric}", TITLES.get(metric, metric)))
    names = sorted({*run.history})
    rows = [
        [epoch + 1, *(number(run.history[name][epoch]) if epoch < len(run.history[name]) else "-" for name in names)]
        for epoch in range(run.epochs)
    ]
    return [
        paragraph(
            f"The vertical line marks epoch {run.best_epoch}, which was kept: the best one by "
            f"{run.config.get('monitor', 'the monitor')}. The loss of the training part is the mean over an epoch in "
            "which the model still changed, with dropout; that of the valid part is taken after it."
        ),
        charts(*(_curve(run, *line) for line in lines)),
        details("Every value by epoch", table("Values by epoch", ["epoch", *names], rows, strong=[run.best_epoch - 1])),
    ]


def _curve(run: RunFiles, title: str, loss: str, metric: str, metric_title: str) -> Markup:
    shown = {"training part": (loss, "o-"), "valid part": (f"val_{loss}", "s--")}
    values = run.history.get(f"val_{metric}")
    with draw(2 if values else 1, 1, width=4.4, height=4.2 if values else 2.6) as (figure, axes):
        said = []
        for label, (name, style) in shown.items():
            if of_part := run.history.get(name):
                axes[0, 0].plot(range(1, len(of_part) + 1), of_part, style, markersize=4, label=label)
                said.append(_course(f"loss on the {label}", of_part))
        axes[0, 0].set_title(title)
        axes[0, 0].set_ylabel("loss")
        if values:
            axes[1, 0].plot(range(1, len(values) + 1), values, "s--", markersize=4, color="C1")
            axes[1, 0].set_ylabel(f"valid {metric_title}")
            said.append(_course(metric_title, values))
        for axis in axes[:, 0]:
            axis.axvline(run.best_epoch, color="C9", linewidth=1.2, zorder=0, label="kept epoch")
            axis.xaxis.get_major_locator().set_params(integer=True)
            axis.margins(y=0.12)
        axes[-1, 0].set_xlabel("epoch")
        axes[0, 0].legend(fontsize="small")
        return chart(figure, f"{title}: {'; '.join(said)}. Kept: epoch {run.best_epoch}.")


def _course(name: str, values: Sequence[float]) -> str:
    first, last = (number(values[at]) for at in (0, -1))
    if len(values) == 1 or math.isnan(values[0]):
        return f"{name} {last}"
    return f"{name} from {first} to {last}"
