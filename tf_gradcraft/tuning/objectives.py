"""What a search makes as large as it can: mean AUC, mean group AUC, or tasks by weight."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import keras
import keras_tuner

from tf_gradcraft.tuning.directions import is_smaller_better


class TaskObjective(keras_tuner.Objective):
    r"""A weighted mean of the tasks' validation metrics, $\sum_t w_t m_t / \sum_t |w_t|$, to be made large.

    Metrics of which smaller values are better (errors, losses) count negatively. An epoch whose value is not finite
    is never the best.

    Args:
        name: The name of the value in a trial.
        terms: `{name in the logs: weight}`; None if the logs hold `name` itself.

    Example:
        >>> objective = task_weights({"click": 1, "like": 3})
        >>> round(objective.get_value({"val_click_auc": 0.6, "val_like_auc": 0.8}), 3)
        0.75
    """

    def __init__(self, name: str, terms: Mapping[str, float] | None = None) -> None:
        super().__init__(name, "max")
        self.terms = None if terms is None else dict(terms)

    def has_value(self, logs: Mapping[str, float]) -> bool:
        """Returns whether the value can be computed from logs."""
        return all(name in logs for name in self.terms or (self.name,))

    def get_value(self, logs: Mapping[str, float]) -> float:
        """Returns the value in logs.

        Raises:
            ValueError: If the logs lack a metric; the message says which ones they have.
        """
        if not self.has_value(logs):
            wanted = [name for name in self.terms or (self.name,) if name not in logs]
            there = sorted(name for name in logs if name.startswith("val_"))
            raise ValueError(
                f"objective {self.name}: the logs have no {', '.join(wanted)}, only {', '.join(there) or 'nothing'}; "
                "is there validation data, and are the tasks' metrics compiled?"
            )
        if self.terms is None:
            return logs[self.name]
        total = sum(weight * (-1 if is_smaller_better(of) else 1) * logs[of] for of, weight in self.terms.items())
        return total / sum(abs(weight) for weight in self.terms.values())

    def better_than(self, a: float, b: float) -> bool:
        """Returns whether the first value is better; one that is not finite never is."""
        return math.isfinite(a) and (not math.isfinite(b) or a > b)


def mean_auc() -> TaskObjective:
    """Returns the mean of the binary tasks' validation AUC, `val_auc_mean`.

    Example:
        >>> mean_auc().name
        'val_auc_mean'
    """
    return TaskObjective("val_auc_mean")


def mean_gauc() -> TaskObjective:
    """Returns the mean of the binary tasks' validation group AUC, `val_gauc_mean`.

    Example:
        >>> mean_gauc().name
        'val_gauc_mean'
    """
    return TaskObjective("val_gauc_mean")


def task_weights(weights: Mapping[str, float], metric: str | Mapping[str, str] = "auc") -> TaskObjective:
    """Returns a weighted mean of the tasks' validation metrics, `val_weighted`.

    Args:
        weights: `{task: weight}`; tasks that are not named do not count.
        metric: Name of the metric, or `{task: name}` where they differ (`"auc"` for tasks that are not named).

    Raises:
        ValueError: If there is no weight, or one is not positive.

    Example:
        >>> task_weights({"click": 1, "rating": 0.5}, metric={"rating": "rmse"}).terms
        {'val_click_auc': 1, 'val_rating_rmse': 0.5}
    """
    if not weights or not all(0 < weight < math.inf for weight in weights.values()):
        raise ValueError(f"task_weights: give each task that counts a positive weight, got {dict(weights)}")
    of = {task: metric if isinstance(metric, str) else metric.get(task, "auc") for task in weights}
    return TaskObjective("val_weighted", {f"val_{task}_{of[task]}": weight for task, weight in weights.items()})


class ObjectiveLog(keras.callbacks.Callback):
    """Writes the objective's value into the logs of each epoch, for the callbacks after it, such as `EarlyStopping`.

    Holds no more than the objective, so that KerasTuner can copy it for each trial.

    Args:
        objective: A `TaskObjective`.
    """

    def __init__(self, objective: TaskObjective) -> None:
        super().__init__()
        self.objective = objective

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """See Keras."""
        if logs is not None:
            logs[self.objective.name] = self.objective.get_value(logs)
