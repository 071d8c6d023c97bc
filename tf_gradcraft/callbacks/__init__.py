"""Callbacks of `fit`: the record of task gradients, and the pages that show it.

Names are loaded when they are first used: a record is read and shown without TensorFlow; the callback needs Keras 3.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tf_gradcraft.callbacks.gradient_page import gradient_blocks
    from tf_gradcraft.callbacks.monitor import GradientMonitor

_NAMES = {"GradientMonitor": "monitor", "gradient_blocks": "gradient_page"}

__all__ = ["GradientMonitor", "gradient_blocks"]


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(importlib.import_module(f"{__name__}.{_NAMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
