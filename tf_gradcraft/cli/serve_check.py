"""`tf-gradcraft serve-check`: the proof that an export runs where it is served."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from tf_gradcraft.cli.application import help_text
from tf_gradcraft.cli.console import Steps, results
from tf_gradcraft.cli.runs import read_run
from tf_gradcraft.cli.tensorflow import import_quietly

EPILOG = """[bold]Example[/bold]

tf-gradcraft serve-check export/ranker --run runs/gradcraft"""


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(name="serve-check", help=help_text(serve_check), epilog=EPILOG)(serve_check)


def serve_check(
    ctx: typer.Context,
    directory: Annotated[Path, typer.Argument(help="A version of an export, or the folder of all (checks the last).")],
    run: Annotated[Path | None, typer.Option(help="The run that was exported: compares predictions with it.")] = None,
    rows: Annotated[int, typer.Option(min=1, help="Rows to compare on, with unknown ids and missing numbers.")] = 1000,
) -> None:
    """Check that an export loads and runs as in TensorFlow Serving.

    Reads names, types and shapes of its signatures, loads it through TensorFlow's C API in a process that has neither
    Keras nor this package, and runs the warm-up request of every signature. With --run it also compares the
    predictions of every signature with those of the run's model; they must agree within 1e-6.
    """
    from tf_gradcraft.serving.versions import latest_version, versions_in

    opened = read_run(run) if run is not None else None
    if not (directory / "saved_model.pb").is_file() and versions_in(directory):
        directory = latest_version(directory)
    with Steps() as step:
        step("loading TensorFlow")
        import_quietly(ctx)
        from tf_gradcraft.models.loading import load_model
        from tf_gradcraft.serving.checking import check

        model = None
        if opened is not None:
            step(f"reading {opened.model_file}")
            model = load_model(opened.model_file)
        step(f"running {directory} in TensorFlow's C runtime")
        seconds, checked = check(directory, model, rows)
    table = Table(title=f"{directory}: loads in {seconds:.2f} s and runs", title_justify="left")
    for column in ("signature", "rows", "ms", "largest difference from Keras"):
        table.add_column(column, justify="left" if column == "signature" else "right")
    for found in checked:
        difference = "not compared (--run)" if found.difference is None else f"{found.difference:.1e}"
        table.add_row(found.signature, f"{found.rows:,}", f"{1000 * found.seconds:.1f}", difference)
    results.print(table)
