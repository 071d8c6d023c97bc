"""Metrics of a binary task as a function of how often each user was drawn."""

from __future__ import annotations

import math

import numpy as np

from tf_gradcraft.metrics.calibration_error import BINS
from tf_gradcraft.metrics.entropy import EPSILON
from tf_gradcraft.metrics.ranking import areas_by_group
from tf_gradcraft.run_report.reliability import bins_of_ties
from tf_gradcraft.run_report.scored_rows import ScoredTask


class BinaryStatistics:
    """AUC, group AUC, log loss, PCOC and equal-mass calibration error of the rows of drawn users.

    A row counts with its weight times how often its user was drawn. Rows are sorted once; what a user adds to a sum,
    and the AUC within a user, are computed once. A draw then costs a few passes over the rows.

    Args:
        scored: The labelled rows.
        units: Number of users U.
        grouped: Whether the users are the groups of group AUC; else it is left out.
        bins: Number of bins of the calibration error.

    Example:
        >>> from tf_gradcraft.data_pipelines import Task
        >>> rows = ScoredTask(Task(name="click"), *map(np.array, ([0.0, 1, 1, 0], [0.2, 0.9, 0.4, 0.5], [1.0] * 4,
        ...                   [0, 0, 1, 1])), lists=None, rows=np.arange(4))
        >>> statistics = BinaryStatistics(rows, units=2)
        >>> values = statistics(np.array([1.0, 1.0]))
        >>> values["auc"], values["gauc"], values["pcoc"]
        (0.75, 0.5, 1.0)
        >>> statistics(np.array([2.0, 0.0]))["auc"]
        1.0
    """

    def __init__(self, scored: ScoredTask, units: int, grouped: bool = True, bins: int = BINS) -> None:
        labels, predictions, weights = scored.labels, scored.predictions, scored.weights
        self._bins, self._grouped = bins, grouped
        clipped = np.clip(predictions, EPSILON, 1 - EPSILON)
        losses = -np.where(labels > 0, labels * np.log(clipped), 0) - (1 - labels) * np.log1p(-clipped)
        sums = (weights * losses, weights, weights * predictions, weights * labels)
        self._sums = np.stack([np.bincount(scored.units, of_rows, units) for of_rows in sums])

        order = np.argsort(predictions, kind="stable")
        self._unit = scored.units[order]
        self._positive = (weights * labels)[order]
        self._negative = (weights * (1 - labels))[order]
        self._gap = (weights * (predictions - labels))[order]
        rising = predictions[order]
        starts = (
            np.flatnonzero(np.concatenate([[True], rising[1:] != rising[:-1]])) if len(rising) else np.zeros(0, int)
        )
        self._starts = None if len(starts) == len(rising) else starts

        self._within = np.zeros((2, units))
        if grouped and len(labels):
            area, impressions, valid = (
                of.numpy() for of in areas_by_group(labels, predictions, scored.units, sample_weight=weights)
            )
            counted = np.where(valid, impressions, 0)
            _, first = np.unique(scored.units, return_index=True)
            # Groups come in the order of their first rows.
            self._within[:, scored.units[np.sort(first)]] = np.stack([area * counted, counted])

    def __call__(self, times: np.ndarray) -> dict[str, float]:
        """Returns the metrics when each user was drawn `times` [U]; NaN where one is not defined."""
        # Sums of products: BLAS would wake its threads for each of these small products, and wait for them.
        loss, weight, predicted, positive = (self._sums * times).sum(axis=1)
        area, counted = (self._within * times).sum(axis=1)
        values = {"auc": math.nan, "gauc": _ratio(area, counted)} if self._grouped else {"auc": math.nan}
        drawn = times[self._unit]
        positives, negatives = self._by_tie(drawn * self._positive), self._by_tie(drawn * self._negative)
        total_positive, total_negative = positives.sum(), negatives.sum()
        if total_positive > 0 and total_negative > 0:
            below = np.cumsum(negatives) - negatives / 2
            values["auc"] = float((positives * below).sum() / (total_positive * total_negative))
        gaps = self._by_tie(drawn * self._gap)
        bins = bins_of_ties(positives + negatives, self._bins)
        error = np.abs(np.bincount(bins, gaps, self._bins)).sum()
        return values | {
            "log_loss": _ratio(loss, weight),
            "pcoc": _ratio(predicted, positive),
            "ece": _ratio(error, weight),
        }

    def _by_tie(self, values: np.ndarray) -> np.ndarray:
        """Adds up the values of rows with equal predictions."""
        return values if self._starts is None else np.add.reduceat(values, self._starts)


def _ratio(numerator: float, denominator: float) -> float:
    return float(numerator / denominator) if denominator > 0 else math.nan
