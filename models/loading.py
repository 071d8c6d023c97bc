"""Reading saved models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras

# Keras finds only classes that are registered, so everything that a model's file may name is imported here.
from tf_gradcraft import objectives, optimizers  # noqa: F401
from tf_gradcraft.models import (  # noqa: F401
    aitm,
    cgc,
    dselect_k,
    escm2,
    esmm,
    home,
    matrix_factorization_mlp,
    mmoe,
    omoe,
    ple,
    shared_bottom,
    stem,
)
from tf_gradcraft.training import losses, ranking_losses, regression_losses, watch_time_losses  # noqa: F401


def load_model(path: str | Path, **kwargs: Any) -> Any:
    """Reads a model that was saved with `model.save("name.keras")`.

    Like `keras.models.load_model`, with all classes of this package known to it.

    Args:
        path: The file.
        **kwargs: Arguments of `keras.models.load_model`.

    Returns:
        The model, compiled as it was, with the state of optimizer and balancer: training goes on where it stopped.

    Raises:
        FileNotFoundError: If there is no such file.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such file; give a .keras file that model.save() wrote")
    return keras.models.load_model(path, **kwargs)
