"""Training one model as a configuration says, and writing its run folder."""

from __future__ import annotations

import dataclasses
import inspect
import math
import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import tf_gradcraft
from tf_gradcraft import balancing, models, optimizers
from tf_gradcraft.callbacks import GradientMonitor
from tf_gradcraft.cli.epochs import EpochLines
from tf_gradcraft.cli.runs import FORMAT, TrainConfig
from tf_gradcraft.data_pipelines import PreparedData, Schema
from tf_gradcraft.files.json_files import write_json
from tf_gradcraft.files.run_folder import CONFIG_FILE, GRADIENTS_FILE, HISTORY_FILE, METRICS_FILE, MODEL_FILE
from tf_gradcraft.models.backbones import BACKBONES
from tf_gradcraft.suggestions import unknown_name
from tf_gradcraft.training.balancing_arguments import BALANCE_OVER


@dataclasses.dataclass(frozen=True)
class Job:
    """A training whose every name was checked: configuration, data, schema of the chosen tasks, class, balancer."""

    config: TrainConfig
    data: PreparedData
    schema: Schema
    model_class: Any
    balancer: balancing.Balancer

    @property
    def monitor(self) -> str:
        """Name of the value that decides which epoch is kept: the mean AUC of the binary tasks; else the loss."""
        binary = [task.name for task in self.schema.tasks if task.kind == "binary"]
        if not binary:
            return "val_loss"
        return "val_auc_mean" if len(binary) > 1 else f"val_{binary[0]}_auc"

    @property
    def mode(self) -> str:
        """Whether `monitor` is best when it is largest, `"max"`, or smallest, `"min"`."""
        return "min" if self.monitor == "val_loss" else "max"


@dataclasses.dataclass(frozen=True)
class Trained:
    """A trained model with the weights of its best epoch (from 1), the history, its validation metrics, and seconds.

    `gradients` is the record of the tasks' gradients, or None.
    """

    model: Any
    history: dict[str, list[float]]
    epoch: int
    metrics: dict[str, float]
    seconds: float
    gradients: dict[str, Any] | None = None


def open_training(config: TrainConfig) -> Job:
    """Checks all names of a configuration and opens the prepared folder, without loading its rows.

    Raises:
        FileNotFoundError: If the folder does not exist.
        ValueError: If a model, method, hyper-parameter or task is not known, or a validation AUC would be undefined.
    """
    model_class = models.get(config.model)
    arguments = inspect.signature(model_class.__init__).parameters.values()
    if needed := [a.name for a in arguments if a.kind is a.KEYWORD_ONLY and a.default is a.empty]:
        raise ValueError(
            f"model {config.model!r} needs {', '.join(needed)}, which the command line does not set: train it in "
            f"Python with tf_gradcraft.models.{model_class.__name__}"
        )
    try:
        balancer = balancing.get(config.balancing, **config.balancing_settings)
    except TypeError as error:
        raise ValueError(f"balancing {config.balancing!r}: a --set has a value of the wrong type ({error})") from error
    backbone = config.model_settings.get("backbone", BACKBONES[0])
    if backbone not in BACKBONES:
        raise ValueError(unknown_name("backbone", backbone, BACKBONES))
    if config.balance_over not in BALANCE_OVER:
        raise ValueError(unknown_name("balance_over", config.balance_over, BALANCE_OVER))
    data = PreparedData(config.prepared)
    schema = data.schema.select(tasks=config.tasks)
    balancer.for_tasks(schema.task_names)
    for task in (task.name for task in schema.tasks if task.kind == "binary"):
        if (rate := data.manifest["label_rates"]["valid"][task]) in (0, 1):
            raise ValueError(
                f"{data.folder}: all labels of {task!r} in the valid part are {rate:.0f}, so its AUC is not defined; "
                "leave it out with --tasks, or prepare another split"
            )
    return Job(config, data, schema, model_class, balancer)


def train_model(job: Job, callbacks: Sequence[keras.callbacks.Callback] = ()) -> Trained:
    """Trains with LazyAdam until the job's monitor on the valid part gets no better; returns the best epoch's model.

    Args:
        job: What is trained.
        callbacks: Further callbacks of `fit`.
    """
    config = job.config
    keras.utils.set_random_seed(config.seed)
    train, valid, _ = job.data.load(config.batch_size, seed=config.seed, tasks=job.schema.task_names)
    model = job.model_class(job.schema, **config.model_settings)
    several = len(job.schema.tasks) > 1
    model.compile(
        optimizer=optimizers.LazyAdam(config.learning_rate),
        balancing=job.balancer if several else None,
        balance_over=config.balance_over,
        balance_every=config.balance_every,
    )
    stopping = keras.callbacks.EarlyStopping(
        monitor=job.monitor, mode=job.mode, patience=config.patience, restore_best_weights=True
    )
    # A single task has no other to be compared with.
    monitor = GradientMonitor(warn=False) if config.monitor_gradients and several else None
    start = time.perf_counter()
    fitted = model.fit(
        train,
        validation_data=valid,
        epochs=config.epochs,
        verbose=0,
        callbacks=[*([monitor] if monitor else []), stopping, EpochLines(job.monitor, job.mode), *callbacks],
    )
    seconds = time.perf_counter() - start
    history = {name: [float(value) for value in values] for name, values in fitted.history.items()}
    values = history[job.monitor]
    if not any(map(math.isfinite, values)):
        raise ValueError(f"{job.monitor} was not finite in any epoch; look for NaN, or lower --learning-rate")
    best = int((np.nanargmax if job.mode == "max" else np.nanargmin)(values))
    metrics = {name.removeprefix("val_"): of[best] for name, of in history.items() if name.startswith("val_")}
    return Trained(model, history, best + 1, metrics, seconds, monitor.story() if monitor else None)


def write_run(folder: Path, job: Job, trained: Trained) -> None:
    """Writes the files of a run into a folder, see `tf_gradcraft.cli.runs`."""
    manifest = job.data.manifest
    config = {
        "format": FORMAT,
        **dataclasses.asdict(job.config),
        "optimizer": trained.model.optimizer.get_config(),
        "monitor": job.monitor,
        "data": {name: manifest[name] for name in ("dataset", "arguments", "inputs", "rows")},
        "versions": versions(),
    }
    write_json(folder / CONFIG_FILE, config)
    write_json(folder / HISTORY_FILE, trained.history)
    described = {"split": "valid", "epoch": trained.epoch, "seconds": round(trained.seconds, 2)}
    if trained.gradients is not None:
        write_json(folder / GRADIENTS_FILE, trained.gradients)
    write_json(folder / METRICS_FILE, {**described, "metrics": trained.metrics})
    trained.model.save(folder / MODEL_FILE)


def versions() -> dict[str, str]:
    """Returns the versions of what a training depends on.

    Example:
        >>> sorted(versions())
        ['keras', 'numpy', 'python', 'tensorflow', 'tf_gradcraft']
    """
    modules = {"tf_gradcraft": tf_gradcraft, "tensorflow": tf, "keras": keras, "numpy": np}
    return {name: module.__version__ for name, module in modules.items()} | {"python": platform.python_version()}
