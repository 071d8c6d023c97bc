"""Serving: SavedModels that TensorFlow Serving loads, the proof that they run, and a client for ranking requests."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tf_gradcraft.serving.exporting import export
    from tf_gradcraft.serving.ranking import Rank

__all__ = ["Rank", "export"]

_MODULES = {"Rank": "ranking", "export": "exporting"}


def __getattr__(name: str) -> Any:
    # Loaded when used: the REST client needs neither TensorFlow nor Keras.
    if name in _MODULES:
        return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
