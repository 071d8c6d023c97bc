"""Training: Keras models whose `fit` balances the gradients of their tasks.

Names are loaded when they are first used: `SharedRepresentation` works in both Keras stacks, the model needs Keras 3.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tf_gradcraft.training.losses import TaskCrossentropy
    from tf_gradcraft.training.model import MultiTaskModel
    from tf_gradcraft.training.ranking_validation import RankingValidation
    from tf_gradcraft.training.shared_representation import SharedRepresentation

_NAMES = {
    "MultiTaskModel": "model",
    "RankingValidation": "ranking_validation",
    "SharedRepresentation": "shared_representation",
    "TaskCrossentropy": "losses",
}

__all__ = ["MultiTaskModel", "RankingValidation", "SharedRepresentation", "TaskCrossentropy"]


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(importlib.import_module(f"{__name__}.{_NAMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
