"""`tf-gradcraft serve-config`: configuration files for TensorFlow Serving, and the line that starts it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tf_gradcraft.cli.application import help_text
from tf_gradcraft.cli.console import results

IMAGE = "tensorflow/serving:2.21.0"
EPILOG = """[bold]Example[/bold]

tf-gradcraft serve-config serving --model ranker=export/ranker"""


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(name="serve-config", help=help_text(serve_config), epilog=EPILOG)(serve_config)


def serve_config(
    out: Annotated[Path, typer.Argument(help="Folder for models.config, batching.config and monitoring.config.")],
    model: Annotated[list[str], typer.Option(help="NAME=DIR: a model and the folder of its versions. Repeatable.")],
    version: Annotated[
        list[str] | None, typer.Option(help="NAME=N: serve this version instead of the latest, for a roll-back.")
    ] = None,
    max_batch_size: Annotated[int, typer.Option(help="Most rows or rank requests that are run together.")] = 256,
    timeout_micros: Annotated[int, typer.Option(help="Microseconds that a request waits for others.")] = 1000,
    threads: Annotated[int, typer.Option(help="Batches that run at the same time: the number of cores.")] = 2,
) -> None:
    """Write the configuration of a TensorFlow Serving container and print the docker line that starts it."""
    from tf_gradcraft.serving.operations import MONITORING, batching_config, models_config

    folders = named_values("--model", model)
    for name, folder in folders.items():
        if not Path(folder).is_dir():
            raise FileNotFoundError(f"{folder} is no folder; export {name!r} there first")
    versions: dict[str, list[int]] = {}
    for name, number in named_values("--version", version or []).items():
        if not number.isdecimal():
            raise ValueError(f"--version {name}={number}: the version must be an integer of at least 1")
        versions[name] = [int(number)]
    files = {
        "models.config": models_config({name: f"/models/{name}" for name in folders}, versions),
        "batching.config": batching_config(max_batch_size, timeout_micros, threads),
        "monitoring.config": MONITORING,
    }
    out.mkdir(parents=True, exist_ok=True)
    for file, text in files.items():
        (out / file).write_text(text, encoding="utf-8")
    mounts = [f"-v {Path(folder).resolve()}:/models/{name}:ro" for name, folder in folders.items()]
    lines = [
        "docker run --rm -p 8500:8500 -p 8501:8501",
        *mounts,
        f"-v {out.resolve()}:/config:ro {IMAGE}",
        "--model_config_file=/config/models.config --model_config_file_poll_wait_seconds=60",
        "--enable_batching --batching_parameters_file=/config/batching.config",
        "--monitoring_config_file=/config/monitoring.config",
    ]
    results.print(" \\\n  ".join(lines), soft_wrap=True, markup=False)


def named_values(option: str, items: list[str]) -> dict[str, str]:
    """Returns what was given as NAME=VALUE by name.

    Example:
        >>> named_values("--model", ["ranker=export/ranker"])
        {'ranker': 'export/ranker'}
    """
    values: dict[str, str] = {}
    for item in items:
        name, equals, value = item.partition("=")
        if not (equals and name and value):
            raise ValueError(f"{option} {item!r} has another form; write NAME=VALUE")
        if name in values:
            raise ValueError(f"{option} {name} is given twice; give it once")
        values[name] = value
    return values
