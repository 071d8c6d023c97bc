"""Options that `compare` and `ablate` share."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer

from tf_gradcraft.comparison.training import Training

DEFAULTS = Training()

Seeds = Annotated[str, typer.Option(help="Seeds of the runs that count, with commas between.")]
Tasks = Annotated[str | None, typer.Option(help="Only these tasks, such as click,like. Default: all.")]
Model = Annotated[str, typer.Option(help="The model of all runs, see `train`.")]
Epochs = Annotated[int, typer.Option(help="Most passes over the training part.")]
Patience = Annotated[int, typer.Option(help="Stop after so many epochs without a better mean AUC on the valid part.")]
BatchSize = Annotated[int, typer.Option(help="Rows a training step.")]
LearningRate = Annotated[float, typer.Option(help="Step size of LazyAdam; where a search starts.")]
Dropout = Annotated[float, typer.Option(help="Share of units dropped, in [0, 1); where a search starts.")]
EmbeddingDim = Annotated[int, typer.Option(help="Length of an embedding.")]
Backbone = Annotated[str, typer.Option(help="How features interact below the experts, see `train`.")]
L2 = Annotated[float, typer.Option(help="Factor of the L2 penalty.")]
ExpertUnits = Annotated[str | None, typer.Option(help="Units of an expert's layers, such as 256,128,64.")]
TowerUnits = Annotated[str | None, typer.Option(help="Units of a tower's layers, such as 32,16.")]
BalanceOver = Annotated[str, typer.Option(help="What tasks are compared on: parameters or representation.")]
BalanceEvery = Annotated[int, typer.Option(help="Compare the tasks anew in every step of this number.")]
Jobs = Annotated[int, typer.Option(min=1, help="Runs side by side; each gets an equal share of the cores.")]
KeepModels = Annotated[
    bool, typer.Option("--keep-models", help="Keep the models of the runs that count once they are evaluated.")
]
ReportOnly = Annotated[bool, typer.Option("--report-only", help="Run nothing; write the report of what is there.")]


def training_of(ctx: typer.Context) -> Training:
    """Returns what all runs have in common, as the options of a command say; they have the names of its fields."""
    return Training(**{field.name: ctx.params[field.name] for field in dataclasses.fields(Training)})
