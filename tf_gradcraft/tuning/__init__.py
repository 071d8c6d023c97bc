"""Searches for hyper-parameters with KerasTuner, and reports on what tasks gain and lose by them (Keras 3)."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from tf_gradcraft.keras_stack import require_keras_3
from tf_gradcraft.tuning.requirement import require_keras_tuner

if TYPE_CHECKING:
    from tf_gradcraft.tuning.axes import Range
    from tf_gradcraft.tuning.hypermodel import MultiTaskHyperModel
    from tf_gradcraft.tuning.method_axes import balancing_space
    from tf_gradcraft.tuning.objectives import TaskObjective, mean_auc, mean_gauc, task_weights
    from tf_gradcraft.tuning.pareto import hypervolume, non_dominated
    from tf_gradcraft.tuning.processes import search_in_processes
    from tf_gradcraft.tuning.report import ParetoReport
    from tf_gradcraft.tuning.tuners import make_tuner

__all__ = [
    "MultiTaskHyperModel",
    "ParetoReport",
    "Range",
    "TaskObjective",
    "balancing_space",
    "hypervolume",
    "make_tuner",
    "mean_auc",
    "mean_gauc",
    "non_dominated",
    "search_in_processes",
    "task_weights",
]

_MODULES = {
    "MultiTaskHyperModel": "hypermodel",
    "ParetoReport": "report",
    "Range": "axes",
    "TaskObjective": "objectives",
    "balancing_space": "method_axes",
    "hypervolume": "pareto",
    "make_tuner": "tuners",
    "mean_auc": "objectives",
    "mean_gauc": "objectives",
    "non_dominated": "pareto",
    "search_in_processes": "processes",
    "task_weights": "objectives",
}
# A report on a search that is over needs no KerasTuner, nor do the spaces' descriptions.
_WITHOUT_KERAS_TUNER = ("ParetoReport", "Range", "hypervolume", "non_dominated", "search_in_processes")


def __getattr__(name: str) -> Any:
    """Loads public names when they are first used."""
    if name in _MODULES:
        if name not in _WITHOUT_KERAS_TUNER:
            require_keras_tuner(f"tf_gradcraft.tuning.{name}")
            require_keras_3(f"tf_gradcraft.tuning.{name}")
        return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """Returns the public names."""
    return sorted(__all__)
