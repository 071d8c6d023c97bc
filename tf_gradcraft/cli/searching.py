"""Running a search: hypermodel and tuner of a configuration, and a line on stderr after each trial."""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import Any

from tf_gradcraft import tuning
from tf_gradcraft.cli.console import errors
from tf_gradcraft.cli.runs import TrainConfig
from tf_gradcraft.cli.search_config import TRIALS_FOLDER, SearchConfig, parse_objective
from tf_gradcraft.cli.training import open_training
from tf_gradcraft.data_pipelines import Schema
from tf_gradcraft.suggestions import unknown_name


def objective_of(text: str, schema: Schema) -> tuning.TaskObjective:
    """Returns the objective that a text names, for the tasks of a schema.

    Raises:
        ValueError: If a task is not known, or has no AUC.
    """
    metric, weights = parse_objective(text)
    binary = [task.name for task in schema.tasks if task.kind == "binary"]
    for task in weights:
        if task not in binary:
            raise ValueError("--objective: " + unknown_name("binary task", task, binary))
    if weights:
        return tuning.task_weights(weights, metric)
    if not binary:
        raise ValueError(f"--objective {text}: none of the tasks {', '.join(schema.task_names)} is binary")
    if metric == "gauc" and schema.group is None:
        raise ValueError("--objective gauc: the prepared folder has no group")
    if len(binary) == 1:
        return tuning.TaskObjective(f"val_{binary[0]}_{metric}")
    return tuning.mean_auc() if metric == "auc" else tuning.mean_gauc()


def hypermodel_of(config: SearchConfig) -> tuning.MultiTaskHyperModel:
    """Returns the hypermodel of a search, after looking whether its data can be validated on.

    Raises:
        FileNotFoundError: If the prepared folder is not there.
        ValueError: If a name is not known, or a validation AUC is not defined.
    """
    job = open_training(TrainConfig(prepared=config.prepared, tasks=config.tasks, balancing="sum"))
    return tuning.MultiTaskHyperModel(
        job.data,
        objective=objective_of(config.objective, job.schema),
        tasks=config.tasks,
        epochs=config.epochs,
        patience=config.patience,
        seed=config.seed,
        **config.axes(),
    )


def tuner_of(config: SearchConfig, folder: Path) -> Any:
    """Returns the tuner of a search over its folder."""
    return tuning.make_tuner(
        config.tuner,
        hypermodel_of(config),
        folder / TRIALS_FOLDER,
        max_trials=config.trials,
        max_epochs=config.epochs,
        factor=config.factor,
        seed=config.seed,
        listener=TrialLines(config.trials),
    )


def search(config: SearchConfig, folder: Path) -> None:
    """Runs what is left of a search; in a process that is a chief or a worker, its part of it.

    Raises:
        ValueError: If several trials fail one after another.
    """
    # A search traces as many graphs as it has trials; TensorFlow warns of them as if they were one that is traced anew.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    try:
        tuner_of(config, folder).search()
    except RuntimeError as error:
        # KerasTuner's text holds the traceback of the last failure; its last line says what went wrong.
        lines = [line for line in str(error).splitlines() if line.strip()]
        raise ValueError(f"{lines[0]} The last one: {lines[-1]}") from error


class TrialLines:
    """Writes a line on stderr after each trial: number, objective, what was tried, seconds.

    Args:
        trials: Number of trials of the search.
    """

    def __init__(self, trials: int) -> None:
        self._trials = trials

    def __call__(self, trial: Any, best: Any, seconds: float) -> None:
        """See `tuning.make_tuner`."""
        parts = [f"trial {int(trial.trial_id) + 1}/{self._trials}"]
        if trial.status == "COMPLETED" and trial.score is not None and math.isfinite(trial.score):
            parts.append(f"objective {trial.score:.4f}")
        else:
            reason = [line for line in (trial.message or "").splitlines() if line.strip()]
            parts.append(f"failed: {reason[-1] if reason else 'its objective was not finite'}")
        parts += [f"{name} {_shown(value)}" for name, value in searched(trial.hyperparameters).items()]
        parts.append(f"{seconds:.1f} s")
        if best is not None and best.trial_id == trial.trial_id:
            parts.append("best so far")
        errors.print("  ".join(parts), soft_wrap=True, markup=False)


def searched(hyperparameters: Any) -> dict[str, Any]:
    """Returns the values of a trial that are not the same in all trials; of Hyperband's plan only the epochs."""
    fixed = {of.name for of in hyperparameters.space if type(of).__name__ == "Fixed"}
    hidden = ("tuner/trial_id", "tuner/initial_epoch", "tuner/bracket", "tuner/round")
    values = {name: value for name, value in hyperparameters.values.items() if name not in fixed and name not in hidden}
    return {name.removeprefix("tuner/"): value for name, value in values.items()}


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
