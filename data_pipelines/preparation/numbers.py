"""Numeric columns: missing values, mean and standard deviation of the training part."""

from __future__ import annotations

import numpy as np

from tf_gradcraft.data_pipelines.feature import signed_log1p


def fit_missing(values: np.ndarray) -> float:
    """Returns the number that stands for missing values: the median, in float32 as the columns are.

    Args:
        values: float [n], training rows only, NaN where missing.

    Returns:
        The median; 0 where there is no value at all.

    Example:
        >>> fit_missing(np.array([1.0, np.nan, 3.0])), fit_missing(np.array([np.nan]))
        (2.0, 0.0)
    """
    known = values[~np.isnan(values)]
    return float(np.float32(np.median(known))) if len(known) else 0.0


def fill_missing(values: np.ndarray, missing: float) -> np.ndarray:
    """Replaces missing values by a number.

    Args:
        values: float [n], NaN where missing.
        missing: The number, see `fit_missing`.

    Returns:
        float32 [n] without NaN.

    Example:
        >>> fill_missing(np.array([1.0, np.nan, 99.0]), 2.0).tolist()
        [1.0, 2.0, 99.0]
    """
    return np.where(np.isnan(values), missing, values).astype(np.float32)


def fit_boundaries(values: np.ndarray, buckets: int) -> tuple[float, ...]:
    """Returns quantiles that cut known values into buckets of about equal size; fewer where many values are equal.

    Args:
        values: float [n], training rows only, NaN where missing.
        buckets: Most buckets.

    Returns:
        Rising numbers, exact in float32, at most `buckets - 1`; a value that equals one belongs above it.

    Raises:
        ValueError: If all values are equal, or none is known.

    Example:
        >>> fit_boundaries(np.array([1.0, 2, 3, 4, np.nan]), 2)
        (3.0,)
    """
    known = values[~np.isnan(values)].astype(np.float32)
    inner = np.quantile(known, np.arange(1, buckets) / buckets, method="higher") if len(known) else known
    boundaries = np.unique(inner[inner > known.min()]) if len(known) else known
    if not len(boundaries):
        raise ValueError("needs two or more values in the training part to be cut into buckets; leave it out")
    return tuple(float(boundary) for boundary in boundaries)


class Moments:
    """Mean and standard deviation of numbers that come in batches (Chan, Golub and LeVeque, 1983).

    Args:
        transform: `"log1p"` or None, see `Feature`.

    Example:
        >>> moments = Moments(None)
        >>> for batch in ([2.0], [4.0]):
        ...     moments.add(np.array(batch))
        >>> moments.result()
        (3.0, 1.0)
    """

    def __init__(self, transform: str | None) -> None:
        self.transform = transform
        self._count, self._mean, self._squares = 0, 0.0, 0.0

    def add(self, values: np.ndarray) -> None:
        """Adds values, float [n]."""
        if not len(values):
            return
        values = values.astype(np.float64)
        values = signed_log1p(values) if self.transform == "log1p" else values
        mean, count = float(values.mean()), self._count + len(values)
        distance = mean - self._mean
        self._squares += float(((values - mean) ** 2).sum()) + distance**2 * self._count * len(values) / count
        self._mean += distance * len(values) / count
        self._count = count

    def result(self) -> tuple[float, float]:
        """Returns mean and standard deviation; 1 for the deviation of a constant column."""
        std = float(np.sqrt(self._squares / max(1, self._count)))
        # A constant column has a deviation of rounding errors, which must not blow it up.
        return self._mean, std if std > 1e-6 * max(1.0, abs(self._mean)) else 1.0
