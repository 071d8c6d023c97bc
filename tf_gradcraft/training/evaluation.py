"""Exact ranking metrics of a multi-task model: computed once, at the end of an evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from tf_gradcraft.metrics.exact import ExactMetric
from tf_gradcraft.suggestions import unknown_name


class ExactMetrics:
    """The exact metrics of each task.

    They are taken over all rows of an evaluation, most of them by a sort at its end, so they are left out of training
    and of the values that a progress bar shows after every batch.

    Args:
        metrics: `{task: [metric, ...]}`.
        given: The `metrics` argument of `compile` that they were taken from. It is kept here, out of sight of Keras,
            which would take the metrics in it for its own.
    """

    def __init__(self, metrics: Mapping[str, list[ExactMetric]], given: Any = None) -> None:
        self.given = given
        self._metrics = {task: list(of_task) for task, of_task in metrics.items() if of_task}

    def __bool__(self) -> bool:
        return bool(self._metrics)

    def reset(self) -> None:
        """Forgets all rows."""
        for of_task in self._metrics.values():
            for metric in of_task:
                metric.reset_state()

    def update(self, x: Any, y: Mapping[str, Any], y_pred: Mapping[str, Any], sample_weight: Any) -> None:
        """Takes in a batch."""
        for task, of_task in self._metrics.items():
            weight = sample_weight.get(task) if isinstance(sample_weight, Mapping) else sample_weight
            for metric in of_task:
                metric.update_state(y[task], y_pred[task], weight, **self._groups(metric, task, x))

    def result(self) -> dict[str, float]:
        """Returns `{task_metric: value}`, and for each metric that several tasks have its mean as `metric_mean`."""
        values: dict[str, dict[str, float]] = {}
        for task, of_task in self._metrics.items():
            for metric in of_task:
                values.setdefault(metric.name, {})[task] = float(metric.result())
        logs = {f"{task}_{name}": value for name, by_task in values.items() for task, value in by_task.items()}
        for name, by_task in values.items():
            if len(by_task) > 1:
                logs[f"{name}_mean"] = sum(by_task.values()) / len(by_task)
        return logs

    @staticmethod
    def _groups(metric: ExactMetric, task: str, x: Any) -> dict[str, tf.Tensor]:
        if metric.group is None:
            return {}
        known = list(x) if isinstance(x, Mapping) else []
        if metric.group not in known:
            raise ValueError(f"metric {metric.name!r} of task {task!r}: " + unknown_name("group", metric.group, known))
        return {"groups": x[metric.group]}


def split_exact(metrics: Any) -> tuple[Any, dict[str, list[ExactMetric]]]:
    """Takes the exact metrics out of the `metrics` argument of `compile`.

    Returns:
        What remains for Keras, and `{task: [exact metric, ...]}`.

    Raises:
        ValueError: If exact metrics are given in another form than `{task: [...]}`.
    """
    if not isinstance(metrics, Mapping):
        given = metrics if isinstance(metrics, list | tuple) else [metrics]
        if any(isinstance(metric, ExactMetric) for metric in given):
            raise ValueError("give exact metrics by task: metrics={'click': [gc.metrics.AUC()], ...}")
        return metrics, {}
    lists = {task: of_task if isinstance(of_task, list | tuple) else [of_task] for task, of_task in metrics.items()}
    exact = {task: [m for m in of_task if isinstance(m, ExactMetric)] for task, of_task in lists.items()}
    plain = {task: [m for m in of_task if not isinstance(m, ExactMetric)] for task, of_task in lists.items()}
    plain = {task: of_task for task, of_task in plain.items() if of_task}
    return plain or None, exact
