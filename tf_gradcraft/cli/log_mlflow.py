"""`tf-gradcraft log-mlflow`: a run in MLflow."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from tf_gradcraft.cli.application import help_text
from tf_gradcraft.cli.console import Steps, results
from tf_gradcraft.cli.runs import read_run
from tf_gradcraft.cli.trackers import log_run, require_extra
from tf_gradcraft.files.json_files import read_json
from tf_gradcraft.files.run_folder import TEST_FILE

EPILOG = """[bold]Examples[/bold]: into a folder; to a server

tf-gradcraft log-mlflow runs/gradcraft --tracking-uri mlruns --experiment kuairand

tf-gradcraft log-mlflow runs/gradcraft --tracking-uri http://localhost:5000"""


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(name="log-mlflow", help=help_text(log_mlflow), epilog=EPILOG)(log_mlflow)


def log_mlflow(
    run: Annotated[Path, typer.Argument(help="A folder that `train` wrote.")],
    tracking_uri: Annotated[str, typer.Option(help="A folder, or the address of an MLflow server.")] = "mlruns",
    experiment: Annotated[str, typer.Option(help="Name of the experiment; made if it is not there.")] = "tf_gradcraft",
) -> None:
    r"""Write a run into MLflow: its settings as parameters, its values by epoch as metrics, its files as artifacts.

    Metrics of the test part that `evaluate` wrote are there as test_.... Needs pip install 'tf-gradcraft\[mlflow]'.
    """
    require_extra("mlflow", "log-mlflow", "mlflow")
    opened = read_run(run)
    from tf_gradcraft.run_report.run_files import read_run_files

    files = read_run_files(run)
    final = {"best_epoch": float(files.best_epoch)}
    test = opened.folder / TEST_FILE
    if test.is_file():
        values = read_json(test)["metrics"]
        final |= {f"test_{name}": float(value) for name, value in values.items() if value is not None}
    with Steps() as step:
        step(f"writing {run} into {tracking_uri}")
        finite = {name: value for name, value in final.items() if math.isfinite(value)}
        number = log_run(files.config, files.history, finite, run, tracking_uri, experiment)
    results.print(f"MLflow run {number} in the experiment {experiment}", soft_wrap=True)
