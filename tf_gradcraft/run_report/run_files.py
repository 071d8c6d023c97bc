"""What a run folder holds beside the model."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

from tf_gradcraft.files.json_files import read_json
from tf_gradcraft.files.run_folder import CONFIG_FILE, GRADIENTS_FILE, HISTORY_FILE, METRICS_FILE

REMEDY = "train again with --overwrite"


@dataclasses.dataclass(frozen=True)
class RunFiles:
    """The JSON files of a run folder.

    Args:
        folder: The folder.
        config: `config.json`: what it was trained with.
        history: `history.json`: the values after each epoch, `{name: [one an epoch]}`; NaN where not finite.
        kept: `metrics.json`: the kept epoch and its metrics on the valid part.
        gradients: `gradients.json`: what was recorded of the task gradients, or None.
    """

    folder: Path
    config: dict[str, Any]
    history: dict[str, list[float]]
    kept: dict[str, Any]
    gradients: dict[str, Any] | None

    @property
    def epochs(self) -> int:
        """Number of epochs that were trained."""
        return max(map(len, self.history.values()), default=0)

    @property
    def best_epoch(self) -> int:
        """The epoch whose model was kept, from 1."""
        return int(self.kept["epoch"])


def read_run_files(folder: str | Path) -> RunFiles:
    """Reads the JSON files of a run folder.

    Raises:
        FileNotFoundError: If one of those that every run has is missing.
        ValueError: If one is damaged.

    Example:
        >>> read_run_files("no/run")
        Traceback (most recent call last):
        FileNotFoundError: no/run/config.json is missing; train again with --overwrite
    """
    folder = Path(folder)
    config, history, kept = (_read(folder / name) for name in (CONFIG_FILE, HISTORY_FILE, METRICS_FILE))
    path = folder / HISTORY_FILE
    if not history or not all(isinstance(values, list) for values in history.values()):
        raise ValueError(f"{path} holds no values by epoch; train again with --overwrite")
    if not isinstance(kept.get("epoch"), int) or "metrics" not in kept:
        raise ValueError(f"{folder / METRICS_FILE} names no epoch or no metrics; train again with --overwrite")
    finite = {name: [math.nan if value is None else float(value) for value in of] for name, of in history.items()}
    gradients = _read(folder / GRADIENTS_FILE) if (folder / GRADIENTS_FILE).is_file() else None
    return RunFiles(folder, config, finite, kept, gradients)


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; {REMEDY}")
    found = read_json(path, REMEDY)
    if not isinstance(found, dict):
        raise ValueError(f"{path} is damaged: it holds no JSON object; {REMEDY}")
    return found
