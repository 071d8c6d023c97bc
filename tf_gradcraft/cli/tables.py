"""Tables of label rates and metrics for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.table import Table

MEAN = "mean"


def rates_table(title: str, rows: Mapping[str, int], label_rates: Mapping[str, Mapping[str, float]]) -> Table:
    """Returns rows and label rates (share of positives in percent) by split."""
    table = Table(title=title, title_justify="left")
    table.add_column("")
    for split in rows:
        table.add_column(split, justify="right")
    table.add_row("rows", *(f"{count:,}" for count in rows.values()), end_section=True)
    for task in next(iter(label_rates.values())):
        table.add_row(task, *(f"{100 * label_rates[split][task]:.2f} %" for split in rows))
    return table


def task_metric(metrics: Mapping[str, float], task: str, name: str) -> float:
    """Returns a metric of a task, or of all tasks with `task="mean"`; NaN where there is none.

    Example:
        >>> metrics = {"click_auc": 0.7, "like_auc": 0.5, "auc_mean": 0.6}
        >>> task_metric(metrics, "click", "auc"), task_metric(metrics, "mean", "auc")
        (0.7, 0.6)
    """
    value = metrics.get(f"{name}_mean" if task == MEAN else f"{task}_{name}")
    return float("nan") if value is None else value


def metrics_table(title: str, metrics: Mapping[str, float], tasks: Sequence[str]) -> Table:
    """Returns AUC and group AUC of each task, and their means."""
    table = Table(title=title, title_justify="left")
    table.add_column("task")
    table.add_column("AUC", justify="right")
    table.add_column("group AUC", justify="right")
    for task in tasks:
        table.add_row(*_row(metrics, task), end_section=task == tasks[-1])
    if len(tasks) > 1:
        table.add_row(*_row(metrics, MEAN), style="bold")
    return table


def number(value: float, pattern: str = "{:.4f}") -> str:
    """Returns a number as text, "-" for NaN.

    Example:
        >>> number(0.75), number(float("nan"))
        ('0.7500', '-')
    """
    return "-" if value != value else pattern.format(value)


def _row(metrics: Mapping[str, float], task: str) -> list[str]:
    return [task, *(number(task_metric(metrics, task, name)) for name in ("auc", "gauc"))]
