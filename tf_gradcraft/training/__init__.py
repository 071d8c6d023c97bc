"""Training: Keras models whose `fit` balances the gradients of their tasks.

Names are loaded when they are first used: `SharedRepresentation` works in both Keras stacks, the model needs Keras 3.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tf_gradcraft.training.gate_shares import observe_shares
    from tf_gradcraft.training.losses import ClassCrossentropy, TaskCrossentropy
    from tf_gradcraft.training.model import MultiTaskModel
    from tf_gradcraft.training.objective import Objective
    from tf_gradcraft.training.ranking_losses import TaskRanking
    from tf_gradcraft.training.ranking_validation import RankingValidation
    from tf_gradcraft.training.regression_losses import TaskRegression
    from tf_gradcraft.training.shared_representation import SharedRepresentation
    from tf_gradcraft.training.watch_time_losses import DurationQuantile, WeightedLogistic

_NAMES = {
    "ClassCrossentropy": "losses",
    "DurationQuantile": "watch_time_losses",
    "MultiTaskModel": "model",
    "Objective": "objective",
    "RankingValidation": "ranking_validation",
    "SharedRepresentation": "shared_representation",
    "TaskCrossentropy": "losses",
    "TaskRanking": "ranking_losses",
    "TaskRegression": "regression_losses",
    "WeightedLogistic": "watch_time_losses",
    "observe_shares": "gate_shares",
}

__all__ = [
    "ClassCrossentropy",
    "DurationQuantile",
    "MultiTaskModel",
    "Objective",
    "RankingValidation",
    "SharedRepresentation",
    "TaskCrossentropy",
    "TaskRanking",
    "TaskRegression",
    "WeightedLogistic",
    "observe_shares",
]


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(importlib.import_module(f"{__name__}.{_NAMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
