"""The labelled rows of each task of a split, with the model's predictions."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from tf_gradcraft.data_pipelines import PreparedData
from tf_gradcraft.data_pipelines.reading.layout import layout_of
from tf_gradcraft.data_pipelines.schema import GROUP
from tf_gradcraft.data_pipelines.task import Task

BATCH_SIZE = 8192
ROW = "row"


@dataclasses.dataclass(frozen=True)
class ScoredTask:
    """The labelled rows of one task.

    Args:
        task: The task.
        labels: Labels, float64 [N].
        predictions: Predictions, float64 [N], or [N, classes].
        weights: Positive weights of the rows, float64 [N].
        units: Number of each row's user, int64 [N] from 0.
        lists: Ranking tasks: key [N] of each row's list; None where nothing tells lists apart.
        rows: Position [N] of each row in the split.
    """

    task: Task
    labels: np.ndarray
    predictions: np.ndarray
    weights: np.ndarray
    units: np.ndarray
    lists: np.ndarray | None
    rows: np.ndarray

    def only(self, chosen: np.ndarray) -> ScoredTask:
        """Returns the rows for which `chosen` [N] is True."""
        return dataclasses.replace(
            self,
            labels=self.labels[chosen],
            predictions=self.predictions[chosen],
            weights=self.weights[chosen],
            units=self.units[chosen],
            lists=None if self.lists is None else self.lists[chosen],
            rows=self.rows[chosen],
        )


@dataclasses.dataclass(frozen=True)
class ScoredSplit:
    """A split with predictions.

    Args:
        split: Its name.
        tasks: The labelled rows by task.
        units: Number of users; of rows, where the schema names no group.
        unit_name: What a unit is: the name of the group column, or "row".
        columns: The features of the split as the model sees them, by name.
    """

    split: str
    tasks: dict[str, ScoredTask]
    units: int
    unit_name: str
    columns: dict[str, np.ndarray]


def score_split(model: Any, data: PreparedData, split: str) -> ScoredSplit:
    """Predicts a split of a prepared folder.

    Args:
        model: A model built from a schema.
        data: The folder that it was trained on.
        split: `"valid"` or `"test"`.

    Raises:
        ValueError: If the split has no row.
    """
    schema = model.schema
    layout = layout_of(data.schema, schema.task_names, schema.feature_names)
    if not data.rows[split]:
        raise ValueError(f"{data.folder}: the {split} part is empty; prepare again with another split")
    columns = data.columns(split, layout.columns)
    features = {name: columns[name] for name in layout.features}
    predicted = model.predict(features, batch_size=BATCH_SIZE, verbose=0)
    ones = np.ones(data.rows[split], np.float32)
    labels = {task: columns[task] for task in layout.masks}
    weights = {task: columns[mask] if mask else ones for task, mask in layout.masks.items()}
    labels, weights = model.prepare_labels(labels, weights)
    keys = columns[GROUP] if schema.group else np.arange(len(ones))
    distinct, units = np.unique(keys, return_inverse=True)
    tasks = {}
    for task in schema.tasks:
        weight = np.asarray(weights[task.name], np.float64).reshape(-1)
        predictions = np.asarray(predicted[task.name], np.float64)
        by_feature = task.kind == "ranking" and task.lists not in (None, GROUP)
        tasks[task.name] = ScoredTask(
            task,
            np.asarray(labels[task.name], np.float64).reshape(-1),
            predictions if task.outputs > 1 else predictions.reshape(-1),
            weight,
            units,
            columns[str(task.lists)] if by_feature else keys if schema.group else None,
            np.arange(len(ones)),
        ).only(weight != 0)
    return ScoredSplit(split, tasks, len(distinct), schema.group or ROW, features)
