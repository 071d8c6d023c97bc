"""`tf-gradcraft search`: a prepared folder to the best of many trials, and a report on all."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from tf_gradcraft.cli.application import help_text
from tf_gradcraft.cli.console import Steps, results
from tf_gradcraft.cli.options import parse_names
from tf_gradcraft.cli.search_config import SearchConfig, claim, parse_space, read_search
from tf_gradcraft.cli.tables import metrics_table
from tf_gradcraft.cli.tensorflow import import_quietly
from tf_gradcraft.files.lock import alone
from tf_gradcraft.tuning.processes import end_with_parent, search_in_processes
from tf_gradcraft.tuning.requirement import require_keras_tuner

EPILOG = """[bold]Examples[/bold]

tf-gradcraft search prepared/kuairand --out runs/search --method gradcraft --model ple --trials 20 --workers 2

tf-gradcraft search prepared/kuairand --out runs/likes --tuner bayesian --objective click=1,like=2
--space tau=0..1:0.1 --space learning_rate=1e-4..1e-2:log --space batch_size=4096"""

DEFAULTS = SearchConfig(prepared="")
_ADDRESS, _NAME = "KERASTUNER_ORACLE_IP", "KERASTUNER_TUNER_ID"


def register(app: typer.Typer) -> None:
    """Adds the command, and the hidden one of its worker processes."""
    app.command(help=help_text(search), epilog=EPILOG)(search)
    app.command("search-process", hidden=True)(search_process)


def search(
    ctx: typer.Context,
    prepared: Annotated[Path, typer.Argument(help="A folder that `prepare` wrote.")],
    out: Annotated[Path, typer.Option(help="The folder of the search.")],
    tuner: Annotated[str, typer.Option(help="hyperband, random, bayesian or grid.")] = DEFAULTS.tuner,
    trials: Annotated[int, typer.Option(help="Number of trials, those of all rounds of Hyperband.")] = DEFAULTS.trials,
    objective: Annotated[
        str,
        typer.Option(
            help="What to make large on the valid part: auc or gauc (mean over tasks), weights such as click=1,like=2, "
            "or gauc:click=1,like=2."
        ),
    ] = DEFAULTS.objective,
    method: Annotated[
        str | None,
        typer.Option(help="Balancing methods to choose from, with commas. Default: gradcraft,metabalance,sum."),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Models to choose from, with commas. Default: ple,mmoe,shared_bottom.")
    ] = None,
    space: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUES",
            help="An axis: one value, values with commas, or a range such as 0..1:0.1 or 1e-4..1e-2:log; repeatable. "
            "tau, epsilon, relax_factor, strategy, balance_over, experts, units, dropout, embedding_dim, "
            "learning_rate, batch_size, or METHOD.NAME.",
        ),
    ] = None,
    tasks: Annotated[str | None, typer.Option(help="Train only these tasks, such as click,like. Default: all.")] = None,
    epochs: Annotated[int, typer.Option(help="Most epochs of a trial.")] = DEFAULTS.epochs,
    patience: Annotated[
        int, typer.Option(help="A trial stops after so many epochs without a better objective.")
    ] = DEFAULTS.patience,
    factor: Annotated[
        int, typer.Option(help="Hyperband: one in so many trials of a round is trained further.")
    ] = DEFAULTS.factor,
    seed: Annotated[int, typer.Option(help="Seed of the search and of each trial.")] = DEFAULTS.seed,
    workers: Annotated[int, typer.Option(help="Trials at a time, each in a process of its own.")] = 1,
) -> None:
    """Search for hyper-parameters with KerasTuner: each trial trains a model and is judged on the valid part.

    The first trial has the defaults. A line on stderr tells of each trial. The same command goes on with a search that
    was stopped or killed, and adds trials where --trials is more than before; trials that ended are not run again.

    Writes into the folder: best/ (the run folder of the best trial, for evaluate and export), pareto.html (which trials
    no other one dominates, task by task), trials.csv, and trials/ (KerasTuner's files). The test part is not looked at.
    """
    axes = parse_space([*(space or []), *([f"method={method}"] if method else [])])
    if model:
        axes = parse_space([*(f"{name}={text}" for name, text in axes.items()), f"architecture={model}"])
    config = SearchConfig(
        prepared=str(prepared.resolve()),
        tuner=tuner,
        trials=trials,
        objective=objective,
        space=axes,
        tasks=parse_names(tasks),
        epochs=epochs,
        patience=patience,
        factor=factor,
        seed=seed,
    )
    if workers < 1:
        raise ValueError(f"workers must be at least 1, got {workers}")
    require_keras_tuner("tf-gradcraft search")
    out = out.resolve()
    if _ADDRESS in os.environ and "chief" not in os.environ.get(_NAME, ""):
        _take_part(ctx, config, out)  # a worker of a chief elsewhere
        return
    with Steps() as step:
        step("loading TensorFlow")
        import_quietly(ctx)
        from tf_gradcraft.cli.searching import hypermodel_of
        from tf_gradcraft.cli.searching import search as run_search

        step(f"opening {prepared}")
        hypermodel_of(config)
    claim(out, config)
    with alone(out, "searched"):
        if workers == 1:
            run_search(config, out)
        else:
            threads = str(max(1, (os.cpu_count() or 1) // workers))
            given = {"TF_NUM_INTRAOP_THREADS": threads, "TF_NUM_INTEROP_THREADS": threads} | dict(os.environ)
            program = [sys.executable, "-c", "from tf_gradcraft.cli import app; app()", "search-process", str(out)]
            search_in_processes(program, workers, given)
        with Steps() as step:
            step("writing the best trial and the report")
            from tf_gradcraft.cli.search_results import REPORT_FILE, TABLE_FILE, write_results

            best, report = write_results(config, out)
    metrics = {name.removeprefix("val_"): value for name, value in best.metrics.items()}
    title = f"{out / 'best'}: trial {int(best.name) + 1}, valid part, epoch {best.epoch}"
    results.print(metrics_table(title, metrics, list(report.metrics)))
    found = f"{len(report.trials)} trials, {int(report.front.sum())} not dominated"
    results.print(f"{found}: {out / REPORT_FILE}, {out / TABLE_FILE}", soft_wrap=True)
    results.print(f"Next: tf-gradcraft evaluate {out / 'best'}", soft_wrap=True)


def search_process(ctx: typer.Context, out: Path) -> None:
    """Take part in a search, as the environment says: what `search --workers` starts."""
    end_with_parent()
    _take_part(ctx, read_search(out), out)


def _take_part(ctx: typer.Context, config: SearchConfig, out: Path) -> None:
    import_quietly(ctx)
    from tf_gradcraft.cli.searching import search as run_search

    run_search(config, out)
