"""Watch times by length of the item: the quantiles that duration-aware tasks predict."""

from __future__ import annotations

import dataclasses

import numpy as np

from tf_gradcraft.data_pipelines.task import Task


def fit_duration_quantiles(
    task: Task, watch_times: np.ndarray, durations: np.ndarray, groups: int = 30, levels: int = 101
) -> Task:
    """Returns the task with the groups of durations, and the quantiles of watch time in each.

    Rows are parted by the duration of their item into groups of about equal size (fewer where many durations are
    equal). Zhan et al., "Deconfounding Duration Bias in Watch-time Prediction for Video Recommendation", KDD 2022.

    Args:
        task: A task with the loss `"duration_quantile"`.
        watch_times: Labels of the training rows [n], >= 0; leave out rows without label.
        durations: Durations of the same rows [n], raw as the feature `task.duration` is.
        groups: Most groups.
        levels: Number of quantiles of a group, its smallest and largest watch time included.

    Raises:
        ValueError: If the task has another loss, there are no rows, a value is not finite, or a number is too small.

    Example:
        >>> task = Task(name="watch", kind="watch_time", loss="duration_quantile", duration="seconds")
        >>> fitted = fit_duration_quantiles(task, np.array([1.0, 3, 10, 30]), np.array([5.0, 5, 60, 60]), 2, levels=3)
        >>> fitted.boundaries, fitted.quantiles
        ((60.0,), ((1.0, 2.0, 3.0), (10.0, 20.0, 30.0)))
    """
    if task.loss != "duration_quantile":
        raise ValueError(
            f"task {task.name!r} has the loss {task.loss!r}; only 'duration_quantile' has quantiles to fit"
        )
    if groups < 1 or levels < 2:
        raise ValueError(f"task {task.name!r}: needs groups >= 1 and levels >= 2, got {groups} and {levels}")
    watch_times, durations = np.asarray(watch_times, np.float64), np.asarray(durations, np.float64)
    if not len(watch_times) or watch_times.shape != durations.shape:
        raise ValueError(
            f"task {task.name!r}: needs one watch time and one duration a row, got {watch_times.shape} and "
            f"{durations.shape}"
        )
    if not (np.isfinite(watch_times).all() and np.isfinite(durations).all()):
        raise ValueError(f"task {task.name!r}: watch times and durations must be finite; leave other rows out")
    inner = np.quantile(durations, np.arange(1, groups) / groups, method="higher")
    # A boundary opens the group above it; one at the smallest duration would open an empty group below.
    boundaries = np.unique(inner[inner > durations.min()])
    group = np.searchsorted(boundaries, durations, side="right")
    grid = np.linspace(0.0, 1.0, levels)
    quantiles = [np.quantile(watch_times[group == number], grid) for number in range(len(boundaries) + 1)]
    return dataclasses.replace(
        task,
        boundaries=tuple(map(float, boundaries)),
        quantiles=tuple(tuple(map(float, of_group)) for of_group in quantiles),
    )
