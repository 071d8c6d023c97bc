"""The callback that records what the task gradients of a training are like."""

from __future__ import annotations

import json
import math
import re
import warnings
from pathlib import Path
from typing import Any

import keras

from tf_gradcraft.callbacks.gradient_page import write_page, write_picture
from tf_gradcraft.callbacks.record import FORMAT, Record
from tf_gradcraft.callbacks.tensorboard import TensorBoardLog
from tf_gradcraft.keras_stack import require_keras_3
from tf_gradcraft.training.telemetry import Telemetry

require_keras_3("tf_gradcraft.callbacks.GradientMonitor")


class GradientMonitor(keras.callbacks.Callback):
    """Records the task gradients of a `MultiTaskModel`: norms, cosines, conflicts, weights and gates.

    Give it to `fit` of a compiled model, whatever its balancing. Every n-th step is noted inside the compiled step, and
    fetched at the end of the epoch; training is the same with and without it. Where the method looks at gradients
    itself, its own Gram matrices are noted. For the plain sum and for methods that look at losses only, the noted steps
    measure the task gradients beside the step: by the shared representation if the model marks one with
    `tf_gradcraft.SharedRepresentation`, else by the shared variables.

    After an epoch the logs, and so `History`, have `gradient_norm_<task>` and `gradient_weight_<task>` (means over the
    noted steps), `gradient_conflict` (share of the pairs of tasks that point against each other) and
    `gradient_residual_conflict` (share of the tasks that the balanced update points against). In an epoch of which no
    step was noted, the values of the epoch before stand again.

    A copy (`copy.deepcopy`) is a new monitor with the same settings and no record.

    Args:
        every: n, in steps. By default 10; where gradients are measured beside the step 100 by the representation, and
            50 times the number of tasks by the variables. Of an epoch at most 100 steps are noted.
        log_dir: Where TensorBoard looks for its files; None: nothing is written.
        warn: Whether to warn of alerts at the end of `fit`, each once.

    Raises:
        ValueError: If `every` is not positive.

    Example:
        >>> import numpy as np, tf_gradcraft as gc
        >>> inputs = keras.Input((4,))
        >>> hidden = keras.layers.Dense(8)(inputs)
        >>> outputs = {task: keras.layers.Dense(1, activation="sigmoid")(hidden) for task in ("click", "like")}
        >>> model = gc.MultiTaskModel(inputs=inputs, outputs=outputs)
        >>> model.compile("adam", loss=dict.fromkeys(outputs, "binary_crossentropy"), balancing="gradcraft")
        >>> labels = {task: np.arange(8) % 2 for task in outputs}
        >>> monitor = GradientMonitor()
        >>> history = model.fit(np.ones([8, 4]), labels, callbacks=[monitor], verbose=0).history
        >>> sorted(history)[3:7]
        ['gradient_norm_like', 'gradient_residual_conflict', 'gradient_weight_click', 'gradient_weight_like']
        >>> monitor.story()["tasks"]
        ['click', 'like']
    """

    # Reads at the end of epochs only: Keras need not wait for each step.
    async_safe = True

    def __init__(self, every: int | None = None, log_dir: str | Path | None = None, warn: bool = True) -> None:
        super().__init__()
        if every is not None and (not isinstance(every, int) or every < 1):
            raise ValueError(f"GradientMonitor: every={every!r} must be a whole number of steps, 1 or more")
        self.every, self.log_dir, self.warn = every, log_dir, warn
        self._forget()

    def _forget(self) -> None:
        self._telemetry = Telemetry(self.every)
        self._record: Record | None = None
        self._log: TensorBoardLog | None = None
        self._steps_before = 0
        self._warned: set[str] = set()

    def __deepcopy__(self, memo: dict) -> GradientMonitor:
        """Returns a new monitor with the same settings: KerasTuner copies callbacks for each trial."""
        return type(self)(self.every, self.log_dir, self.warn)

    def telemetry_for(self, model: Any) -> Telemetry:
        """Returns what notes the steps of a model; called by its `fit`. With another model the record begins anew."""
        if self.model is not None and self.model is not model:
            self._forget()
        return self._telemetry

    def on_train_begin(self, logs: Any = None) -> None:
        """See Keras."""
        if getattr(self.model, "telemetry", None) is not self._telemetry:
            raise TypeError(
                "GradientMonitor records a tf_gradcraft.MultiTaskModel, in its fit(); the model is a "
                f"{type(self.model).__name__}"
            )
        if self.log_dir is not None and self._log is None:
            self._log = TensorBoardLog(self.log_dir)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """See Keras; what is kept of the steps is spread over the epoch, if its length is known."""
        before, self._steps_before = self._steps_before, self._telemetry.steps
        self._telemetry.spread(self.params.get("steps") or self._steps_before - before)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """See Keras; reads what was noted."""
        logs = {} if logs is None else logs
        noted, layout = self._telemetry.read(), self._telemetry.layout
        if noted and layout is not None:
            if self._record is None or self._record.layout != layout:
                balancer = self.model.balancing
                self._record = Record(layout, "sum" if balancer is None else type(balancer).__name__)
            losses = [float(logs.get(f"{task}_loss", math.nan)) for task in layout.tasks]
            total = self._record.add(noted, losses)
            if self._log is not None:
                self._log.write(layout.tasks, noted["step"].tolist(), total, self._record.last_epoch)
        if self._record is not None:
            logs.update(self._values())

    def _values(self) -> dict[str, float]:
        assert self._record is not None
        last, tasks = self._record.last_epoch, self._record.layout.tasks
        values = {f"gradient_norm_{task}": value for task, value in zip(tasks, last["norms"], strict=True)}
        values |= {f"gradient_weight_{task}": value for task, value in zip(tasks, last["weights"], strict=True)}
        values["gradient_conflict"] = last["conflict"]
        values["gradient_residual_conflict"] = last["residual_conflict"]
        return values

    def on_train_end(self, logs: Any = None) -> None:
        """See Keras; warns of what is new among the alerts."""
        if self._log is not None:
            self._log.close()
            self._log = None
        if not self.warn:
            return
        if new := [text for text in self.alerts() if _without_numbers(text) not in self._warned]:
            self._warned.update(map(_without_numbers, new))
            warnings.warn("GradientMonitor: " + "; ".join(new), stacklevel=2)

    def story(self) -> dict[str, Any]:
        """Returns the record as plain JSON.

        Returns:
            A dict with `"balancing"` (the method, or `"sum"`), `"over"` (`"parameters"` or `"representation"`),
            `"tasks"`, `"parts"`; `"steps"`: `"step"`, `"norms"` [S][T], `"weights"` [S][T], `"conflict"` and
            `"residual_conflict"` [S] of at most 400 noted steps, on all parts together; `"epochs"`: for each epoch of
            which steps were noted their means, with `"cosines"` [T][T], `"conflicts"` [T][T] (share of the steps in
            which a pair conflicts), `"gates"`, and the same for each of several `"parts"`; and `"alerts"`. None stands
            where a task had no gradient.
        """
        if self._record is None:
            empty: dict[str, list] = {
                name: [] for name in ("step", "norms", "weights", "conflict", "residual_conflict")
            }
            return {
                "format": FORMAT,
                "balancing": None,
                "over": None,
                "tasks": [],
                "parts": [],
                "steps": empty,
                "epochs": [],
                "alerts": [],
            }
        return self._record.story()

    def alerts(self) -> list[str]:
        """Returns what should be looked at, in plain words; empty if there is nothing."""
        return self.story()["alerts"]

    def save(self, path: str | Path) -> Path:
        """Writes the story as JSON.

        Args:
            path: A file, or a folder that gets a `gradients.json`.

        Returns:
            The path of the file.
        """
        path = Path(path)
        if path.is_dir():
            path /= "gradients.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.story(), allow_nan=False) + "\n", encoding="utf-8")
        return path

    def write_report(self, path: str | Path) -> Path:
        """Writes the record for people: a page that stands alone (`.html`), or a picture (`.png`).

        Returns:
            The path of the file.

        Raises:
            ValueError: If the file's name has another ending, or there is nothing to draw.
        """
        path = Path(path)
        write = {".html": write_page, ".png": write_picture}.get(path.suffix)
        if write is None:
            raise ValueError(f"{path}: a report ends in .html (a page) or .png (a picture)")
        write(path, self.story())
        return path


def _without_numbers(text: str) -> str:
    """Returns an alert without its figures, which change from fit to fit; names keep theirs."""
    return re.sub(r"(`[^`]*`)|\d[\d,.]*", lambda found: found[1] or "#", text)
