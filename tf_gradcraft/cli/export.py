"""`tf-gradcraft export`: a run's model for TensorFlow Serving."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from tf_gradcraft.cli.application import help_text
from tf_gradcraft.cli.console import Steps, results
from tf_gradcraft.cli.runs import read_run
from tf_gradcraft.cli.tensorflow import import_quietly

EPILOG = """[bold]Example[/bold]: writes export/ranker/1, the next time export/ranker/2

tf-gradcraft export runs/gradcraft export/ranker"""


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(help=help_text(export), epilog=EPILOG)(export)


def export(
    ctx: typer.Context,
    run: Annotated[Path, typer.Argument(help="A folder that `train` wrote.")],
    directory: Annotated[Path, typer.Argument(help="Where the versions of the served model are.")],
    version: Annotated[
        int | None, typer.Option(help="Number of the version, from 1. Default: one more than the largest there.")
    ] = None,
    tables: Annotated[
        str, typer.Option(help="Type of the embedding tables: float32, bfloat16 (half the size) or int8 (a third).")
    ] = "float32",
    weight: Annotated[
        list[str] | None,
        typer.Option(help="TASK=NUMBER: weight of a task in the score of rank, unless a request brings its own."),
    ] = None,
    top_k: Annotated[int, typer.Option(help="How many of the best candidates rank lists.")] = 100,
) -> None:
    """Export a run's model as a SavedModel that takes raw features: ids and strings as in the logs.

    The signature serving_default has one named input a raw feature, of shape [None] (rows), and one named output a
    task, the predicted probability; serving_examples takes tf.train.Example protos instead, and rank the features of
    one user with those of many candidates. The version appears when it is complete, and an existing one is never
    replaced, so a model server may watch the directory meanwhile.
    """
    opened = read_run(run)
    weights = parse_weights(weight or [])
    with Steps() as step:
        step("loading TensorFlow")
        import_quietly(ctx)
        from tf_gradcraft import serving
        from tf_gradcraft.models.loading import load_model

        step(f"reading {opened.model_file}")
        model = load_model(opened.model_file)
        step(f"writing a version into {directory}")
        signatures: list[str | serving.Rank] = ["serving_examples"]
        if weights or any(feature.side == "candidate" for feature in model.schema.features):
            signatures.append(serving.Rank(weights=weights, top_k=top_k))
        path = serving.export(model, directory, version=version, tables=tables, signatures=signatures)
    table = Table(title=f"{path}: signature serving_default", title_justify="left")
    for column in ("", "name", "dtype"):
        table.add_column(column)
    raw = [feature for feature in model.schema.features if feature.raw]
    for number, feature in enumerate(raw, 1):
        table.add_row("input", feature.name, feature.dtype, end_section=number == len(raw))
    for task in model.schema.task_names:
        table.add_row("output", task, "float32")
    results.print(table)
    results.print(
        "Further signatures: " + ", ".join("rank" if isinstance(name, serving.Rank) else name for name in signatures)
    )


def parse_weights(items: list[str]) -> dict[str, float]:
    """Returns the weights given as TASK=NUMBER.

    Example:
        >>> parse_weights(["click=1", "like=2.5"])
        {'click': 1.0, 'like': 2.5}
    """
    weights: dict[str, float] = {}
    for item in items:
        task, _, number = item.partition("=")
        try:
            weights[task] = float(number)
        except ValueError:
            raise ValueError(f"--weight {item!r} has another form; write TASK=NUMBER, such as like=2.5") from None
    return weights
