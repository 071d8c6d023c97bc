"""The metrics of a task of any kind, as a function of how often each user was drawn."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from tf_gradcraft.metrics.at_k import ndcg_of_lists
from tf_gradcraft.metrics.calibration_error import BINS
from tf_gradcraft.metrics.entropy import EPSILON
from tf_gradcraft.metrics.ranked_lists import ranked_lists
from tf_gradcraft.run_report.binary_statistics import BinaryStatistics
from tf_gradcraft.run_report.bootstrap import Statistic
from tf_gradcraft.run_report.scored_rows import ROW, ScoredSplit, ScoredTask

NDCG_K = 10


class MeanStatistics:
    """Metrics that are weighted means over rows, or over lists.

    Args:
        means: For each metric the values of its rows, their weights and the number of each row's user, [N] each.
        units: Number of users U.
        root: Names of the metrics that are the root of the mean.

    Example:
        >>> errors = (np.array([3.0, 4.0]), np.array([1.0, 1.0]), np.array([0, 1]))
        >>> MeanStatistics({"mae": errors}, units=2)(np.array([1.0, 1.0]))
        {'mae': 3.5}
    """

    def __init__(
        self,
        means: Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray]],
        units: int,
        root: tuple[str, ...] = (),
    ) -> None:
        self._root = root
        self._sums = {
            name: np.stack([np.bincount(unit, of, units) for of in (weights * values, weights)])
            for name, (values, weights, unit) in means.items()
        }

    def __call__(self, times: np.ndarray) -> dict[str, float]:
        """Returns the metrics when each user was drawn `times` [U]; NaN where no row is left."""
        values = {}
        for name, sums in self._sums.items():
            total, weight = (sums * times).sum(axis=1)
            mean = float(total / weight) if weight > 0 else math.nan
            values[name] = math.sqrt(mean) if name in self._root else mean
        return values


def statistics_of(scored: ScoredSplit, bins: int = BINS) -> dict[str, Statistic]:
    """Returns for each task its metrics as a function of the draws: those that an evaluation of its kind has, and more.

    Args:
        scored: A split with predictions.
        bins: Number of bins of the calibration error.
    """
    grouped = scored.unit_name != ROW
    return {name: task_statistics(task, scored.units, grouped, bins) for name, task in scored.tasks.items()}


def task_statistics(scored: ScoredTask, units: int, grouped: bool, bins: int = BINS) -> Statistic:
    """Returns the metrics of one task as a function of the draws.

    Args:
        scored: The labelled rows.
        units: Number of users.
        grouped: Whether the users are the groups of group AUC.
        bins: Number of bins of the calibration error.
    """
    kind, weights, unit = scored.task.kind, scored.weights, scored.units
    if kind == "binary":
        return BinaryStatistics(scored, units, grouped, bins)
    if kind == "multiclass":
        classes = scored.labels.astype(np.int64)
        found = scored.predictions.argmax(axis=1) == classes
        likelihood = np.clip(scored.predictions[np.arange(len(classes)), classes], EPSILON, 1 - EPSILON)
        rows = {"accuracy": found.astype(np.float64), "log_loss": -np.log(likelihood)}
        return MeanStatistics({name: (of_rows, weights, unit) for name, of_rows in rows.items()}, units)
    if kind == "ranking":
        return _ranking_statistics(scored, units)
    errors = np.abs(scored.predictions - scored.labels)
    rows = {"rmse": errors**2, "mae": errors}
    return MeanStatistics({name: (of_rows, weights, unit) for name, of_rows in rows.items()}, units, root=("rmse",))


def _ranking_statistics(scored: ScoredTask, units: int) -> Statistic:
    """NDCG of each list; a list belongs to the user of its first row."""
    if scored.lists is None:
        return MeanStatistics({}, units)
    keys, first, lists = np.unique(scored.lists, return_index=True, return_inverse=True)
    # Groups are numbered in the order of their first rows.
    in_order = np.argsort(first)
    ranked = ranked_lists(scored.labels, scored.predictions, lists, scored.weights)
    counted = np.where(ranked.differ().numpy(), ranked.weight.numpy(), 0.0)
    unit_of_list = scored.units[first[in_order]] if len(keys) else np.zeros(0, np.int64)
    values = ndcg_of_lists(ranked, NDCG_K).numpy()
    return MeanStatistics({f"ndcg_at_{NDCG_K}": (values, counted, unit_of_list)}, units)
