"""`tf-gradcraft train`: a prepared folder to a run folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tf_gradcraft.cli.application import help_text
from tf_gradcraft.cli.console import Steps, errors, results
from tf_gradcraft.cli.options import model_settings, parse_names, parse_settings
from tf_gradcraft.cli.runs import TrainConfig, check_place, new_run
from tf_gradcraft.cli.tables import metrics_table
from tf_gradcraft.cli.tensorflow import import_quietly
from tf_gradcraft.cli.trackers import require_extra, tensorboard_callback

EPILOG = """[bold]Examples[/bold]

tf-gradcraft train prepared/kuairand --model ple --balancing gradcraft --set tau=0.1 --out runs/gradcraft

tf-gradcraft train prepared/kuairand --balancing metabalance --set target=like --set relax_factor=0.9 --out runs/like

tf-gradcraft train prepared/kuairand --balancing sum --out runs/sum"""

DEFAULTS = TrainConfig(prepared="")


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(help=help_text(train), epilog=EPILOG)(train)


def train(
    ctx: typer.Context,
    prepared: Annotated[Path, typer.Argument(help="A folder that `prepare` wrote.")],
    out: Annotated[Path, typer.Option(help="The run folder to write.")],
    model: Annotated[
        str,
        typer.Option(
            help="shared_bottom, omoe, mmoe, dselect_k, cgc, ple, stem, home or aitm. (esmm and escm2 need to be told "
            "which task follows from which: train them in Python.)"
        ),
    ] = DEFAULTS.model,
    balancing: Annotated[
        str,
        typer.Option(
            help="How task gradients are balanced: gradcraft, metabalance, upgrad, uw, sum (the plain sum of the "
            "losses) and many more. A wrong name lists all."
        ),
    ] = DEFAULTS.balancing,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="A hyper-parameter of the method, such as tau=0.1; repeatable. A wrong name lists all.",
        ),
    ] = None,
    balance_over: Annotated[
        str,
        typer.Option(
            help="What tasks are compared on: parameters (exact), or representation (near the speed of plain training)."
        ),
    ] = DEFAULTS.balance_over,
    balance_every: Annotated[
        int, typer.Option(help="Compare the tasks anew in every step of this number.")
    ] = DEFAULTS.balance_every,
    epochs: Annotated[int, typer.Option(help="Most passes over the training part.")] = DEFAULTS.epochs,
    patience: Annotated[
        int, typer.Option(help="Stop after so many epochs without a better mean AUC on the valid part.")
    ] = DEFAULTS.patience,
    batch_size: Annotated[int, typer.Option(help="Rows a training step.")] = DEFAULTS.batch_size,
    learning_rate: Annotated[float, typer.Option(help="Step size of LazyAdam.")] = DEFAULTS.learning_rate,
    embedding_dim: Annotated[int, typer.Option(help="Length of an embedding.")] = 16,
    backbone: Annotated[
        str, typer.Option(help="How features interact below the experts: mlp (not at all), deepfm, dcn_v2 or dot.")
    ] = "mlp",
    dropout: Annotated[float, typer.Option(help="Share of units dropped in experts and towers, in [0, 1).")] = 0.2,
    expert_units: Annotated[
        str | None, typer.Option(help="Units of the layers of an expert (or of the bottom), such as 256,128,64.")
    ] = None,
    tower_units: Annotated[str | None, typer.Option(help="Units of the layers of a tower, such as 32,16.")] = None,
    l2: Annotated[float, typer.Option(help="Factor of the L2 penalty on kernels and looked-up embedding rows.")] = 0.0,
    tasks: Annotated[
        str | None, typer.Option(help="Train only these tasks, in this order, such as click,like. Default: all.")
    ] = None,
    tensorboard: Annotated[
        Path | None, typer.Option(help="A folder for TensorBoard: the values of each epoch, while training runs.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of weights, dropout and the order of the rows.")] = DEFAULTS.seed,
    monitor: Annotated[
        bool, typer.Option("--monitor", help="Record the tasks' gradients in gradients.json; training is the same.")
    ] = DEFAULTS.monitor_gradients,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a run that is there already.")] = False,
) -> None:
    """Train a model on a prepared folder and keep its best epoch, by mean AUC on the valid part.

    The mean is over the binary tasks; where there is none, the loss decides.

    Writes the run folder: config.json (all options and versions), history.json (values by epoch), metrics.json (valid
    part, best epoch), model.keras and, with --monitor, gradients.json. The test part is not looked at. The folder
    appears when training is complete; until then, and on any error, what was there stays as it was.
    """
    config = TrainConfig(
        prepared=str(prepared.resolve()),
        model=model,
        balancing=balancing,
        balancing_settings=parse_settings(settings or []),
        balance_over=balance_over,
        balance_every=balance_every,
        tasks=parse_names(tasks),
        epochs=epochs,
        patience=patience,
        batch_size=batch_size,
        learning_rate=learning_rate,
        model_settings=model_settings(
            model,
            expert_units=expert_units,
            tower_units=tower_units,
            embedding_dim=embedding_dim,
            backbone=backbone,
            dropout=dropout,
            l2=l2,
        ),
        seed=seed,
        monitor_gradients=monitor,
    )
    check_place(out, overwrite)
    if tensorboard is not None:
        require_extra("tensorboard", "--tensorboard", "tensorboard")
    with Steps() as step:
        step("loading TensorFlow")
        import_quietly(ctx)
        from tf_gradcraft.cli.training import open_training, train_model, write_run

        step(f"opening {prepared}")
        job = open_training(config)
    with new_run(out, overwrite) as folder:
        trained = train_model(job, [tensorboard_callback(tensorboard)] if tensorboard else [])
        write_run(folder, job, trained)
    for text in trained.gradients["alerts"] if trained.gradients else ():
        errors.print(f"look at this: {text}", style="yellow", markup=False, soft_wrap=True)
    results.print(metrics_table(f"{out}: valid part, epoch {trained.epoch}", trained.metrics, job.schema.task_names))
    results.print(f"Next: tf-gradcraft evaluate {out}", soft_wrap=True)
