"""Metrics by the names that a schema states."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras

from tf_gradcraft import metrics
from tf_gradcraft.metrics.exact import ExactMetric

_PLAIN: dict[str, Callable[[], ExactMetric]] = {
    "auc": metrics.AUC,
    "rmse": lambda: metrics.Labelled(keras.metrics.RootMeanSquaredError(name="rmse")),
    "mae": lambda: metrics.Labelled(keras.metrics.MeanAbsoluteError(name="mae")),
    "accuracy": lambda: metrics.Labelled(keras.metrics.SparseCategoricalAccuracy(name="accuracy")),
    "log_loss": lambda: metrics.Labelled(keras.metrics.SparseCategoricalCrossentropy(name="log_loss")),
}
_BY_GROUP: dict[str, Callable[[str], ExactMetric]] = {
    "gauc": metrics.GAUC,
    "ndcg_at_10": lambda group: metrics.NDCGAtK(10, group),
}


def named_metrics(names: Sequence[str], group: str | None) -> list[ExactMetric]:
    """Returns new metrics by name; those by group only if there is a group.

    Args:
        names: Names of metrics, such as `Task.metrics` has them.
        group: Name of the column of a batch with the group key, or None.

    Example:
        >>> [metric.name for metric in named_metrics(["auc", "gauc"], group=None)]
        ['auc']
    """
    made = [_PLAIN[name]() if name in _PLAIN else _BY_GROUP[name](group) if group else None for name in names]
    return [metric for metric in made if metric is not None]
