"""Numeric columns: missing values, mean and standard deviation of the training part."""

from __future__ import annotations

import numpy as np

from tf_gradcraft.data_pipelines.schema import signed_log1p


def fill_missing(values: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Replaces missing values by the median of the training part.

    Args:
        values: float [n], NaN where missing.
        train: bool [n], the training rows.

    Returns:
        float32 [n] without NaN (0 where the training part has no value at all).

    Example:
        >>> fill_missing(np.array([1.0, np.nan, 3.0, 99.0]), np.array([True, True, True, False])).tolist()
        [1.0, 2.0, 3.0, 99.0]
    """
    known = values[train & ~np.isnan(values)]
    return np.where(np.isnan(values), np.median(known) if len(known) else 0.0, values).astype(np.float32)


def fit_moments(values: np.ndarray, transform: str | None) -> tuple[float, float]:
    """Returns mean and standard deviation of the transformed values; 1 for the deviation of a constant column.

    Args:
        values: float32 [n], training rows only.
        transform: `"log1p"` or None, see `Feature`.

    Example:
        >>> fit_moments(np.array([2.0, 4.0]), None), fit_moments(np.array([5.0, 5.0]), None)
        ((3.0, 1.0), (5.0, 1.0))
    """
    transformed = values.astype(np.float64)
    transformed = signed_log1p(transformed) if transform == "log1p" else transformed
    mean, std = float(transformed.mean()), float(transformed.std())
    # A constant column has a deviation of rounding errors, which must not blow it up.
    return mean, std if std > 1e-6 * max(1.0, abs(mean)) else 1.0
