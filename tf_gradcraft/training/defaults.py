"""What `compile` takes for a task when nothing is given."""

from __future__ import annotations

import keras

from tf_gradcraft.metrics import AUC, GAUC
from tf_gradcraft.metrics.exact import ExactMetric
from tf_gradcraft.training.losses import TaskCrossentropy


def default_loss(task: str) -> keras.losses.Loss:
    """Returns the loss of a binary task: crossentropy, averaged over the labelled rows."""
    return TaskCrossentropy(task)


def default_metrics(group: str | None) -> list[ExactMetric]:
    """Returns the metrics of a binary task: exact AUC, and group AUC if a batch has the column `group`."""
    return [AUC(), GAUC(group)] if group else [AUC()]
