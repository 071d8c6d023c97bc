"""The record of task gradients in TensorBoard: scalars by step, heat maps by epoch."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tf_gradcraft.callbacks.measures import Measures
from tf_gradcraft.callbacks.panels import draw_cosines
from tf_gradcraft.reporting import draw

FOLDER = "gradients"


class TensorBoardLog:
    """Writes event files into `<log_dir>/gradients`.

    Args:
        log_dir: The folder that TensorBoard is started with.

    Raises:
        ImportError: If TensorBoard is not installed, whose package writes what `tf.summary` is given.
    """

    def __init__(self, log_dir: str | Path) -> None:
        if not hasattr(tf.summary, "image"):
            raise ImportError("GradientMonitor: log_dir needs TensorBoard: pip install tensorboard")
        self._writer = tf.summary.create_file_writer(str(Path(log_dir) / FOLDER))

    def write(self, tasks: Sequence[str], steps: Sequence[int], total: Measures, epoch: Mapping[str, Any]) -> None:
        """Writes the noted steps of an epoch.

        Args:
            tasks: Names of the T tasks.
            steps: The S steps.
            total: What was measured in them.
            epoch: The epoch's means, see `Record`.
        """
        with self._writer.as_default(), tf.summary.record_if(True):
            for position, step in enumerate(steps):
                scalars = {"conflict/pairs_before": total.conflict[position]}
                scalars["conflict/tasks_after"] = total.residual[position]
                for task, name in enumerate(tasks):
                    scalars[f"norm/{name}"] = total.norms[position, task]
                    scalars[f"weight/{name}"] = total.weights[position, task]
                for name, value in scalars.items():
                    if np.isfinite(value):
                        tf.summary.scalar(name, value, step=step)
            last = int(epoch["step"])
            for gate in epoch["gates"]:
                tf.summary.scalar(f"gate_entropy/{gate['name']}", gate["entropy"], step=last)
                for expert, share in enumerate(gate["shares"]):
                    tf.summary.scalar(f"gate_share/{gate['name']}/expert_{expert}", share, step=last)
            tf.summary.image("cosines", _picture(tasks, epoch["cosines"])[np.newaxis], step=last)
            for part in epoch["parts"]:
                tf.summary.image(f"cosines/{part['name']}", _picture(tasks, part["cosines"])[np.newaxis], step=last)
        self._writer.flush()

    def close(self) -> None:
        """Closes the file."""
        self._writer.close()


def _picture(tasks: Sequence[str], cosines: Any) -> np.ndarray:
    """Returns a heat map as an image [H, W, 3] of bytes."""
    with draw(width=1.0 * len(tasks) + 2, height=0.6 * len(tasks) + 1.4) as (figure, axes):
        draw_cosines(axes[0, 0], tasks, cosines)
        written = io.BytesIO()
        figure.savefig(written, format="png", dpi=90, facecolor="white")
    return tf.io.decode_png(written.getvalue(), channels=3).numpy()
