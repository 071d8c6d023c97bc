"""`tf-gradcraft prepare-table`: a log of one's own to a prepared folder."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from tf_gradcraft.cli.application import help_text
from tf_gradcraft.cli.console import Steps, results
from tf_gradcraft.cli.tables import rates_table

EPILOG = """[bold]Example[/bold]: two files of one log, within 2 GB

tf-gradcraft prepare-table log_1.csv.gz log_2.csv.gz prepared/mine --spec log.toml --memory-limit 2GB"""


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("prepare-table", help=help_text(prepare_table), epilog=EPILOG)(prepare_table)


def prepare_table(
    log: Annotated[list[Path], typer.Argument(help="The log: CSV (also .gz) or Parquet files of the same columns.")],
    out: Annotated[Path, typer.Argument(help="The prepared folder to write.")],
    spec: Annotated[Path, typer.Option(help="TOML or JSON file that says what the columns are, see docs/data.md.")],
    memory_limit: Annotated[
        str | None, typer.Option(help="What DuckDB may take of the memory, such as 2GB; it spills to disk beyond.")
    ] = None,
    threads: Annotated[int | None, typer.Option(help="DuckDB's threads. Default: all cores.")] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a folder that was prepared otherwise.")
    ] = False,
) -> None:
    """Turn a log of your own into a prepared folder, as `prepare` does with the known data sets.

    Rows are never held in memory: it grows with the number of distinct ids. Preparing again with the same files and
    description does nothing.
    """
    with Steps() as step:
        step("loading the preparation")
        from tf_gradcraft.data_pipelines import Options
        from tf_gradcraft.data_pipelines.preparation.sources import prepare
        from tf_gradcraft.data_pipelines.preparation.spec_file import read_spec_file

        found = read_spec_file(spec)
        limits = {"memory_limit": memory_limit, "threads": threads}
        chosen = {name: limit for name, limit in limits.items() if limit is not None}
        found["options"] = dataclasses.replace(found.get("options", Options()), **chosen)
        data = prepare(log, folder=out, overwrite=overwrite, progress=step, **found)
    results.print(rates_table(f"{out}: rows and label rates", data.rows, data.manifest["label_rates"]))
    results.print(
        f"{len(data.schema.features)} features. Next: tf-gradcraft train {out} --out runs/first", soft_wrap=True
    )
