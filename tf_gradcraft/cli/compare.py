"""`tf-gradcraft compare`: methods x seeds x search budget on one prepared folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tf_gradcraft.cli import comparing_options as options
from tf_gradcraft.cli.application import help_text
from tf_gradcraft.cli.comparing import compared_tasks, follow, parse_seeds, show_report
from tf_gradcraft.cli.comparing_options import DEFAULTS
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
    seeds: options.Seeds = "1,2,3",
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
    tasks: options.Tasks = None,
    model: options.Model = DEFAULTS.model,
    epochs: options.Epochs = DEFAULTS.epochs,
    patience: options.Patience = DEFAULTS.patience,
    batch_size: options.BatchSize = DEFAULTS.batch_size,
    learning_rate: options.LearningRate = DEFAULTS.learning_rate,
    dropout: options.Dropout = DEFAULTS.dropout,
    embedding_dim: options.EmbeddingDim = DEFAULTS.embedding_dim,
    backbone: options.Backbone = DEFAULTS.backbone,
    l2: options.L2 = DEFAULTS.l2,
    expert_units: options.ExpertUnits = None,
    tower_units: options.TowerUnits = None,
    balance_over: options.BalanceOver = DEFAULTS.balance_over,
    balance_every: options.BalanceEvery = DEFAULTS.balance_every,
    jobs: options.Jobs = 1,
    keep_models: options.KeepModels = False,
    report_only: options.ReportOnly = False,
) -> None:
    """Compare balancing methods with equal budgets, over seeds, with single-task models and tuned fixed weights.

    Each method gets the same number of settings, judged on the valid part with a seed of its own; the best are then
    trained with every seed of --seeds and evaluated on the test part, once. Every run is a process of its own; one that
    fails is tried again, then reported, and the others go on. Interrupted, the same command goes on where it stopped;
    methods and seeds can be added later.

    Writes into OUT: plan.json, search/ and runs/ (run folders as of `train`), logs/, runs.csv, summary.csv, tests.csv,
    report.md and report.html.
    """
    from tf_gradcraft.comparison.plan import compare_plan

    if report_only:
        show_report(ctx, out)
        return
    plan = compare_plan(
        prepared,
        compared_tasks(prepared, tasks),
        parse_names(methods) or [],
        parse_seeds(seeds),
        trials=trials,
        search_seed=search_seed,
        search_training=search_training,
        training=options.training_of(ctx),
    )
    follow(ctx, plan, out, jobs, keep_models)
