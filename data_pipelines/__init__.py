"""From raw logs to a fast tf.data stream: schema, preparation, readers, data sets."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tf_gradcraft.data_pipelines import datasets
    from tf_gradcraft.data_pipelines.feature import Feature
    from tf_gradcraft.data_pipelines.pairs.prepared_pairs import PreparedPairs
    from tf_gradcraft.data_pipelines.preparation.options import Options
    from tf_gradcraft.data_pipelines.preparation.sources import prepare
    from tf_gradcraft.data_pipelines.preparation.table_spec import History, TableSpec, Tags
    from tf_gradcraft.data_pipelines.prepared import PreparedData
    from tf_gradcraft.data_pipelines.reading.tfrecord import TFRecordData
    from tf_gradcraft.data_pipelines.schema import Schema
    from tf_gradcraft.data_pipelines.task import Task
    from tf_gradcraft.data_pipelines.vocabulary import Vocabulary

__all__ = [
    "Feature",
    "History",
    "Options",
    "PreparedData",
    "PreparedPairs",
    "Schema",
    "TFRecordData",
    "TableSpec",
    "Tags",
    "Task",
    "Vocabulary",
    "datasets",
    "prepare",
]

_MODULES = {"Feature": "feature", "Schema": "schema", "Task": "task"}
_MODULES |= {"Vocabulary": "vocabulary", "PreparedData": "prepared", "TFRecordData": "reading.tfrecord"}
_MODULES |= {"Options": "preparation.options", "prepare": "preparation.sources"}
_MODULES |= dict.fromkeys(("History", "TableSpec", "Tags"), "preparation.table_spec")
_MODULES |= {"PreparedPairs": "pairs.prepared_pairs"}


def __getattr__(name: str) -> Any:
    """Loads public names when they are first used: importing the package stays cheap."""
    if name == "datasets":
        return importlib.import_module(f"{__name__}.datasets")
    if name in _MODULES:
        return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """Returns the public names."""
    return sorted(__all__)
