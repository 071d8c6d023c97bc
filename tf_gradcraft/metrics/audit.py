"""AUC, calibration and base rate by group, as a table: the fairness report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from tf_gradcraft.metrics.calibration_error import BINS, bin_of_equal_width, checked_bins
from tf_gradcraft.metrics.columns import checked_probabilities
from tf_gradcraft.metrics.ranking import areas_by_group

if TYPE_CHECKING:
    import pandas as pd


def group_report(
    labels: Any, predictions: Any, groups: Any, sample_weight: Any = None, bins: int = BINS
) -> pd.DataFrame:
    """Returns how a model treats each group of rows, by any feature of the log.

    Gaps between groups are differences between its lines: `report["auc"].max() - report["auc"].min()`.

    Args:
        labels: Labels [N] in {0, 1}.
        predictions: Predicted probabilities [N].
        groups: Group [N] of each row: numbers, strings or a pandas Series; missing values (None, NaN) are a group too.
        sample_weight: Weights [N] of the rows, all 1 by default; rows of weight 0 are left out, and groups that have no
            other rows with them.
        bins: Number of bins of equal width of the calibration error, from 1.

    Returns:
        A line for each group, in the order of the groups' values, with the columns `rows` (number of labelled rows),
        `weight` (their sum of weights), `base_rate` (mean label), `mean_prediction`, `auc` (NaN without rows of both
        classes: group AUC leaves such groups out), `pcoc` (NaN without a positive row) and `ece`. Rates and means are
        weighted.

    Raises:
        ValueError: If the columns differ in their number of rows, a labelled row has a NaN, or `bins` is below 1.
        tf.errors.InvalidArgumentError: If a prediction is outside of [0, 1].

    Example:
        >>> report = group_report([0, 1, 1, 0], [0.25, 0.75, 0.5, 0.5], ["b", "b", "a", "a"], bins=2)
        >>> print(report[["rows", "base_rate", "auc", "pcoc", "ece"]])
               rows  base_rate  auc  pcoc   ece
        group
        a         2        0.5  0.5   1.0  0.00
        b         2        0.5  1.0   1.0  0.25
    """
    # Here, since pandas takes longer to load than everything else in this package.
    import pandas as pd

    bins = checked_bins(bins)
    frame = _frame(labels, predictions, groups, sample_weight)
    frame = frame[frame.weight != 0].reset_index(drop=True)
    # Sums of pandas would pass over them.
    if frame[["label", "prediction", "weight"]].isna().to_numpy().any():
        raise ValueError(
            "group_report: there is a NaN in a labelled row; give rows without a label the sample weight 0"
        )
    # Groups are numbered in the order of their first rows.
    frame["number"], values = pd.factorize(frame.group, use_na_sentinel=False)
    probabilities = checked_probabilities(tf.constant(frame.prediction.to_numpy()), "group_report")
    frame["bin"] = bin_of_equal_width(probabilities, bins).numpy()
    frame["predicted"] = frame.weight * frame.prediction
    frame["positive"] = frame.weight * frame.label
    frame["gap"] = frame.predicted - frame.positive

    sums = frame.groupby("number")[["weight", "predicted", "positive"]].sum()
    gaps = frame.groupby(["number", "bin"]).gap.sum().abs().groupby("number").sum()
    area, _, valid = areas_by_group(*(frame[name].to_numpy() for name in ("label", "prediction", "number", "weight")))
    report = pd.DataFrame(
        {
            "rows": frame.groupby("number").size(),
            "weight": sums.weight,
            "base_rate": sums.positive / sums.weight,
            "mean_prediction": sums.predicted / sums.weight,
            "auc": np.where(valid, area, np.nan),
            "pcoc": sums.predicted / sums.positive.where(sums.positive != 0),
            "ece": gaps / sums.weight,
        }
    )
    report.index = pd.Index(values, name="group")
    return report.sort_index()


def _frame(labels: Any, predictions: Any, groups: Any, sample_weight: Any) -> pd.DataFrame:
    import pandas as pd

    labels = np.asarray(labels, np.float64).reshape(-1)
    columns: dict[str, Any] = {
        "label": labels,
        "prediction": np.asarray(predictions, np.float64).reshape(-1),
        "weight": np.ones_like(labels) if sample_weight is None else np.asarray(sample_weight, np.float64).reshape(-1),
        "group": pd.Series(groups if isinstance(groups, list | pd.Series) else np.asarray(groups).reshape(-1)).array,
    }
    sizes = {name: len(column) for name, column in columns.items()}
    if len(set(sizes.values())) > 1:
        raise ValueError(f"group_report: the columns must have as many rows as there are labels; got {sizes}")
    return pd.DataFrame(columns)
