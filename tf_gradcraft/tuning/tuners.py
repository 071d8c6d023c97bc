"""KerasTuner's tuners by name, made to be stopped and called again."""

from __future__ import annotations

import contextlib
import gc
import io
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import keras_tuner

from tf_gradcraft.suggestions import unknown_name
from tf_gradcraft.tuning.oracles import BayesianOracle, GridOracle, HyperbandOracle, RandomOracle

KINDS = ("random", "hyperband", "bayesian", "grid")
Listener = Callable[[Any, Any, float], None]

_IDLE_SECONDS = 0.1


class _Searching:
    """What all our tuners do beside KerasTuner's work: give memory back, and tell who listens of each trial."""

    listener: Listener | None = None
    oracle: Any

    def pre_create_trial(self) -> None:
        """Waits a moment: KerasTuner asks again and again while trials of other workers must end first."""
        time.sleep(_IDLE_SECONDS)

    def on_trial_begin(self, trial: Any) -> None:
        """Takes the time."""
        super().on_trial_begin(trial)  # type: ignore[misc]
        self._start = time.perf_counter()

    def on_trial_end(self, trial: Any) -> None:
        """Reports the trial, and lets go of its model."""
        super().on_trial_end(trial)  # type: ignore[misc]
        keras.backend.clear_session(free_memory=True)
        gc.collect()
        if self.listener is not None:
            ended = self.oracle.get_trial(trial.trial_id)
            ended.message = trial.message  # does not come back from a chief
            best = next(iter(self.oracle.get_best_trials(1)), None)
            self.listener(ended, best, time.perf_counter() - self._start)


class _Tuner(_Searching, keras_tuner.Tuner):
    """Any tuner that runs each trial from the start."""


class _Hyperband(_Searching, keras_tuner.Hyperband):
    """Trains the best trials further, from their best weights."""

    def __init__(self, oracle: Any, hypermodel: Any, **kwargs: Any) -> None:
        # KerasTuner's constructor makes an oracle of its own.
        keras_tuner.Tuner.__init__(self, oracle=oracle, hypermodel=hypermodel, **kwargs)


def make_tuner(
    kind: str,
    hypermodel: Any,
    folder: str | Path,
    *,
    max_trials: int,
    objective: Any = None,
    max_epochs: int = 20,
    factor: int = 3,
    seed: int = 0,
    listener: Listener | None = None,
    **kwargs: Any,
) -> Any:
    """Returns a tuner of KerasTuner over a folder; a search that the folder holds is gone on with.

    It differs from what `keras_tuner.Hyperband(...)` and its like return in four things: the first trial has the
    default values; a search can be killed at any moment, and called again with or without workers, without losing or
    repeating a trial that ended; memory is given back after each trial; Hyperband ends after `max_trials`. In a process
    that KerasTuner's environment variables make a chief or a worker, it is one.

    Args:
        kind: `"random"`, `"hyperband"`, `"bayesian"` or `"grid"`.
        hypermodel: A `MultiTaskHyperModel`, another `keras_tuner.HyperModel`, or a function from `hp` to a compiled
            model.
        folder: Where the search is kept; workers need to see the same folder.
        max_trials: Number of trials after which it ends. To add trials to a search, call again with more.
        objective: A `TaskObjective` or what else KerasTuner takes; by default that of the hypermodel.
        max_epochs: Hyperband: epochs of the trials that come farthest.
        factor: Hyperband: one in so many trials of a round comes to the next, which trains so many times as long.
        seed: Seed of the search.
        listener: Called after each trial with it, the best one so far, and the seconds that it took.
        **kwargs: Further arguments of `keras_tuner.Tuner`.

    Raises:
        ValueError: If the kind is not known, or there is no objective.

    Example:
        >>> import tempfile
        >>> def build(hp):
        ...     model = keras.Sequential([keras.Input([1]), keras.layers.Dense(hp.Choice("units", [1, 2]))])
        ...     model.compile("sgd", "mse")
        ...     return model
        >>> tuner = make_tuner("grid", build, tempfile.mkdtemp(), max_trials=2, objective="val_loss")
        >>> tuner.search([[0.0]], [[1.0]], validation_data=([[0.0]], [[1.0]]), verbose=0)
        >>> [trial.hyperparameters.values["units"] for trial in tuner.oracle.trials.values()]
        [1, 2]
    """
    if kind not in KINDS:
        raise ValueError(unknown_name("tuner", kind, KINDS))
    objective = getattr(hypermodel, "objective", None) if objective is None else objective
    if objective is None:
        raise ValueError("make_tuner: give an objective, such as tf_gradcraft.tuning.mean_auc()")
    # KerasTuner takes a seed of 0 for none.
    common: dict[str, Any] = {"objective": objective, "seed": seed + 1}
    oracle: Any
    if kind == "hyperband":
        oracle = HyperbandOracle(max_epochs=max_epochs, factor=factor, hyperband_iterations=None, **common)
        oracle.max_trials = max_trials
    else:
        made = {"random": RandomOracle, "bayesian": BayesianOracle, "grid": GridOracle}[kind]
        oracle = made(max_trials=max_trials, **common)
    oracle.verbose = 0
    folder = Path(folder).resolve()
    _leave_mark(folder)
    place = {"directory": str(folder.parent), "project_name": folder.name}
    with contextlib.redirect_stdout(io.StringIO()):  # KerasTuner prints that it reloads
        tuner = (_Hyperband if kind == "hyperband" else _Tuner)(oracle=oracle, hypermodel=hypermodel, **place, **kwargs)
    tuner.listener = listener
    return tuner


def _leave_mark(folder: Path) -> None:
    """Leaves the file by which KerasTuner tells that there is a search to go on with.

    It has one by process name, written after the first trial; without it a search that was killed early, or is gone on
    with by another number of workers, would start again. A worker need not know the space at all.
    """
    name = os.environ.get("KERASTUNER_TUNER_ID", "tuner0")
    is_worker = "KERASTUNER_ORACLE_IP" in os.environ and "chief" not in name
    if is_worker or (folder / "oracle.json").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.json").write_text("{}", encoding="utf-8")
