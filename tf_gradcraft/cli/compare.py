"""`tf-gradcraft compare`: methods x seeds x search budget on one prepared folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tf_gradcraft.cli.application import help_text
from tf_gradcraft.cli.comparing import compared_tasks, follow, parse_seeds, show_report
from tf_gradcraft.cli.options import parse_names

METHODS = "uw,dwa,pcgrad,cagrad,imtl,aligned_mtl,upgrad,metabalance,gradcraft,gradcraft:projection=exact"
EPILOG = """[bold]Examples[/bold]

tf-gradcraft compare prepared/kuairand --out runs/comparison --trials 4 --seeds 1,2,3 --jobs 2

tf-gradcraft compare prepared/kuairand --out runs/quick --methods uw,gradcraft:tau=0.3 --trials 2 --epochs 5"""


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(help=help_text(compare), epilog=EPILOG)(compare)


def compare(
    ctx: typer.Context,
    prepared: Annotated[Path, typer.Argument(help="A folder that `prepare` wrote.")],
    out: Annotated[Path, typer.Option(help="The folder of the comparison; to go on with one, name it again.")],
    methods: Annotated[
        str,
        typer.Option(
            help="Balancing methods with commas between; settings that are pinned follow with colons, such as "
            "gradcraft:projection=exact. single, fixed and sum are always compared."
        ),
    ] = METHODS,
    seeds: Annotated[str, typer.Option(help="Seeds of the runs that count, with commas between.")] = "1,2,3",
    trials: Annotated[
        int,
        typer.Option(min=0, help="Settings to try for each method, judged on the valid part; 0: defaults, no tuning."),
    ] = 4,
    search_seed: Annotated[int, typer.Option(min=0, help="Seed of the searches; none of --seeds.")] = 0,
    search_training: Annotated[
        bool,
        typer.Option(
            help="Search learning rate and dropout for every method, the same draws for all; otherwise only for "
            "methods that have too few settings of their own."
        ),
    ] = True,
    tasks: Annotated[str | None, typer.Option(help="Only these tasks, such as click,like. Default: all.")] = None,
    model: Annotated[str, typer.Option(help="The model, see `train`.")] = "ple",
    epochs: Annotated[int, typer.Option(help="Most passes over the training part.")] = 20,
    patience: Annotated[int, typer.Option(help="Stop after so many epochs without a better mean AUC on valid.")] = 3,
    batch_size: Annotated[int, typer.Option(help="Rows a training step.")] = 2048,
    learning_rate: Annotated[float, typer.Option(help="Step size of LazyAdam; a search starts here.")] = 1e-3,
    dropout: Annotated[float, typer.Option(help="Share of units dropped; a search starts here.")] = 0.2,
    embedding_dim: Annotated[int, typer.Option(help="Length of an embedding.")] = 16,
    expert_units: Annotated[str | None, typer.Option(help="Units of an expert's layers, such as 256,128,64.")] = None,
    tower_units: Annotated[str | None, typer.Option(help="Units of a tower's layers, such as 32,16.")] = None,
    balance_over: Annotated[str, typer.Option(help="parameters or representation, see `train`.")] = "parameters",
    jobs: Annotated[int, typer.Option(min=1, help="Runs side by side; the cores are shared out.")] = 1,
    keep_models: Annotated[
        bool, typer.Option("--keep-models", help="Keep the models of the runs that count once they are evaluated.")
    ] = False,
    report_only: Annotated[
        bool, typer.Option("--report-only", help="Run nothing; write the report of what is there.")
    ] = False,
) -> None:
    """Compare balancing methods with equal budgets, over seeds, with single-task models and tuned fixed weights.

    Each method gets the same number of settings, judged on the valid part with a seed of its own; the best are then
    trained with every seed of --seeds and evaluated on the test part, once. Every run is a process of its own; one that
    fails is tried again, then reported, and the others go on. Interrupted, the same command goes on where it stopped;
    methods and seeds can be added later.

    Writes into OUT: plan.json, search/ and runs/ (run folders as of `train`), logs/, runs.csv, summary.csv, tests.csv,
    report.md and report.html.
    """
    from tf_gradcraft.comparison.plan import Training, compare_plan

    if report_only:
        return show_report(ctx, out)
    plan = compare_plan(
        prepared,
        compared_tasks(prepared, tasks),
        parse_names(methods) or [],
        parse_seeds(seeds),
        trials=trials,
        search_seed=search_seed,
        search_training=search_training,
        training=Training(
            model=model,
            epochs=epochs,
            patience=patience,
            batch_size=batch_size,
            learning_rate=learning_rate,
            dropout=dropout,
            embedding_dim=embedding_dim,
            expert_units=expert_units,
            tower_units=tower_units,
            balance_over=balance_over,
        ),
    )
    return follow(ctx, plan, out, jobs, keep_models)
