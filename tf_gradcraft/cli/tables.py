"""Tables of label rates and metrics for the terminal."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from rich.table import Table

MEAN = "mean"


METRICS = {
    "auc": "AUC",
    "gauc": "group AUC",
    "accuracy": "accuracy",
    "log_loss": "log loss",
    "rmse": "RMSE",
    "mae": "MAE",
    "ndcg_at_10": "NDCG@10",
}
"""Titles of the metrics that tables show, in order."""


def rates_table(
    title: str,
    rows: Mapping[str, int],
    label_rates: Mapping[str, Mapping[str, float]],
    binary: Collection[str] | None = None,
) -> Table:
    """Returns rows and label rates by split.

    Args:
        title: Title of the table.
        rows: Number of rows by split.
        label_rates: `{split: {task: mean label}}`.
        binary: The binary tasks, whose mean is shown as a share in percent; all by default.
    """
    table = Table(title=title, title_justify="left")
    table.add_column("")
    for split in rows:
        table.add_column(split, justify="right")
    table.add_row("rows", *(f"{count:,}" for count in rows.values()), end_section=True)
    for task in next(iter(label_rates.values())):
        means = [label_rates[split][task] for split in rows]
        share = binary is None or task in binary
        table.add_row(task, *(f"{100 * mean:.2f} %" if share else f"mean {mean:.4g}" for mean in means))
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
    """Returns the metrics that any task has, for each task, and the means of AUC and group AUC."""
    shown = [name for name in METRICS if any(f"{task}_{name}" in metrics for task in tasks)]
    table = Table(title=title, title_justify="left")
    table.add_column("task")
    for name in shown:
        table.add_column(METRICS[name], justify="right")
    for task in tasks:
        table.add_row(*_row(metrics, task, shown), end_section=task == tasks[-1])
    if "auc_mean" in metrics:
        # Errors in the units of several labels have no mean.
        means = [name if name in ("auc", "gauc") else "" for name in shown]
        table.add_row(*_row(metrics, MEAN, means), style="bold")
    return table


def number(value: float, pattern: str = "{:.4f}") -> str:
    """Returns a number as text, "-" for NaN.

    Example:
        >>> number(0.75), number(float("nan"))
        ('0.7500', '-')
    """
    return "-" if value != value else pattern.format(value)


def _row(metrics: Mapping[str, float], task: str, names: Sequence[str]) -> list[str]:
    return [task, *(number(task_metric(metrics, task, name)) for name in names)]
