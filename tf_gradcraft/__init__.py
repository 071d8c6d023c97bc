"""tf_gradcraft: balances task gradients in Keras `model.fit`, for multi-task recommendation.

Names are loaded when they are first used, so that `import tf_gradcraft` is cheap and works beside either Keras.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from tf_gradcraft import (
        balancing,
        callbacks,
        data_pipelines,
        gradients,
        metrics,
        models,
        objectives,
        optimizers,
        serving,
        tuning,
    )
    from tf_gradcraft.models.loading import load_model
    from tf_gradcraft.training import MultiTaskModel, SharedRepresentation

# `tfrs` needs Keras 2, all that is in `__all__` works with Keras 3.
_MODULES = (
    "balancing",
    "callbacks",
    "data_pipelines",
    "gradients",
    "metrics",
    "models",
    "objectives",
    "optimizers",
    "serving",
    "tfrs",
    "training",
    "tuning",
)
_NAMES = {
    "MultiTaskModel": "tf_gradcraft.training",
    "SharedRepresentation": "tf_gradcraft.training",
    "load_model": "tf_gradcraft.models.loading",
}

__all__ = [
    "MultiTaskModel",
    "SharedRepresentation",
    "balancing",
    "callbacks",
    "data_pipelines",
    "gradients",
    "load_model",
    "metrics",
    "models",
    "objectives",
    "optimizers",
    "serving",
    "tuning",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _NAMES:
        return getattr(importlib.import_module(_NAMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
