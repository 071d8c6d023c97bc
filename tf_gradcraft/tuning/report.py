"""The Pareto report: what each task gains and loses over the trials of a search."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tf_gradcraft.suggestions import unknown_name
from tf_gradcraft.tuning.directions import is_smaller_better
from tf_gradcraft.tuning.pareto import hypervolume, hypervolumes, non_dominated
from tf_gradcraft.tuning.trials import Trial, read_trials, trial_from_state

if TYPE_CHECKING:
    import pandas as pd

METRICS = ("auc", "gauc", "ndcg_at_10", "accuracy", "rmse", "mae", "log_loss", "loss")
"""Metrics of a task, in the order in which one is taken to judge it."""

CHANCE = 0.5


class ParetoReport:
    """Trials of a search by their tasks' validation metrics.

    Args:
        trials: The trials; those that did not complete are left out.
        metric: The metric to look at, `"auc"` or `"gauc"`; a task that lacks it is looked at by the first of `METRICS`
            that it has.
        tasks: Names of tasks, in order; by default all that have a validation loss.

    Attributes:
        trials: The completed trials.
        metrics: `{task: name of its metric}`.
        values: float64 [trials, tasks].
        front: bool [trials], which trials no other one dominates.
        reference: float64 [tasks], the corner that the hypervolume is measured from: 0.5, chance, for AUC and group
            AUC, and for other metrics the worst value of any trial.

    Raises:
        ValueError: If no trial completed, or a task is not known.

    Example:
        >>> metrics = [{"val_a_loss": 1, "val_a_auc": a, "val_b_loss": 1, "val_b_auc": b}
        ...            for a, b in [(0.7, 0.6), (0.6, 0.8), (0.6, 0.5)]]
        >>> trials = [Trial(str(at), "COMPLETED", {"tau": at / 10}, 1, 0.6, of) for at, of in enumerate(metrics)]
        >>> report = ParetoReport(trials)
        >>> report.front.tolist(), round(report.hypervolume, 3)
        ([True, True, False], 0.04)
        >>> report.pick({"a": 1, "b": 0.1}).values
        {'tau': 0.0}
    """

    def __init__(self, trials: Sequence[Trial], metric: str = "auc", tasks: Sequence[str] | None = None) -> None:
        self.trials = [trial for trial in trials if trial.status == "COMPLETED"]
        if not self.trials:
            raise ValueError(f"none of {len(trials)} trials completed, so there is nothing to report")
        self.metrics = _metrics_of(self.trials, metric, tasks)
        self.values = np.array(
            [
                [trial.metrics.get(f"val_{task}_{of}", np.nan) for task, of in self.metrics.items()]
                for trial in self.trials
            ]
        )
        self._signs = np.array([-1.0 if is_smaller_better(of) else 1.0 for of in self.metrics.values()])
        self.front: np.ndarray = non_dominated(self._signs * self.values)
        worst = np.nanmin(self._signs * self.values, axis=0) * self._signs
        by_chance = [of in ("auc", "gauc") for of in self.metrics.values()]
        self.reference: np.ndarray = np.where(by_chance, CHANCE, worst)

    @classmethod
    def from_tuner(cls, tuner: Any, metric: str = "auc", tasks: Sequence[str] | None = None) -> ParetoReport:
        """Returns the report on a tuner of KerasTuner, after its search."""
        trials = [trial_from_state(trial.get_state()) for _, trial in sorted(tuner.oracle.trials.items())]
        return cls(trials, metric, tasks)

    @classmethod
    def from_folder(cls, folder: str | Path, metric: str = "auc", tasks: Sequence[str] | None = None) -> ParetoReport:
        """Returns the report on the folder of a search, which may still go on.

        Raises:
            FileNotFoundError: If it holds no trial.
        """
        return cls(read_trials(folder), metric, tasks)

    @property
    def hypervolume(self) -> float:
        """Volume that the trials dominate, see `tf_gradcraft.tuning.hypervolume`."""
        return hypervolume(self._signs * self.values, self._signs * self.reference)

    @property
    def hypervolumes(self) -> np.ndarray:
        """The hypervolume after the first, second, ... trial, float64 [trials]."""
        return hypervolumes(self._signs * self.values, self._signs * self.reference)

    def table(self) -> pd.DataFrame:
        """Returns one row a trial: id, whether it is on the front, epoch, score, hyper-parameters, validation metrics.

        A hyper-parameter that is not active in a trial is missing there.
        """
        import pandas as pd

        rows = [
            {"trial": trial.name, "front": bool(on_front), "epoch": trial.epoch, "score": trial.score}
            | trial.values
            | {name: value for name, value in trial.metrics.items() if name.startswith("val_")}
            for trial, on_front in zip(self.trials, self.front, strict=True)
        ]
        return pd.DataFrame(rows)

    def pick(self, weights: Mapping[str, float]) -> Trial:
        """Returns the trial with the largest weighted mean of the tasks' metrics.

        Metrics are weighed as they are; where tasks have different ones, each is first scaled to [0, 1] over the
        trials on the front. Errors count negatively. With positive weights for all tasks, it is a trial on the front.

        Args:
            weights: `{task: weight}`; tasks that are not named do not count.

        Raises:
            ValueError: If a task is not known, or no weight is positive.
        """
        for task in weights:
            if task not in self.metrics:
                raise ValueError(unknown_name("task", task, self.metrics))
        numbers = np.array([weights.get(task, 0.0) for task in self.metrics])
        if (numbers < 0).any() or not numbers.any():
            raise ValueError(f"pick: weights are not negative and one is positive, got {dict(weights)}")
        gains = self._signs * self.values
        if len(set(self.metrics.values())) > 1:
            low, high = gains[self.front].min(axis=0), gains[self.front].max(axis=0)
            gains = (gains - low) / np.where(high > low, high - low, 1.0)
        scores = np.where(np.isnan(gains).any(axis=1), -np.inf, np.nan_to_num(gains) @ numbers)
        # Of equal ones one that is not dominated: a task of weight 0 may differ.
        return self.trials[int(np.lexsort((~self.front, -scores))[0])]

    def write(self, path: str | Path, title: str = "Search") -> Path:
        """Writes the report as a page of HTML, and returns its path."""
        from tf_gradcraft.tuning.report_page import report_page

        return report_page(self, title).write(path)


def _metrics_of(trials: Sequence[Trial], metric: str, tasks: Sequence[str] | None) -> dict[str, str]:
    """Returns the name of the metric of each task."""
    if metric not in METRICS:
        raise ValueError(unknown_name("metric", metric, METRICS))
    logged = trials[0].metrics
    known = [match[1] for name in logged if (match := re.fullmatch("val_(.+)_loss", name))]
    known = [
        task for task in known if not any(task == f"{other}_log" for other in known)
    ]  # a_log_loss is a metric of a
    found = {}
    for task in known if tasks is None else tasks:
        if task not in known:
            raise ValueError(unknown_name("task", task, known))
        found[task] = next(name for name in (metric, *METRICS) if f"val_{task}_{name}" in logged)
    if not found:
        raise ValueError("the trials hold no val_<task>_loss, so there is no task to report on; give validation data")
    return found
