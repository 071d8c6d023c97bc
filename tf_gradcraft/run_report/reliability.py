"""Reliability: predicted against observed rates in bins of equal mass."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tf_gradcraft.metrics.calibration_error import BINS
from tf_gradcraft.run_report.scored_rows import ScoredTask

if TYPE_CHECKING:
    import pandas as pd

Z = 1.959963984540054
"""Quantile of the normal distribution for intervals of 95%."""


def bins_of_ties(mass: np.ndarray, bins: int) -> np.ndarray:
    """Returns the bin [M] of each run of equal predictions, by rising prediction: where the middle of its mass falls.

    The bins of `tf_gradcraft.metrics.equal_mass_ece`.

    Args:
        mass: Sum of weights [M] of each run.
        bins: Number of bins.

    Example:
        >>> bins_of_ties(np.array([1.0, 1.0, 2.0]), bins=2).tolist()
        [0, 0, 1]
    """
    total = mass.sum()
    if not total > 0:
        return np.zeros(len(mass), np.int64)
    middle = np.cumsum(mass) - mass / 2
    return np.clip(np.floor(bins * middle / total).astype(np.int64), 0, bins - 1)


def reliability(scored: ScoredTask, bins: int = BINS) -> pd.DataFrame:
    """Returns how often the event happened where the model predicted so much.

    Args:
        scored: The labelled rows of a binary task.
        bins: Number of bins, each of which holds an equal share of the weight as far as ties allow.

    Returns:
        A line for each bin that holds a row, with the columns `rows`, `positives` (rows with label 1), `lowest` and
        `highest` (prediction), `predicted` (mean prediction), `observed` (mean label), `low` and `high` (95%
        interval of the observed rate: Wilson, "Probable Inference, the Law of Succession, and Statistical Inference",
        JASA 1927).

    Example:
        >>> from tf_gradcraft.data_pipelines import Task
        >>> rows = ScoredTask(Task(name="click"), *map(np.array, ([0.0, 0, 1, 1], [0.1, 0.3, 0.6, 0.8], [1.0] * 4,
        ...                   [0, 0, 1, 1])), lists=None, rows=np.arange(4))
        >>> reliability(rows, bins=2)[["rows", "predicted", "observed"]].to_numpy().round(3).tolist()
        [[2.0, 0.2, 0.0], [2.0, 0.7, 1.0]]
    """
    import pandas as pd

    frame = pd.DataFrame({"label": scored.labels, "prediction": scored.predictions, "weight": scored.weights})
    masses = frame.groupby("prediction").weight.sum()
    bin_of = pd.Series(bins_of_ties(masses.to_numpy(), bins), index=masses.index)
    frame["bin"] = frame.prediction.map(bin_of)
    frame["predicted"] = frame.weight * frame.prediction
    frame["observed"] = frame.weight * frame.label
    grouped = frame.groupby("bin")
    sums = grouped[["weight", "predicted", "observed"]].sum()
    lines = pd.DataFrame(
        {
            "rows": grouped.size(),
            "positives": grouped.label.apply(lambda labels: int((labels > 0).sum())),
            "lowest": grouped.prediction.min(),
            "highest": grouped.prediction.max(),
            "predicted": sums.predicted / sums.weight,
            "observed": sums.observed / sums.weight,
        }
    )
    lines["low"], lines["high"] = wilson_interval(lines.observed.to_numpy(), lines.rows.to_numpy())
    return lines.reset_index(drop=True)


def wilson_interval(rate: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the ends of the 95% interval of a rate found on so many independent rows.

    Example:
        >>> low, high = wilson_interval(np.array([0.0]), np.array([10]))
        >>> low.round(3).tolist(), high.round(3).tolist()
        ([0.0], [0.278])
    """
    scale = 1 + Z**2 / rows
    middle = (rate + Z**2 / (2 * rows)) / scale
    half = Z / scale * np.sqrt(rate * (1 - rate) / rows + Z**2 / (4 * rows**2))
    # At rates of 0 and 1 the ends may miss the rate itself by rounding.
    return np.clip(middle - half, 0, rate), np.clip(middle + half, rate, 1)
