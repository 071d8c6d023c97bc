"""The run folder: what `train` writes, and `evaluate` and `export` read.

- `config.json`: everything needed to run again, versions included
- `history.json`: the values after each epoch, `{name: [one an epoch]}`
- `gradients.json`: what the tasks' gradients were like (`GradientMonitor.story`), if `--monitor` was given
- `metrics.json`: the validation metrics of the kept epoch
- `metrics_test.json`: what `evaluate` found on the test part (`metrics_valid.json` on the valid part)
- `model.keras`: the model of the kept epoch
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tf_gradcraft.files.run_folder import CONFIG_FILE, MODEL_FILE

FORMAT = 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """What a training is started with.

    Args:
        prepared: The prepared folder.
        model: Name of the model, see `tf_gradcraft.models.names`.
        balancing: Name of the balancing method, see `tf_gradcraft.balancing.names`.
        balancing_settings: Its hyper-parameters.
        balance_over: What tasks are compared on, see `MultiTaskModel.compile`.
        balance_every: Steps from one comparison to the next.
        tasks: Names of the tasks, in order; None for all.
        epochs: Most epochs to train.
        patience: Epochs without a better mean validation AUC before training stops.
        batch_size: Rows a batch.
        learning_rate: Of LazyAdam.
        model_settings: Arguments of the model beside the schema.
        seed: Seed of the initial weights, of dropout and of the order of the rows.
        monitor_gradients: Whether the tasks' gradients are recorded.

    Raises:
        ValueError: If a number is out of range.

    Example:
        >>> TrainConfig(prepared="prepared", epochs=0)
        Traceback (most recent call last):
        ValueError: epochs must be at least 1, got 0
    """

    prepared: str
    model: str = "ple"
    balancing: str = "gradcraft"
    balancing_settings: dict[str, Any] = dataclasses.field(default_factory=dict)
    balance_over: str = "parameters"
    balance_every: int = 1
    tasks: list[str] | None = None
    epochs: int = 20
    patience: int = 3
    batch_size: int = 2048
    learning_rate: float = 1e-3
    model_settings: dict[str, Any] = dataclasses.field(default_factory=dict)
    seed: int = 0
    monitor_gradients: bool = False

    def __post_init__(self) -> None:
        for name, least in (("epochs", 1), ("patience", 0), ("batch_size", 1), ("balance_every", 1), ("seed", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if not (self.learning_rate > 0 and math.isfinite(self.learning_rate)):
            raise ValueError(f"learning_rate must be positive, got {self.learning_rate}")


@dataclasses.dataclass(frozen=True)
class Run:
    """A run folder that was read."""

    folder: Path
    config: TrainConfig

    @property
    def model_file(self) -> Path:
        """The saved model."""
        return self.folder / MODEL_FILE


def read_run(folder: str | Path) -> Run:
    """Reads a run folder.

    Raises:
        FileNotFoundError: If it does not exist or is no run folder.
        ValueError: If its configuration is damaged or of another format.
    """
    folder = Path(folder)
    path = folder / CONFIG_FILE
    if not path.is_file():
        raise FileNotFoundError(f"{folder} is no run folder: it holds no {CONFIG_FILE}; run `tf-gradcraft train` first")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        if config["format"] != FORMAT:
            raise ValueError(f"format {config['format']}, this version reads {FORMAT}")
        fields = {field.name for field in dataclasses.fields(TrainConfig)}
        run = Run(folder, TrainConfig(**{name: value for name, value in config.items() if name in fields}))
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{path} can't be read ({error}); train again with --overwrite") from error
    if not run.model_file.is_file():
        raise FileNotFoundError(f"{run.model_file} is missing; train again with --overwrite")
    return run


def check_place(folder: Path, overwrite: bool) -> None:
    """Refuses to write a run where something is that must not be replaced.

    Raises:
        FileExistsError: If the folder holds a run and `overwrite` is not set, or anything else.
    """
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not (folder / CONFIG_FILE).is_file():
        raise FileExistsError(f"{folder} exists and is no run folder (no {CONFIG_FILE}); choose another --out")
    if not overwrite:
        raise FileExistsError(f"{folder} holds a run already; pass --overwrite to replace it, or choose another --out")


@contextlib.contextmanager
def new_run(folder: Path, overwrite: bool) -> Iterator[Path]:
    """Gives a folder beside the place of a run, and moves it there when the block ends without an error.

    Raises:
        FileExistsError: See `check_place`.
    """
    from tf_gradcraft.data_pipelines.preparation.folder import move_into_place

    folder = Path(os.path.abspath(folder))
    check_place(folder, overwrite)
    beside = folder.parent / f".{folder.name}.{uuid.uuid4().hex[:8]}.partial"
    beside.mkdir(parents=True)
    try:
        yield beside
        move_into_place(beside, folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
