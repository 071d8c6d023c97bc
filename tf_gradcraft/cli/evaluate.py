"""`tf-gradcraft evaluate`: a run's metrics on the test part."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tf_gradcraft.cli.application import help_text
from tf_gradcraft.cli.console import Steps, results
from tf_gradcraft.cli.runs import read_run
from tf_gradcraft.cli.tables import metrics_table
from tf_gradcraft.cli.tensorflow import import_quietly
from tf_gradcraft.files.json_files import write_json
from tf_gradcraft.suggestions import unknown_name

SPLITS = ("test", "valid")
EPILOG = """[bold]Example[/bold]

tf-gradcraft evaluate runs/gradcraft"""


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(help=help_text(evaluate), epilog=EPILOG)(evaluate)


def evaluate(
    ctx: typer.Context,
    run: Annotated[Path, typer.Argument(help="A folder that `train` wrote.")],
    split: Annotated[str, typer.Option(help="The part to evaluate on: test or valid.")] = "test",
    prepared: Annotated[
        Path | None, typer.Option(help="The prepared folder, if it is no longer where the run was trained on it.")
    ] = None,
) -> None:
    """Compute a run's metrics for each task, and the means of AUC and group AUC, which are computed exactly.

    Group AUC is the AUC within each group (most often the user), averaged with the number of rows as weight; groups
    with one class only are left out. Writes RUN/metrics_test.json (or metrics_valid.json). Choose between runs on the
    valid part; look at the test part once.
    """
    if split not in SPLITS:
        raise ValueError(unknown_name("split", split, SPLITS))
    opened = read_run(run)
    with Steps() as step:
        step("loading TensorFlow")
        import_quietly(ctx)
        from tf_gradcraft.cli.evaluation import evaluate_model, open_data
        from tf_gradcraft.models.loading import load_model

        step(f"reading {opened.model_file}")
        model = load_model(opened.model_file)
        data = open_data(model, prepared or Path(opened.config.prepared))
        step(f"evaluating {data.rows[split]:,} rows")
        metrics = evaluate_model(model, data, split)
    write_json(run / f"metrics_{split}.json", {"split": split, "rows": data.rows[split], "metrics": metrics})
    results.print(metrics_table(f"{run}: {split} part", metrics, model.schema.task_names))
