"""Historical rates and counts: out of fold on the training rows, from the whole training part elsewhere."""

from __future__ import annotations

import numpy as np

LOG_ODDS_LIMIT = 1e-6
"""Rates are kept this far from 0 and 1, so that log-odds stay finite for a task without a positive."""


class KeyStatistics:
    r"""Smoothed rates and counts by id of a categorical feature, from training rows alone.

    With n rows and s positives of an id, prior p (the share of positives in the training part) and smoothing a:

    $$ rate = \frac{s + a p}{n + a}, \qquad feature = \log \frac{rate}{1 - rate} $$

    Log-odds, because rates of a few per mille with a long tail are badly scaled as inputs, and evidence adds up in
    log-odds. A training row must not see its own label: its values come from the other folds, and its count is
    multiplied by folds / (folds - 1) so that it is on the scale of the other rows' counts. Only the prior, one
    number a task, is that of the whole training part.

    Args:
        ids: Ids of the training rows, int [n]; id 0 (unknown) has no history: rate = prior, count = 0.
        size: Number of ids.
        folds: Fold of each training row, int [n] in [0, num_folds).
        num_folds: Number of folds, at least 2.

    Example:
        >>> key = KeyStatistics(np.array([1, 1, 1, 1]), size=2, folds=np.array([0, 0, 1, 1]), num_folds=2)
        >>> key.counts().tolist(), key.counts_out_of_fold().tolist()
        ([0.0, 4.0], [4.0, 4.0, 4.0, 4.0])
        >>> labels = np.array([1.0, 1.0, 0.0, 0.0])
        >>> (1 / (1 + np.exp(-key.rates_out_of_fold(labels, smoothing=2.0)))).round(3).tolist()
        [0.25, 0.25, 0.75, 0.75]
    """

    def __init__(self, ids: np.ndarray, size: int, folds: np.ndarray, num_folds: int) -> None:
        self.ids = ids
        self.size = size
        self.num_folds = num_folds
        self._cell = ids.astype(np.int64) * num_folds + folds
        self._known = ids > 0
        self._unit = np.ones(len(ids))

    def _sums(self, weights: np.ndarray) -> np.ndarray:
        """Sums [size, folds] of a training column; nothing for id 0."""
        sums = np.bincount(self._cell, weights, minlength=self.size * self.num_folds)
        sums = sums.reshape(self.size, self.num_folds)
        sums[0] = 0.0
        return sums

    def _outside(self, sums: np.ndarray) -> np.ndarray:
        """For each training row [n] the sum over the other folds."""
        return (sums.sum(1, keepdims=True) - sums).reshape(-1)[self._cell]

    def counts(self, weights: np.ndarray | None = None) -> np.ndarray:
        """Returns the number of training rows by id, float32 [size]."""
        return self._sums(self._unit if weights is None else weights).sum(1).astype(np.float32)

    def counts_out_of_fold(self) -> np.ndarray:
        """Returns the rescaled number of rows in the other folds for each training row, float32 [n]."""
        outside = self._outside(self._sums(self._unit))
        return (outside * self.num_folds / (self.num_folds - 1)).astype(np.float32)

    def rates(self, labels: np.ndarray, smoothing: float, weights: np.ndarray | None = None) -> np.ndarray:
        """Returns the log-odds of the smoothed rate by id, float32 [size]; entry 0 is the prior.

        Args:
            labels: 0/1 labels of the training rows [n].
            smoothing: Number of rows that the prior counts for; positive.
            weights: Weights of the labels [n] (0 = not labelled); 1 each by default.
        """
        weights = self._unit if weights is None else weights
        sums, counts = self._sums(labels * weights).sum(1), self._sums(weights).sum(1)
        return smoothed_log_odds(sums, counts, prior_rate(labels, weights), smoothing)

    def rates_out_of_fold(self, labels: np.ndarray, smoothing: float, weights: np.ndarray | None = None) -> np.ndarray:
        """Returns the log-odds of the smoothed rate in the other folds for each training row, float32 [n]."""
        weights = self._unit if weights is None else weights
        sums, counts = self._outside(self._sums(labels * weights)), self._outside(self._sums(weights))
        return smoothed_log_odds(sums, counts, prior_rate(labels, weights), smoothing)


def prior_rate(labels: np.ndarray, weights: np.ndarray) -> float:
    """Returns the weighted share of positives; 0.5 when no row is labelled."""
    total = float(weights.sum())
    return float((labels * weights).sum()) / total if total > 0 else 0.5


def smoothed_log_odds(sums: np.ndarray, counts: np.ndarray, prior: float, smoothing: float) -> np.ndarray:
    """Returns log(r / (1 - r)) of r = (sums + smoothing * prior) / (counts + smoothing) as float32.

    Example:
        >>> smoothed_log_odds(np.array([0.0, 6.0]), np.array([0.0, 6.0]), prior=0.5, smoothing=2.0).round(3).tolist()
        [0.0, 1.94...]
    """
    rate = np.clip((sums + smoothing * prior) / (counts + smoothing), LOG_ODDS_LIMIT, 1 - LOG_ODDS_LIMIT)
    return np.log(rate / (1 - rate)).astype(np.float32)
