"""Rows of a task with predictions, in which users have several rows and predictions tie."""

import numpy as np

from tf_gradcraft.data_pipelines.task import Task
from tf_gradcraft.run_report.scored_rows import ScoredTask


def scored_task(rows=400, users=60, seed=0, rate=0.3, weighted=False, levels=50):
    """A binary task; predictions have at most `levels` different values."""
    random = np.random.default_rng(seed)
    predictions = np.round(random.random(rows) * levels) / levels * 0.9 + 0.05
    labels = (random.random(rows) < np.clip(predictions * rate * 2, 0, 1)).astype(float)
    weights = random.choice([0.5, 1.0, 2.0], rows) if weighted else np.ones(rows)
    units = random.integers(0, users, rows)
    return ScoredTask(Task(name="click"), labels, predictions, weights, units, None, np.arange(rows))
