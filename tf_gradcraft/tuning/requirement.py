"""What a search needs to be installed."""

from __future__ import annotations

import importlib.util

NEEDED = {"keras_tuner": "KerasTuner", "tensorboard": "TensorBoard", "sklearn": "scikit-learn"}
"""Modules that the extra `tuning` installs. KerasTuner imports TensorBoard; its Bayesian search needs scikit-learn."""


class MissingTuningError(ImportError):
    """The extra `tuning` is not installed; the message says how to install it."""


def require_keras_tuner(name: str) -> None:
    """Raises an error of one line if KerasTuner, or what it needs, is not installed.

    Args:
        name: What needs it.

    Raises:
        MissingTuningError: If a module is missing.

    Example:
        >>> require_keras_tuner("a search")
    """
    missing = [title for module, title in NEEDED.items() if importlib.util.find_spec(module) is None]
    if missing:
        raise MissingTuningError(
            f"{name} needs {' and '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not installed: "
            "pip install 'tf-gradcraft[tuning]'"
        )
