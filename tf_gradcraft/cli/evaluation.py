"""Evaluating a trained model on a part of a prepared folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tf_gradcraft.data_pipelines import PreparedData

BATCH_SIZE = 8192


def open_data(model: Any, folder: Path) -> PreparedData:
    """Opens a prepared folder and checks that its ids mean what they meant when the model was trained.

    Raises:
        FileNotFoundError: If the folder is not there.
        ValueError: If it was prepared otherwise: another schema, or other vocabularies.
    """
    try:
        data = PreparedData(folder)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{error}; if it was moved, say where with --prepared") from error
    trained, found = model.schema, data.schema
    remedy = "give the folder of the training with --prepared, or train again"
    if trained.features != found.features or not set(trained.tasks) <= set(found.tasks):
        raise ValueError(f"{folder} has other features or tasks than the run was trained on; {remedy}")
    for name, vocabulary in trained.vocabularies.items():
        if not np.array_equal(vocabulary.values, found.vocabularies[name].values):
            raise ValueError(f"{folder} has another vocabulary of {name!r} than the run was trained on; {remedy}")
    return data


def evaluate_model(model: Any, data: PreparedData, split: str) -> dict[str, float]:
    """Returns the metrics of a model on a split: `<task>_auc`, `<task>_gauc` or others by kind, means and losses."""
    _, valid, test = data.load(BATCH_SIZE, tasks=model.schema.task_names, features=model.schema.feature_names)
    values = model.evaluate({"valid": valid, "test": test}[split], verbose=0, return_dict=True)
    return {name: float(value) for name, value in values.items()}
