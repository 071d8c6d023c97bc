"""What training together brings over training alone: the mean relative improvement over tasks."""

from __future__ import annotations

import re
from collections.abc import Mapping

from tf_gradcraft.suggestions import unknown_name

HIGHER_IS_BETTER = (
    *("auc", "gauc", "ndcg_at_k", "recall_at_k", "precision_at_k", "map_at_k"),
    *("accuracy", "binary_accuracy", "categorical_accuracy", "sparse_categorical_accuracy"),
)
LOWER_IS_BETTER = (
    *("loss", "log_loss", "normalised_entropy", "ece", "equal_mass_ece", "rmse", "mae", "mse"),
    *("root_mean_squared_error", "mean_absolute_error", "mean_squared_error"),
)

Values = Mapping[str, Mapping[str, float]]


def delta_m(multi_task: Values, single_task: Values, higher_is_better: Mapping[str, bool] | None = None) -> float:
    r"""Returns the mean over tasks of the relative improvement on models that learn one task each.

    $$\Delta_m = \frac{1}{T} \sum_{t=1}^{T} \Delta_t, \quad
    \Delta_t = \frac{1}{|M_t|} \sum_{m \in M_t} (-1)^{l_m} \frac{M_{t,m} - B_{t,m}}{|B_{t,m}|}$$

    with $M_{t,m}$ the metric m of task t in the multi-task run, $B_{t,m}$ in the single-task run, and $l_m = 1$ where
    lower is better. Above 0 the multi-task run is better on average; 0.01 is one percent. (Some papers give the drop:
    the same with the other sign.) Maninis, Radosavovic and Kokkinos, "Attentive Single-Tasking of Multiple Tasks", CVPR
    2019.

    Args:
        multi_task: `{task: {metric: value}}` of the multi-task run.
        single_task: `{task: {metric: value}}` of the single-task runs, with the same tasks and metrics.
        higher_is_better: `{metric: bool}` for metrics that the library does not know, or knows otherwise.

    Returns:
        The mean; NaN if a value is NaN.

    Raises:
        ValueError: If there are no tasks, tasks or metrics differ, a metric's direction is not known, or a value of a
            single-task run is 0.

    Example:
        >>> together = {"click": {"auc": 0.84}, "watch": {"rmse": 9.0}}
        >>> alone = {"click": {"auc": 0.80}, "watch": {"rmse": 10.0}}
        >>> round(delta_m(together, alone), 4)
        0.075
    """
    improvements = relative_improvements(multi_task, single_task, higher_is_better)
    return sum(improvements.values()) / len(improvements)


def relative_improvements(
    multi_task: Values, single_task: Values, higher_is_better: Mapping[str, bool] | None = None
) -> dict[str, float]:
    r"""Returns the relative improvement $\Delta_t$ of each task, see `delta_m`.

    Args:
        multi_task: `{task: {metric: value}}` of the multi-task run.
        single_task: `{task: {metric: value}}` of the single-task runs, with the same tasks and metrics.
        higher_is_better: `{metric: bool}` for metrics that the library does not know, or knows otherwise.

    Returns:
        `{task: improvement}`, positive where the multi-task run is better.

    Raises:
        ValueError: See `delta_m`.

    Example:
        >>> values = relative_improvements({"click": {"log_loss": 0.6}}, {"click": {"log_loss": 0.5}})
        >>> {task: round(value, 4) for task, value in values.items()}
        {'click': -0.2}
    """
    if not multi_task:
        raise ValueError("delta_m: there are no tasks to compare")
    _check_same("tasks", multi_task, single_task)
    improvements = {}
    for task, values in multi_task.items():
        if not values:
            raise ValueError(f"delta_m: task {task!r} has no metrics")
        _check_same(f"metrics of task {task!r}", values, single_task[task])
        of_task = [
            _sign(metric, higher_is_better or {}) * _relative(value, single_task[task][metric], task, metric)
            for metric, value in values.items()
        ]
        improvements[task] = sum(of_task) / len(of_task)
    return improvements


def _check_same(what: str, multi_task: Mapping, single_task: Mapping) -> None:
    if set(multi_task) != set(single_task):
        raise ValueError(
            f"delta_m: the {what} differ: {sorted(multi_task)} in the multi-task run, {sorted(single_task)} in the "
            "single-task runs"
        )


def _relative(value: float, base: float, task: str, metric: str) -> float:
    if base == 0:
        raise ValueError(
            f"delta_m: {metric!r} of task {task!r} is 0 in the single-task run, so there is no relative improvement on "
            "it; leave this metric out"
        )
    return (float(value) - float(base)) / abs(float(base))


def _sign(metric: str, higher_is_better: Mapping[str, bool]) -> int:
    if metric in higher_is_better:
        return 1 if higher_is_better[metric] else -1
    if metric == "pcoc":
        raise ValueError("delta_m: 'pcoc' is best at 1, not when it is high or low; compare 'ece' or 'log_loss'")
    known = re.sub(r"_at_\d+$", "_at_k", metric)
    if known in HIGHER_IS_BETTER:
        return 1
    if known in LOWER_IS_BETTER:
        return -1
    raise ValueError(
        unknown_name("metric", metric, (*HIGHER_IS_BETTER, *LOWER_IS_BETTER))
        + f". Say which way it is better: higher_is_better={{{metric!r}: True}}"
    )
