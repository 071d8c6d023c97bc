"""Historical rates and counts: out of fold on the training rows, from the whole training part elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import narwhals as nw
import numpy as np
import pyarrow as pa

from tf_gradcraft.data_pipelines.preparation.parts import FOLD
from tf_gradcraft.data_pipelines.preparation.vocabularies import COUNT
from tf_gradcraft.data_pipelines.task import Task

LOG_ODDS_LIMIT = 1e-6
"""Rates are kept this far from 0 and 1, so that log-odds stay finite for a task without a positive."""


def sum_by_key(train: nw.LazyFrame, parts: Sequence[str], tasks: Sequence[Task]) -> pa.Table:
    """Counts the training rows, and sums labels and their weights, by raw key and fold.

    Args:
        train: The training rows, with labels, weights and the column `FOLD`.
        parts: The raw columns of the key.
        tasks: The tasks whose labels are summed.

    Returns:
        A row for each combination of raw values and fold: the columns of the key, `FOLD`, `COUNT`, and for each task
        `positives_<task>` and `labelled_<task>`.

    Example:
        >>> import pandas as pd
        >>> train = pd.DataFrame({"user": [7, 7], FOLD: [0, 0], "click": [1.0, 0.0]})
        >>> sums = sum_by_key(nw.from_native(train).lazy(), ["user"], [Task(name="click")])
        >>> sums.select([COUNT, "positives_click", "labelled_click"]).to_pylist()
        [{'rows_of_value': 2, 'positives_click': 1.0, 'labelled_click': 2.0}]
    """
    weighted = {}
    for task in tasks:
        weight = nw.lit(1.0) if task.mask is None else nw.col(task.mask).cast(nw.Float64)
        weighted[f"labelled_{task.name}"] = weight
        weighted[f"positives_{task.name}"] = nw.col(task.name).cast(nw.Float64) * weight
    frame = train.with_columns(**weighted)
    sums = [nw.col(name).sum() for name in weighted]
    return frame.group_by(*parts, FOLD).agg(nw.len().alias(COUNT), *sums).collect(backend="pyarrow").to_arrow()


class KeyStatistics:
    r"""Smoothed rates and counts by id of a categorical feature, from training rows alone.

    With n rows and s positives of an id, prior p (the share of positives in the training part) and smoothing a:

    $$ rate = \frac{s + a p}{n + a}, \qquad feature = \log \frac{rate}{1 - rate} $$

    Log-odds, because rates of a few per mille with a long tail are badly scaled as inputs, and evidence adds up in
    log-odds. A training row must not see its own label: its values come from the other folds, and its count is
    multiplied by folds / (folds - 1) so that it is on the scale of the other rows' counts. Only the prior, one
    number a task, is that of the whole training part.

    Args:
        ids: Ids of cells, int [n]; id 0 (unknown) has no history: rate = prior, count = 0. A cell is a training row, or
            the sum of several with the same id and fold.
        size: Number of ids.
        folds: Fold of each cell, int [n] in [0, num_folds).
        num_folds: Number of folds, at least 2.
        rows: Number of rows of each cell [n]; 1 each by default.

    Example:
        >>> key = KeyStatistics(np.array([1, 1, 1, 1]), size=2, folds=np.array([0, 0, 1, 1]), num_folds=2)
        >>> key.counts().tolist(), key.counts_out_of_fold().tolist()
        ([0.0, 4.0], [[0.0, 0.0], [4.0, 4.0]])
        >>> positives = np.array([1.0, 1.0, 0.0, 0.0])
        >>> rates = key.rates_out_of_fold(positives, np.ones(4), prior=0.5, smoothing=2.0)
        >>> (1 / (1 + np.exp(-rates))).round(3).tolist()
        [[0.5, 0.5], [0.25, 0.75]]
    """

    def __init__(
        self, ids: np.ndarray, size: int, folds: np.ndarray, num_folds: int, rows: np.ndarray | None = None
    ) -> None:
        self.size = size
        self.num_folds = num_folds
        self._cell = ids.astype(np.int64) * num_folds + folds
        self._rows = np.ones(len(ids)) if rows is None else rows

    def _sums(self, values: np.ndarray) -> np.ndarray:
        """Sums [size, folds] of a column of cells; nothing for id 0."""
        sums = np.bincount(self._cell, values, minlength=self.size * self.num_folds)
        sums = sums.reshape(self.size, self.num_folds)
        sums[0] = 0.0
        return sums

    def counts(self) -> np.ndarray:
        """Returns the number of training rows by id, float32 [size]."""
        return self._sums(self._rows).sum(1).astype(np.float32)

    def counts_out_of_fold(self) -> np.ndarray:
        """Returns the rescaled number of rows in all folds but one, float32 [size, folds]."""
        return (outside(self._sums(self._rows)) * self.num_folds / (self.num_folds - 1)).astype(np.float32)

    def rates(self, positives: np.ndarray, labelled: np.ndarray, prior: float, smoothing: float) -> np.ndarray:
        """Returns the log-odds of the smoothed rate by id, float32 [size]; entry 0 is the prior.

        Args:
            positives: Weighted sum of the labels of each cell [n].
            labelled: Sum of the weights of each cell [n].
            prior: The share of positives in the training part.
            smoothing: Number of rows that the prior counts for; positive.
        """
        return smoothed_log_odds(self._sums(positives).sum(1), self._sums(labelled).sum(1), prior, smoothing)

    def rates_out_of_fold(
        self, positives: np.ndarray, labelled: np.ndarray, prior: float, smoothing: float
    ) -> np.ndarray:
        """Returns the log-odds of the smoothed rate in all folds but one, float32 [size, folds]."""
        return smoothed_log_odds(outside(self._sums(positives)), outside(self._sums(labelled)), prior, smoothing)


def outside(sums: np.ndarray) -> np.ndarray:
    """Returns for each id and fold [size, folds] the sum over the other folds."""
    return sums.sum(1, keepdims=True) - sums


def prior_rate(positives: float, labelled: float) -> float:
    """Returns the weighted share of positives; 0.5 when no row is labelled."""
    return positives / labelled if labelled > 0 else 0.5


def priors(sums: pa.Table, tasks: Sequence[Task]) -> Mapping[str, float]:
    """Returns the prior of each task from what `sum_by_key` returned for any key."""
    result = {}
    for task in tasks:
        positives, labelled = (
            float(sums[f"{kind}_{task.name}"].to_numpy().sum()) for kind in ("positives", "labelled")
        )
        result[task.name] = prior_rate(positives, labelled)
    return result


def smoothed_log_odds(sums: np.ndarray, counts: np.ndarray, prior: float, smoothing: float) -> np.ndarray:
    """Returns log(r / (1 - r)) of r = (sums + smoothing * prior) / (counts + smoothing) as float32.

    Example:
        >>> smoothed_log_odds(np.array([0.0, 6.0]), np.array([0.0, 6.0]), prior=0.5, smoothing=2.0).round(3).tolist()
        [0.0, 1.94...]
    """
    rate = np.clip((sums + smoothing * prior) / (counts + smoothing), LOG_ODDS_LIMIT, 1 - LOG_ODDS_LIMIT)
    return np.log(rate / (1 - rate)).astype(np.float32)
