"""Models: layers that also work under Keras 2, and whole models built from a schema (Keras 3)."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from tf_gradcraft.keras_stack import require_keras_3

if TYPE_CHECKING:
    from tf_gradcraft.models.aitm import AITM
    from tf_gradcraft.models.cgc import CGC
    from tf_gradcraft.models.dselect_k import DSelectK
    from tf_gradcraft.models.embeddings import FeatureEmbeddings
    from tf_gradcraft.models.escm2 import ESCM2
    from tf_gradcraft.models.esmm import ESMM
    from tf_gradcraft.models.factorization_machine import FactorizationMachine
    from tf_gradcraft.models.gate import Gate
    from tf_gradcraft.models.gate_control import GateControl
    from tf_gradcraft.models.gated_expert import GatedExpert
    from tf_gradcraft.models.home import HoME
    from tf_gradcraft.models.information_transfer import InformationTransfer
    from tf_gradcraft.models.links import ExponentialLink, QuantileValue
    from tf_gradcraft.models.matrix_factorization_mlp import MatrixFactorizationMLP
    from tf_gradcraft.models.mixture import MultiGateMixture
    from tf_gradcraft.models.mlp import MLP
    from tf_gradcraft.models.mmoe import MMoE
    from tf_gradcraft.models.normalization import NumericFeatures
    from tf_gradcraft.models.omoe import OMoE
    from tf_gradcraft.models.order_penalty import OrderPenalty
    from tf_gradcraft.models.ple import PLE
    from tf_gradcraft.models.schema_model import SchemaModel
    from tf_gradcraft.models.selecting_gate import SelectingGate
    from tf_gradcraft.models.self_gate import SelfGate
    from tf_gradcraft.models.shared_bottom import SharedBottom
    from tf_gradcraft.models.stem import STEM
    from tf_gradcraft.models.target_attention import TargetAttention
    from tf_gradcraft.models.task_embeddings import TaskEmbeddings

__all__ = [
    "AITM",
    "CGC",
    "ESCM2",
    "ESMM",
    "MLP",
    "PLE",
    "STEM",
    "DSelectK",
    "ExponentialLink",
    "FactorizationMachine",
    "FeatureEmbeddings",
    "Gate",
    "GateControl",
    "GatedExpert",
    "HoME",
    "InformationTransfer",
    "MMoE",
    "MatrixFactorizationMLP",
    "MultiGateMixture",
    "NumericFeatures",
    "OMoE",
    "OrderPenalty",
    "QuantileValue",
    "SchemaModel",
    "SelectingGate",
    "SelfGate",
    "SharedBottom",
    "TargetAttention",
    "TaskEmbeddings",
    "get",
    "names",
]

_MODULES = {
    "AITM": "aitm",
    "CGC": "cgc",
    "DSelectK": "dselect_k",
    "ExponentialLink": "links",
    "FactorizationMachine": "factorization_machine",
    "FeatureEmbeddings": "embeddings",
    "ESCM2": "escm2",
    "ESMM": "esmm",
    "Gate": "gate",
    "GateControl": "gate_control",
    "GatedExpert": "gated_expert",
    "HoME": "home",
    "InformationTransfer": "information_transfer",
    "MatrixFactorizationMLP": "matrix_factorization_mlp",
    "MultiGateMixture": "mixture",
    "MLP": "mlp",
    "MMoE": "mmoe",
    "NumericFeatures": "normalization",
    "OMoE": "omoe",
    "OrderPenalty": "order_penalty",
    "PLE": "ple",
    "QuantileValue": "links",
    "SchemaModel": "schema_model",
    "SelectingGate": "selecting_gate",
    "SelfGate": "self_gate",
    "SharedBottom": "shared_bottom",
    "STEM": "stem",
    "TargetAttention": "target_attention",
    "TaskEmbeddings": "task_embeddings",
}

_MODELS = {
    "shared_bottom": "SharedBottom",
    "omoe": "OMoE",
    "mmoe": "MMoE",
    "dselect_k": "DSelectK",
    "cgc": "CGC",
    "ple": "PLE",
    "stem": "STEM",
    "home": "HoME",
    "aitm": "AITM",
    "esmm": "ESMM",
    "escm2": "ESCM2",
}


def names() -> tuple[str, ...]:
    """Returns the names of the whole models, for `get`.

    Example:
        >>> names()[:4]
        ('shared_bottom', 'omoe', 'mmoe', 'dselect_k')
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
        if name in ("SchemaModel", *_MODELS.values()):
            require_keras_3(f"tf_gradcraft.models.{name}")
        return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
