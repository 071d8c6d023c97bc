"""`tf-gradcraft synthesize`: a synthetic log with known true probabilities."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tf_gradcraft.cli.application import help_text
from tf_gradcraft.cli.console import Steps, results
from tf_gradcraft.cli.options import parse_numbers

EPILOG = """[bold]Example[/bold]: ten million rows of two tasks that oppose each other, one of them rare

tf-gradcraft synthesize raw --rows 10000000 --rows-per-file 1000000 --rate view=0.4 --rate buy=0.01 \\
--cosine view,buy=-0.6"""


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(help=help_text(synthesize), epilog=EPILOG)(synthesize)


def synthesize(
    out: Annotated[Path, typer.Argument(help="Folder for the raw files.")],
    rows: Annotated[int, typer.Option(min=1, help="Impressions to draw.")] = 60_000,
    seed: Annotated[int, typer.Option(min=0, help="Seed: equal seed and options, equal log.")] = 0,
    users: Annotated[int | None, typer.Option(min=1, help="Users. Default: one for 30 rows.")] = None,
    videos: Annotated[int | None, typer.Option(min=1, help="Videos. Default: one for 60 rows.")] = None,
    rows_per_file: Annotated[
        int | None, typer.Option(min=1, help="Write Parquet files of so many rows. Default: one CSV file.")
    ] = None,
    rate: Annotated[
        list[str] | None,
        typer.Option(help="Base rate of a task, such as like=0.05. With --cosine the names are the log's tasks."),
    ] = None,
    cosine: Annotated[
        list[str] | None,
        typer.Option(help="Cosine between the true weights of two tasks, such as click,follow=-0.5; else 0."),
    ] = None,
    norm: Annotated[
        list[str] | None,
        typer.Option(help="Size of a task's gradient at the start over the first task's, such as like=0.1."),
    ] = None,
    delay: Annotated[
        list[str] | None, typer.Option(help="Mean delay of a task's feedback in seconds, such as follow=86400.")
    ] = None,
) -> None:
    """Draw a synthetic short-video log: users, videos, sessions and feedback with known true probabilities.

    Angles and sizes of the tasks' gradients can be chosen. The log is written as it is drawn, so that it may be larger
    than memory. Next: tf-gradcraft prepare synthetic OUT PREPARED.
    """
    with Steps() as step:
        step("loading the generator")
        from tf_gradcraft.data_pipelines import datasets

        pairs = {}
        for names, value in parse_numbers("--cosine", cosine or ()).items():
            one, comma, other = (part.strip() for part in names.partition(","))
            if not comma:
                raise ValueError(f"--cosine {names}: name two tasks, such as --cosine click,follow=-0.5")
            pairs[one, other] = value
        log = datasets.Synthetic.write(
            out,
            rows,
            seed,
            users=users,
            videos=videos,
            base_rates=parse_numbers("--rate", rate or ()),
            cosines=pairs or None,
            norm_ratios=parse_numbers("--norm", norm or ()),
            delays=parse_numbers("--delay", delay or ()),
            rows_per_file=rows_per_file,
            progress=step,
        )
    results.print(f"{rows:,} impressions with {', '.join(log.tasks)} in {out}", soft_wrap=True)
    results.print(f"Next: tf-gradcraft prepare synthetic {out} prepared", soft_wrap=True)
