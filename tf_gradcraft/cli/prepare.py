"""`tf-gradcraft prepare`: raw logs to a prepared folder."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Annotated, Any

import typer

from tf_gradcraft.cli.application import help_text
from tf_gradcraft.cli.console import Steps, results
from tf_gradcraft.cli.options import parse_names, parse_settings
from tf_gradcraft.cli.tables import rates_table
from tf_gradcraft.suggestions import unknown_name

EPILOG = """[bold]Example[/bold]: the KuaiRand release, split by date as in its papers; a country of AliExpress

tf-gradcraft prepare kuairand KuaiRand-Pure/data prepared/kuairand --split date

tf-gradcraft prepare aliexpress aliexpress_NL_datasets prepared/nl --set country=NL"""


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(help=help_text(prepare), epilog=EPILOG)(prepare)


def prepare(
    name: Annotated[str, typer.Argument(help="The data set; [bold]tf-gradcraft datasets[/bold] lists them.")],
    path: Annotated[Path, typer.Argument(help="Folder with its raw files.")],
    out: Annotated[Path, typer.Argument(help="The prepared folder to write.")],
    split: Annotated[
        str | None,
        typer.Option(
            help="[bold]date[/bold]: later days are valid and test; [bold]random[/bold]: 8:1:1 of the rows; "
            "[bold]release[/bold]: the test part of the release, where it has one. Default: the data set's own."
        ),
    ] = None,
    tasks: Annotated[
        str | None,
        typer.Option(help="Tasks, in order, such as click,like; a wrong name lists all. Default: the data set's own."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="An option of the data set's own as name=value, may be given several times; "
            "[bold]tf-gradcraft datasets NAME[/bold] lists them.",
        ),
    ] = None,
    k_core: Annotated[
        int | None,
        typer.Option(
            help="Keep only users and items with at least so many rows, iterated until stable; 0 keeps all. Default: 0."
        ),
    ] = None,
    valid_from: Annotated[
        int | None,
        typer.Option(
            help="First date of the valid part (split by date): YYYYMMDD, or the number of a day where the log has "
            "those. Default: the data set's own."
        ),
    ] = None,
    test_from: Annotated[int | None, typer.Option(help="First date of the test part.")] = None,
    seed: Annotated[
        int | None, typer.Option(help="Seed of the random split and of the folds of the historical rates. Default: 0.")
    ] = None,
    min_count: Annotated[
        int | None, typer.Option(help="Values in fewer training rows become unknown (id 0). Default: 1.")
    ] = None,
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
        own = parse_settings(settings or ())
        for option in own:
            if not dataset.card.options:
                raise ValueError(f"{name} has no options of its own; leave --set {option} out")
            if option not in dataset.card.options:
                raise ValueError(unknown_name(f"option of {name}", option, tuple(dataset.card.options)))
        if tasks is not None:
            own["tasks"] = parse_names(tasks)
        source = dataset(path, **own)
        # Only what was asked for, so that each data set keeps its own defaults.
        chosen = {"split": split, "k_core": k_core, "valid_from": valid_from, "test_from": test_from, "seed": seed}
        chosen = {option: value for option, value in {**chosen, "min_count": min_count}.items() if value is not None}
        refuse_options(name, source.prepare, chosen)
        data = source.prepare(out, overwrite=overwrite, progress=step, **chosen)
    binary = [task.name for task in data.schema.tasks if task.kind == "binary"]
    results.print(rates_table(f"{out}: rows and label rates", data.rows, data.manifest["label_rates"], binary))
    of_pairs = "target" in data.manifest["arguments"]
    following = (
        "train from Python, see docs/multi_behaviour.md" if of_pairs else f"tf-gradcraft train {out} --out runs/first"
    )
    results.print(f"{len(data.schema.features)} features. Next: {following}", soft_wrap=True)


def refuse_options(name: str, prepare_: Any, chosen: dict[str, Any]) -> None:
    """Refuses options that the preparation of a data set doesn't have.

    Raises:
        ValueError: Naming the first such option.

    Example:
        >>> refuse_options("pairs", lambda folder, seed=0: None, {"k_core": 10})
        Traceback (most recent call last):
        ValueError: the preparation of pairs has no --k-core; leave it out
    """
    parameters = inspect.signature(prepare_).parameters
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values()):
        return
    for option in chosen:
        if option not in parameters:
            raise ValueError(f"the preparation of {name} has no --{option.replace('_', '-')}; leave it out")
