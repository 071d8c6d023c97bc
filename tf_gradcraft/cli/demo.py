"""`tf-gradcraft demo`: the whole path on a synthetic log, plain sum against GradCraft."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from tf_gradcraft.cli.application import help_text
from tf_gradcraft.cli.console import Steps, results
from tf_gradcraft.cli.tensorflow import import_quietly

ROWS = 60_000
EPILOG = """[bold]Example[/bold]

tf-gradcraft demo --out demo"""


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(help=help_text(demo), epilog=EPILOG)(demo)


def demo(
    ctx: typer.Context,
    out: Annotated[Path, typer.Option(help="Folder for everything that the demo writes.")] = Path("demo"),
    rows: Annotated[int, typer.Option(min=10_000, help="Impressions to draw.")] = ROWS,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the log and of both trainings.")] = 0,
) -> None:
    """Show the library at work, without any data of yours, in a minute or two on two cores.

    Draws a synthetic short-video log with four kinds of feedback whose gradients conflict, and writes it as raw CSV;
    prepares it; trains PLE twice with equal seed and budget, by the plain sum of the losses and by GradCraft; compares
    them on the test part; exports the GradCraft model, reloads the export without Keras and asks it for predictions
    on raw features.

    OUT then holds raw/, prepared/, runs/sum, runs/gradcraft, export/ranker/1, comparison.json and comparison.png. A
    folder that an earlier demo wrote is replaced, any other is refused.
    """
    start = time.perf_counter()
    from tf_gradcraft.cli.demo_folder import new_demo_folder

    with Steps() as step:
        step("loading TensorFlow")
        import_quietly(ctx)
        from tf_gradcraft.cli import demo_steps
    with new_demo_folder(out) as folder:
        _headline(1, f"Drawing a log of {rows:,} impressions with seed {seed} and preparing it")
        demo_steps.make_data(folder, rows, seed)
        runs = {}
        for number, (title, balancing) in enumerate(demo_steps.METHODS.items(), 2):
            _headline(number, f"Training PLE, balancing={balancing!r} ({title})")
            runs[title] = demo_steps.train_and_test(folder, balancing, seed)
        _headline(4, "Comparing them on the test part")
        demo_steps.compare(folder, out, {title: metrics for title, (_, metrics) in runs.items()})
        _headline(5, "Exporting the GradCraft model, and asking the export for predictions")
        demo_steps.serve(folder, out, runs["GradCraft"][0])
    results.print(
        f"\nDone in {time.perf_counter() - start:.0f} s. Everything is in {escape(str(out))}/", soft_wrap=True
    )


def _headline(number: int, text: str) -> None:
    results.print(f"\n[bold cyan]{number}/5[/bold cyan] [bold]{escape(text)}[/bold]", soft_wrap=True)
