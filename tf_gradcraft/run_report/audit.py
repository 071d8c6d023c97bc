"""The audit by group: AUC, calibration and base rate of each binary task by the values of a feature."""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING

import numpy as np

from tf_gradcraft.data_pipelines.schema import Feature, Schema
from tf_gradcraft.metrics import auc, group_report
from tf_gradcraft.run_report.binary_statistics import BinaryStatistics
from tf_gradcraft.run_report.bootstrap import bootstrap
from tf_gradcraft.run_report.scored_rows import ScoredSplit, ScoredTask

if TYPE_CHECKING:
    import pandas as pd

MOST_VALUES = 32
MOST_GROUPS = 10
SMALLEST_SHARE = 0.01
FEWEST_ROWS = 200
FEWEST_EVENTS = 20
QUARTERS = 4
UNKNOWN = "unknown"


def default_features(schema: Schema) -> list[str]:
    """Returns the features that an audit goes by unless others are asked for: one of users or context, one of items.

    The first of each side that is a plain id with two to 32 known values.

    Example:
        >>> from tf_gradcraft.data_pipelines import Task
        >>> user = Feature(name="user", kind="categorical", dtype="int64", size=900)
        >>> country = Feature(name="country", kind="categorical", dtype="string", size=9)
        >>> default_features(Schema(features=[user, country], tasks=[Task(name="click")]))
        ['country']
    """
    chosen: dict[str, str] = {}
    for feature in schema.features:
        plain = feature.kind == "categorical" and not feature.crosses and not feature.hashed
        if plain and 2 <= (feature.size or 0) - 1 <= MOST_VALUES:
            chosen.setdefault(schema.side(feature.name), feature.name)
    return list(chosen.values())


def check_feature(schema: Schema, name: str) -> Feature:
    """Returns the feature of a name if rows can be grouped by it.

    Raises:
        ValueError: If there is none, or it is a list.
    """
    feature = schema.feature(name)
    if feature.listed:
        raise ValueError(f"--by {name}: a row has a list of values of it; choose a feature with one value a row")
    return feature


def group_names(schema: Schema, name: str, values: np.ndarray) -> np.ndarray:
    """Returns the group of each row [N] by a feature, as text: raw values of ids, quarters of numbers.

    Groups of fewer than 1% of the rows, or 200, and those behind the ten largest ones, become one group together.

    Args:
        schema: The schema, with vocabularies.
        name: Name of the feature.
        values: The feature as a model sees it: ids or numbers [N].

    Example:
        >>> from tf_gradcraft.data_pipelines import Task
        >>> schema = Schema(features=[Feature(name="age", kind="numeric")], tasks=[Task(name="click")])
        >>> np.unique(group_names(schema, "age", np.arange(1000.0))).tolist()
        ['0 to 249.8', '249.8 to 499.5', '499.5 to 749.2', '749.2 to 999']
    """
    import pandas as pd

    feature = check_feature(schema, name)
    if feature.kind != "categorical":
        cuts = pd.qcut(pd.Series(values), QUARTERS, duplicates="drop")
        edges = np.append([values.min()], [interval.right for interval in cuts.cat.categories])
        texts = [f"{low:.4g} to {high:.4g}" for low, high in itertools.pairwise(edges)]
        return np.array(texts or [f"{values[0]:.4g}"], object)[np.maximum(cuts.cat.codes, 0)]
    vocabulary = schema.vocabularies.get(name)
    known = [str(value) or "(empty)" for value in vocabulary.values] if vocabulary else []
    # Hashed ids and crosses have no raw value to show.
    texts = [UNKNOWN, *(known if known and not feature.crosses else (f"id {at}" for at in range(1, feature.size or 1)))]
    counts = np.bincount(values, minlength=len(texts))
    large = counts >= max(FEWEST_ROWS, SMALLEST_SHARE * len(values))
    largest = np.argsort(-counts, kind="stable")[:MOST_GROUPS]
    kept = np.zeros(len(texts), bool)
    kept[largest] = large[largest]
    folded = int(((counts > 0) & ~kept).sum())
    rest = texts[int(np.argmax((counts > 0) & ~kept))] if folded == 1 else f"other ({folded} values)"
    return np.where(kept, np.array(texts, object), rest)[values]


def audit_task(scored: ScoredTask, groups: np.ndarray, resamples: int, seed: int) -> pd.DataFrame:
    """Returns `tf_gradcraft.metrics.group_report` with `positives` and an interval of each group's AUC.

    Groups with fewer than 20 positive or 20 negative rows get no interval.

    Args:
        scored: The labelled rows of a binary task.
        groups: Name of the group of each of these rows [N].
        resamples: Number of draws of the group's users for an interval.
        seed: Seed of the draws.

    Returns:
        A line for each group, the largest first, with the further columns `positives` and `interval` (`Interval`);
        the AUC of all rows is in its `attrs`.
    """
    import pandas as pd

    report = group_report(scored.labels, scored.predictions, groups.tolist(), scored.weights)
    intervals, positives = [], []
    for group in report.index:
        chosen = groups == group
        # Only users who have a row in the group are drawn.
        distinct, units = np.unique(scored.units[chosen], return_inverse=True)
        of_group = dataclasses.replace(scored.only(chosen), units=units)
        statistics = BinaryStatistics(of_group, len(distinct), grouped=False)
        positives.append(int((of_group.labels > 0).sum()))
        # Draws of a few events look alike, whatever the truth is: their interval would be far too narrow.
        few = min(positives[-1], len(of_group.labels) - positives[-1]) < FEWEST_EVENTS
        found = bootstrap({"group": statistics}, len(distinct), 0 if few else resamples, seed)
        intervals.append(found["group"]["auc"])
    report["interval"] = pd.Series(intervals, index=report.index, dtype=object)
    report["positives"] = positives
    report.attrs["auc"] = float(auc(scored.labels, scored.predictions, scored.weights))
    return report.sort_values("rows", ascending=False, kind="stable")


def audit(scored: ScoredSplit, schema: Schema, feature: str, resamples: int, seed: int) -> dict[str, pd.DataFrame]:
    """Returns the audit of each binary task by a feature: `{task: lines}`, see `audit_task`.

    Raises:
        ValueError: If the feature is not known, or is a list.
    """
    groups = group_names(schema, feature, scored.columns[feature])
    return {
        name: audit_task(task, groups[task.rows], resamples, seed)
        for name, task in scored.tasks.items()
        if task.task.kind == "binary" and len(task.labels)
    }
