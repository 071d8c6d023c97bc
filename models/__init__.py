"""Models: layers that also work under Keras 2, and whole models built from a schema (Keras 3)."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tf_gradcraft.models.embeddings import FeatureEmbeddings
    from tf_gradcraft.models.gate import Gate
    from tf_gradcraft.models.gate_control import GateControl
    from tf_gradcraft.models.mixture import MultiGateMixture
    from tf_gradcraft.models.mlp import MLP
    from tf_gradcraft.models.mmoe import MMoE
    from tf_gradcraft.models.normalization import NumericFeatures
    from tf_gradcraft.models.ple import PLE
    from tf_gradcraft.models.schema_model import SchemaModel
    from tf_gradcraft.models.shared_bottom import SharedBottom

__all__ = [
    "MLP",
    "PLE",
    "FeatureEmbeddings",
    "Gate",
    "GateControl",
    "MMoE",
    "MultiGateMixture",
    "NumericFeatures",
    "SchemaModel",
    "SharedBottom",
    "get",
    "names",
]

_MODULES = {
    "MLP": "mlp",
    "PLE": "ple",
    "FeatureEmbeddings": "embeddings",
    "Gate": "gate",
    "GateControl": "gate_control",
    "MMoE": "mmoe",
    "MultiGateMixture": "mixture",
    "NumericFeatures": "normalization",
    "SchemaModel": "schema_model",
    "SharedBottom": "shared_bottom",
}

_MODELS = {"shared_bottom": "SharedBottom", "mmoe": "MMoE", "ple": "PLE"}


def names() -> tuple[str, ...]:
    """Returns the names of the whole models, as the command line takes them.

    Example:
        >>> names()
        ('shared_bottom', 'mmoe', 'ple')
    """
    return tuple(_MODELS)


def get(name: str) -> Any:
    """Returns the class of the model of that name.

    Raises:
        ValueError: If there is none; the message lists near names.
    """
    from tf_gradcraft.suggestions import unknown_name

    if name not in _MODELS:
        raise ValueError(unknown_name("model", name, names()))
    return __getattr__(_MODELS[name])


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
