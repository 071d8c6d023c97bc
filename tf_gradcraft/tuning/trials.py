"""What a search has found so far: its trials, read from the folder."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any


@dataclasses.dataclass(frozen=True)
class Trial:
    """One trial of a search.

    Attributes:
        name: Its id.
        status: `"COMPLETED"`, `"FAILED"`, `"RUNNING"` or `"INVALID"`.
        values: Its hyper-parameters, without those by which Hyperband plans (`tuner/...`).
        epoch: The epoch (from 1) its metrics are of, the best one by the objective.
        score: The objective, NaN where there is none.
        metrics: All values of that epoch's logs.
    """

    name: str
    status: str
    values: dict[str, Any]
    epoch: int
    score: float
    metrics: dict[str, float]


def trial_from_state(state: dict[str, Any]) -> Trial:
    """Returns a trial from what KerasTuner's `Trial.get_state` returns and writes into `trial.json`.

    Of several executions the metrics are means.
    """
    values = state["hyperparameters"]["values"]
    metrics = {}
    for name, of in state["metrics"]["metrics"].items():
        if of["observations"]:
            numbers = of["observations"][-1]["value"]
            metrics[name] = float(sum(numbers) / len(numbers))
    return Trial(
        name=state["trial_id"],
        status=state["status"],
        values={name: value for name, value in values.items() if not name.startswith("tuner/")},
        epoch=int(values.get("tuner/initial_epoch", 0)) + int(state["best_step"] or 0) + 1,
        score=math.nan if state["score"] is None else float(state["score"]),
        metrics=metrics,
    )


def read_trials(folder: str | Path) -> list[Trial]:
    """Returns the trials of a search folder in the order of their ids; needs no KerasTuner.

    Raises:
        FileNotFoundError: If the folder holds no trial.
    """
    files = sorted(Path(folder).glob("trial_*/trial.json"))
    if not files:
        raise FileNotFoundError(f"{folder} holds no trial: it is no folder of a search, or its first trial is to come")
    return [trial_from_state(json.loads(path.read_text(encoding="utf-8"))) for path in files]
