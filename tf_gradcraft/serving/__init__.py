"""Serving: SavedModels that TensorFlow Serving loads, the proof that they run, and clients for ranking requests."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from tf_gradcraft.keras_stack import require_keras_3

if TYPE_CHECKING:
    from tf_gradcraft.serving.checking import check
    from tf_gradcraft.serving.client import RankRequest, RankResponse, ServingError
    from tf_gradcraft.serving.exporting import export
    from tf_gradcraft.serving.grpc_client import GrpcClient
    from tf_gradcraft.serving.operations import batching_config, models_config
    from tf_gradcraft.serving.ranking import Rank
    from tf_gradcraft.serving.rest_client import RestClient

__all__ = [
    "GrpcClient",
    "Rank",
    "RankRequest",
    "RankResponse",
    "RestClient",
    "ServingError",
    "batching_config",
    "check",
    "export",
    "models_config",
]

_MODULES = {
    "GrpcClient": "grpc_client",
    "Rank": "ranking",
    "RankRequest": "client",
    "RankResponse": "client",
    "RestClient": "rest_client",
    "ServingError": "client",
    "batching_config": "operations",
    "check": "checking",
    "export": "exporting",
    "models_config": "operations",
}


def __getattr__(name: str) -> Any:
    # Loaded when used: the REST client needs neither TensorFlow nor Keras.
    if name in _MODULES:
        if name == "export":
            require_keras_3("tf_gradcraft.serving.export")
        return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
