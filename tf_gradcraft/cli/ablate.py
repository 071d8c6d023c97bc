"""`tf-gradcraft ablate`: what each part of GradCraft brings, and how it scales with the number of tasks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tf_gradcraft.cli import comparing_options as options
from tf_gradcraft.cli.application import help_text
from tf_gradcraft.cli.comparing import compared_tasks, follow, parse_seeds, show_report
from tf_gradcraft.cli.comparing_options import DEFAULTS
from tf_gradcraft.cli.options import parse_names

EPILOG = """[bold]Examples[/bold]

tf-gradcraft ablate prepared/kuairand --out runs/ablation --jobs 2

tf-gradcraft ablate prepared/kuairand --out runs/tau --base gradcraft:projection=exact --taus 0,0.5,1 --epsilons 0"""


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(help=help_text(ablate), epilog=EPILOG)(ablate)


def ablate(
    ctx: typer.Context,
    prepared: Annotated[Path, typer.Argument(help="A folder that `prepare` wrote.")],
    out: Annotated[Path, typer.Option(help="The folder of the ablation; to go on with one, name it again.")],
    base: Annotated[
        str, typer.Option(help="What is varied: gradcraft, with settings that all have, such as gradcraft:tau=0.3.")
    ] = "gradcraft",
    taus: Annotated[str, typer.Option(help="Values of tau to sweep.")] = "0,0.1,0.3,0.5,0.7,0.9,1",
    epsilons: Annotated[str, typer.Option(help="Values of epsilon to sweep.")] = "0,1e-10,1e-9,1e-8,1e-4,1e-2",
    task_counts: Annotated[str, typer.Option(help="Numbers of tasks, the first ones of the folder.")] = "2,4,6",
    seeds: options.Seeds = "1,2,3",
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
    """Vary one thing of GradCraft at a time: tau, epsilon, its projection, the number of tasks.

    Four kinds of tables, on one page: the ablations of the paper (epsilon fixed at 0, tau = 1, tau = 0, one projection
    after the other) and the exact projection; sweeps over tau and over epsilon; the plain sum and GradCraft on the
    first 2, 4 and 6 tasks. Single-task models and the plain sum are in all of them. Nothing is searched: everything
    else has the values that are given here. Runs, resumes and reports as `compare` does.
    """
    from tf_gradcraft.comparison.ablation import ablation_plan

    if report_only:
        show_report(ctx, out)
        return
    plan = ablation_plan(
        prepared,
        compared_tasks(prepared, tasks),
        parse_seeds(seeds),
        base=base,
        taus=_numbers("--taus", taus),
        epsilons=_numbers("--epsilons", epsilons),
        task_counts=[int(count) for count in _numbers("--task-counts", task_counts)],
        training=options.training_of(ctx),
    )
    follow(ctx, plan, out, jobs, keep_models)


def _numbers(option: str, text: str) -> list[float]:
    """Returns the numbers in a list with commas.

    Raises:
        ValueError: If one is no number.
    """
    try:
        return [float(number) for number in parse_names(text) or []]
    except ValueError as error:
        raise ValueError(f"{option} {text!r}: write numbers with commas between, such as 0,0.5 ({error})") from error
