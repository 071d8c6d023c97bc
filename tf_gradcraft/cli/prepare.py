"""`tf-gradcraft prepare`: raw logs to a prepared folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tf_gradcraft.cli.application import help_text
from tf_gradcraft.cli.console import Steps, results
from tf_gradcraft.cli.options import parse_names
from tf_gradcraft.cli.tables import rates_table

EPILOG = """[bold]Example[/bold]: the KuaiRand release, split by date as in its papers

tf-gradcraft prepare kuairand KuaiRand-Pure/data prepared/kuairand --split date"""


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(help=help_text(prepare), epilog=EPILOG)(prepare)


def prepare(
    name: Annotated[str, typer.Argument(help="The data set: kuairand or synthetic.")],
    path: Annotated[Path, typer.Argument(help="Folder with its raw files.")],
    out: Annotated[Path, typer.Argument(help="The prepared folder to write.")],
    split: Annotated[
        str | None,
        typer.Option(
            help="[bold]date[/bold]: later days are valid and test; [bold]random[/bold]: 8:1:1 of the rows. "
            "Default: the data set's own (kuairand random, synthetic date)."
        ),
    ] = None,
    tasks: Annotated[
        str | None,
        typer.Option(help="Tasks, in order, such as click,like; a wrong name lists all. Default: the data set's own."),
    ] = None,
    k_core: Annotated[
        int,
        typer.Option(help="Keep only users and items with at least so many rows, iterated until stable; 0 keeps all."),
    ] = 0,
    valid_from: Annotated[
        int | None,
        typer.Option(
            help="First date of the valid part (split by date): YYYYMMDD for kuairand (default 20220502), "
            "a day from 1 to 14 for synthetic (default 11)."
        ),
    ] = None,
    test_from: Annotated[
        int | None, typer.Option(help="First date of the test part. Default: kuairand 20220504, synthetic 13.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the random split and of the folds of the historical rates.")] = 0,
    min_count: Annotated[int, typer.Option(help="Values in fewer training rows become unknown (id 0).")] = 1,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a folder that was prepared otherwise.")
    ] = False,
) -> None:
    """Turn raw logs into a prepared folder: cleaned, split, with integer ids and historical rates, as Parquet.

    Vocabularies and rates are fitted on the training part only. Preparing again with the same files and options does
    nothing; with others it is refused unless --overwrite is given, and what was there stays as it was on any error.
    """
    with Steps() as step:
        step("loading the preparation")
        from tf_gradcraft.data_pipelines import datasets

        dataset = datasets.get(name)
        names = parse_names(tasks)
        source = dataset(path) if names is None else dataset(path, tasks=names)
        # Only what was asked for, so that each data set keeps its own defaults.
        chosen = {"split": split, "valid_from": valid_from, "test_from": test_from}
        data = source.prepare(
            out,
            k_core=k_core,
            seed=seed,
            min_count=min_count,
            overwrite=overwrite,
            progress=step,
            **{option: value for option, value in chosen.items() if value is not None},
        )
    binary = [task.name for task in data.schema.tasks if task.kind == "binary"]
    results.print(rates_table(f"{out}: rows and label rates", data.rows, data.manifest["label_rates"], binary))
    results.print(
        f"{len(data.schema.features)} features. Next: tf-gradcraft train {out} --out runs/first", soft_wrap=True
    )
