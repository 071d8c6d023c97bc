"""What other tools show of a training: TensorBoard while it runs, MLflow afterwards."""

from __future__ import annotations

import importlib.util
import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

MOST_VALUES_A_CALL = 1000
"""MLflow takes so many values at once, and a tenth of it as parameters."""


def require_extra(module: str, option: str, extra: str) -> None:
    """Says how to install an optional library.

    Raises:
        ValueError: If it is not installed.

    Example:
        >>> require_extra("no_such_module", "--tensorboard", "tensorboard")
        Traceback (most recent call last):
        ValueError: --tensorboard needs no_such_module, ... pip install 'tf-gradcraft[tensorboard]'
    """
    if importlib.util.find_spec(module) is None:
        raise ValueError(f"{option} needs {module}, which is not installed: run pip install 'tf-gradcraft[{extra}]'")


def tensorboard_callback(folder: Path) -> Any:
    """Returns Keras's own callback that writes the values of each epoch for TensorBoard."""
    import keras

    return keras.callbacks.TensorBoard(log_dir=str(folder), write_graph=False)


def parameters(config: Mapping[str, Any]) -> dict[str, str]:
    """Returns the settings of a run as MLflow's parameters, settings within settings with a dot.

    Args:
        config: What `config.json` holds.

    Example:
        >>> parameters({"model": "ple", "balancing_settings": {"tau": 0.5}, "tasks": ["click", "like"], "seed": None})
        {'model': 'ple', 'balancing_settings.tau': '0.5', 'tasks': 'click, like'}
    """
    found: dict[str, str] = {}
    for name, value in config.items():
        if isinstance(value, Mapping):
            found |= {f"{name}.{inner}": of for inner, of in parameters(value).items()}
        elif value is not None:
            found[_key(name)] = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return found


def log_run(
    config: Mapping[str, Any],
    history: Mapping[str, list[float]],
    final: Mapping[str, float],
    folder: Path,
    tracking_uri: str,
    experiment: str,
) -> str:
    """Writes a run into an MLflow store.

    Args:
        config: What `config.json` holds, for the parameters.
        history: Values by epoch; an epoch's number, from 1, is the step. Values that are not finite are left out.
        final: Further metrics, without steps.
        folder: The run folder; its files become artifacts.
        tracking_uri: A folder, or a URI that MLflow knows.
        experiment: Name of the experiment; made if it is not there.

    Returns:
        The id of MLflow's run.

    Raises:
        ValueError: If MLflow refuses; with its message.
    """
    if "://" not in tracking_uri and not tracking_uri.startswith("file:"):
        # MLflow asks for this word before it writes into a plain folder; whoever names a folder wants one.
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
        tracking_uri = Path(tracking_uri).resolve().as_uri()
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param
    from mlflow.exceptions import MlflowException

    metrics = [
        Metric(_key(name), value, 0, step)
        for name, values in history.items()
        for step, value in enumerate(values, 1)
        if math.isfinite(value)
    ]
    metrics += [Metric(_key(name), value, 0, 0) for name, value in final.items()]
    params = [Param(name, value) for name, value in parameters(config).items()]
    try:
        client = MlflowClient(tracking_uri=tracking_uri)
        found = client.get_experiment_by_name(experiment)
        number = client.create_experiment(experiment) if found is None else found.experiment_id
        run = client.create_run(number, run_name=folder.resolve().name).info.run_id
        for at in range(0, len(metrics), MOST_VALUES_A_CALL):
            client.log_batch(run, metrics=metrics[at : at + MOST_VALUES_A_CALL])
        for at in range(0, len(params), MOST_VALUES_A_CALL // 10):
            client.log_batch(run, params=params[at : at + MOST_VALUES_A_CALL // 10])
        client.log_artifacts(run, str(folder))
        client.set_terminated(run)
    except MlflowException as error:
        raise ValueError(f"MLflow at {tracking_uri} refuses: {error}") from error
    return run


def _key(name: str) -> str:
    """Returns a name of letters that MLflow takes."""
    return re.sub(r"[^\w\-./ ]", "_", name)
