"""Confidence intervals by drawing users anew."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping

import numpy as np

Statistic = Callable[[np.ndarray], Mapping[str, float]]
"""Metrics by name, as a function of how often each user was drawn [U]."""

LEVEL = 0.95
MEAN = "mean"
METRICS_WITH_MEAN = ("auc", "gauc")


@dataclasses.dataclass(frozen=True)
class Interval:
    """A metric with its confidence interval.

    Args:
        value: The metric on all rows; NaN where it is not defined.
        low: Lower end; NaN where fewer than half of the resamples have a value.
        high: Upper end.
        resamples: In how many resamples the metric was defined.

    Example:
        >>> Interval(0.7, 0.68, 0.72, 200).width
        0.04
    """

    value: float
    low: float
    high: float
    resamples: int

    @property
    def width(self) -> float:
        """Upper minus lower end."""
        return round(self.high - self.low, 12)

    def apart_from(self, value: float) -> bool:
        """Whether the interval leaves out a value; False where there is none."""
        return value < self.low or value > self.high


def draw_units(units: int, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """Yields how often each unit is drawn when as many as there are get drawn with replacement.

    Args:
        units: Number of units U, such as users.
        resamples: How many to yield.
        seed: Seed of the draws.

    Returns:
        An iterator of float64 arrays [U], each with the sum U.

    Example:
        >>> [int(drawn.sum()) for drawn in draw_units(5, resamples=2, seed=0)]
        [5, 5]
    """
    random = np.random.default_rng(seed)
    for _ in range(resamples):
        yield np.bincount(random.integers(0, units, units), minlength=units).astype(np.float64)


def bootstrap(
    statistics: Mapping[str, Statistic], units: int, resamples: int = 200, seed: int = 0, level: float = LEVEL
) -> dict[str, dict[str, Interval]]:
    """Returns the metrics of each task, and the means over tasks, with percentile intervals.

    Rows of one user are alike, so whole users are drawn: an interval over rows would be too narrow. All tasks see the
    same draws. Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13.

    Args:
        statistics: For each task its metrics as a function of the draws.
        units: Number of users U.
        resamples: Number of draws; 0 for values without intervals.
        seed: Seed of the draws.
        level: Share of the resamples that an interval holds.

    Returns:
        `{task: {metric: interval}}`, and under `"mean"` the means of AUC and group AUC where several tasks have them.

    Raises:
        ValueError: If `resamples` is negative.

    Example:
        >>> shares = np.array([0.0, 1.0, 1.0, 1.0])
        >>> share = lambda drawn: {"share": float(drawn @ shares / drawn.sum())}
        >>> of_task = bootstrap({"click": share}, units=4)["click"]
        >>> of_task["share"].value, of_task["share"].low < 0.75 < of_task["share"].high
        (0.75, True)
    """
    if resamples < 0:
        raise ValueError(f"resamples must be at least 0, got {resamples}")
    values = _with_means({task: of_task(np.ones(units)) for task, of_task in statistics.items()})
    drawn: dict[str, dict[str, list[float]]] = {
        task: {name: [] for name in by_name} for task, by_name in values.items()
    }
    for times in draw_units(units, resamples, seed):
        for task, by_name in _with_means({task: of_task(times) for task, of_task in statistics.items()}).items():
            for name, value in by_name.items():
                drawn[task][name].append(value)
    return {
        task: {name: percentile_interval(value, drawn[task][name], level) for name, value in by_name.items()}
        for task, by_name in values.items()
    }


def percentile_interval(value: float, drawn: list[float], level: float = LEVEL) -> Interval:
    """Returns a value with the interval that holds `level` of the values drawn; NaNs among them are left out.

    Example:
        >>> percentile_interval(0.5, [0.0, 0.25, 0.5, 0.75, 1.0], level=0.5)
        Interval(value=0.5, low=0.25, high=0.75, resamples=5)
    """
    finite = [one for one in drawn if math.isfinite(one)]
    if math.isnan(value) or 2 * len(finite) < len(drawn) or not finite:
        return Interval(value, math.nan, math.nan, len(finite))
    low, high = np.quantile(finite, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, float(low), float(high), len(finite))


def _with_means(values: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Adds the means over tasks, as an evaluation has them: NaN as soon as one task's metric is."""
    means = {}
    for name in METRICS_WITH_MEAN:
        of_tasks = [by_name[name] for by_name in values.values() if name in by_name]
        if len(of_tasks) > 1:
            means[name] = sum(of_tasks) / len(of_tasks)
    every = {task: dict(by_name) for task, by_name in values.items()}
    return every | {MEAN: means} if means else every
