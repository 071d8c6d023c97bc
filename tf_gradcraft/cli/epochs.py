"""Progress of a training: a bar within the epoch, a line after it."""

from __future__ import annotations

import time
from typing import Any

import keras
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tf_gradcraft.cli.console import errors


class EpochLines(keras.callbacks.Callback):
    """Shows the steps of an epoch as a bar (on a terminal), and its values as one line on stderr.

    Args:
        monitor: Name of the value that decides which epoch is the best.
        mode: `"max"` if that has the largest, `"min"` if it has the smallest.
    """

    def __init__(self, monitor: str, mode: str = "max") -> None:
        super().__init__()
        self._monitor = monitor
        self._sign = 1 if mode == "max" else -1
        self._best = float("-inf")

    def on_train_begin(self, logs: Any = None) -> None:
        """See Keras."""
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal)
        self._progress.start()

    def on_train_end(self, logs: Any = None) -> None:
        """See Keras."""
        self._progress.stop()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """See Keras."""
        self._start = time.perf_counter()
        text = f"epoch {epoch + 1}/{self.params['epochs']}"
        self._bar = self._progress.add_task(text, total=self.params.get("steps"))

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """See Keras."""
        self._progress.update(self._bar, completed=batch + 1)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """See Keras."""
        self._progress.remove_task(self._bar)
        logs = logs or {}
        value = logs.get(self._monitor, float("nan"))
        parts = [f"epoch {epoch + 1}/{self.params['epochs']}", f"loss {logs.get('loss', float('nan')):.4f}"]
        parts.append(f"valid {'AUC' if self._sign > 0 else 'loss'} {value:.4f}")
        if "val_gauc_mean" in logs:
            parts.append(f"group AUC {logs['val_gauc_mean']:.4f}")
        parts.append(f"{time.perf_counter() - self._start:.1f} s")
        if self._sign * value > self._best:
            self._best = self._sign * value
            parts.append("best so far")
        errors.print("  ".join(parts))
