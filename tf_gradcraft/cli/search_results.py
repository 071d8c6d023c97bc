"""What a search leaves behind: its best trial as a run folder, a table of all trials, the Pareto report."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import keras_tuner

from tf_gradcraft.cli.runs import TrainConfig, new_run
from tf_gradcraft.cli.search_config import BEST_FOLDER, TRIALS_FOLDER, SearchConfig, parse_objective
from tf_gradcraft.cli.searching import hypermodel_of
from tf_gradcraft.cli.training import Trained, open_training, write_run
from tf_gradcraft.tuning import ParetoReport
from tf_gradcraft.tuning.method_axes import settings_of
from tf_gradcraft.tuning.trials import Trial

REPORT_FILE, TABLE_FILE = "pareto.html", "trials.csv"
_CHECKPOINT = "checkpoint.weights.h5"


def write_results(config: SearchConfig, folder: Path) -> tuple[Trial, ParetoReport]:
    """Writes the results of a search into its folder, and returns its best trial by the objective, and the report.

    Raises:
        ValueError: If no trial completed.
    """
    metric, _ = parse_objective(config.objective)
    report = ParetoReport.from_folder(folder / TRIALS_FOLDER, metric)
    report.table().to_csv(folder / TABLE_FILE, index=False)
    report.write(folder / REPORT_FILE, title=f"Search {folder.name}")
    best = max(report.trials, key=lambda trial: trial.score if math.isfinite(trial.score) else -math.inf)
    write_trial(config, folder, best, folder / BEST_FOLDER)
    return best, report


def train_config(config: SearchConfig, hypermodel: Any, trial: Trial) -> TrainConfig:
    """Returns the configuration that trains a trial's model anew."""
    values = trial.values
    return TrainConfig(
        prepared=config.prepared,
        model=values["architecture"],
        balancing=values["method"],
        balancing_settings=settings_of(values),
        balance_over=values["balance_over"],
        tasks=config.tasks,
        epochs=config.epochs,
        patience=config.patience,
        batch_size=values["batch_size"],
        learning_rate=values["learning_rate"],
        model_settings=hypermodel.constructor_settings(values),
        seed=config.seed,
    )


def write_trial(config: SearchConfig, folder: Path, trial: Trial, out: Path) -> None:
    """Writes a trial, with the weights of its best epoch, as a run folder; its history holds that epoch only."""
    hypermodel = hypermodel_of(config)
    hyperparameters = keras_tuner.HyperParameters()
    hyperparameters.values = dict(trial.values)
    model = hypermodel.build(hyperparameters)
    model.load_weights(folder / TRIALS_FOLDER / f"trial_{trial.name}" / _CHECKPOINT)
    job = open_training(train_config(config, hypermodel, trial))
    history = {name: [value] for name, value in trial.metrics.items()}
    metrics = {name.removeprefix("val_"): value for name, value in trial.metrics.items() if name.startswith("val_")}
    with new_run(out, overwrite=True) as run:
        write_run(run, job, Trained(model, history, trial.epoch, metrics, math.nan))
