"""What `compare` and `ablate` have in common: they follow a plan and show its report."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.markup import escape
from rich.table import Table

from tf_gradcraft.cli.console import Steps, errors, results
from tf_gradcraft.cli.options import model_settings, parse_names
from tf_gradcraft.cli.runs import TrainConfig
from tf_gradcraft.cli.tensorflow import import_quietly, import_without_logs, wants_logs

if TYPE_CHECKING:
    from tf_gradcraft.comparison.plan import Plan
    from tf_gradcraft.comparison.tables import TextTable


def compared_tasks(prepared: Path, chosen: str | None) -> tuple[str, ...]:
    """Returns the tasks to compare on: the chosen ones, or all.

    Raises:
        FileNotFoundError: If the prepared folder is none.
        ValueError: If a task is not known, has no AUC, or there are fewer than two.
    """
    from tf_gradcraft.data_pipelines.schema import Schema

    schema = Schema.load(prepared).select(tasks=parse_names(chosen))
    if others := [task.name for task in schema.tasks if task.kind != "binary"]:
        binary = [task.name for task in schema.tasks if task.kind == "binary"]
        raise ValueError(
            f"methods are compared by AUC, which {', '.join(others)} has not; name binary tasks with --tasks, such as "
            f"--tasks {','.join(binary)}"
        )
    if len(schema.tasks) < 2:
        raise ValueError(f"{schema.tasks[0].name} is a single task; to compare, name at least two with --tasks")
    return tuple(schema.task_names)


def parse_seeds(text: str) -> tuple[int, ...]:
    """Returns the seeds in a list with commas.

    Raises:
        ValueError: If one is no whole number.

    Example:
        >>> parse_seeds("1, 2,3")
        (1, 2, 3)
    """
    try:
        return tuple(int(seed) for seed in parse_names(text) or [])
    except ValueError as error:
        raise ValueError(
            f"--seeds {text!r}: write whole numbers with commas between, such as 1,2,3 ({error})"
        ) from error


def follow(ctx: typer.Context, plan: Plan, out: Path, jobs: int, keep_models: bool) -> None:
    """Checks a plan, runs it in a folder as far as it is not done, and writes and shows the report.

    Raises:
        typer.Exit: With code 1 if a run failed, with 130 on Ctrl-C.
    """
    from tf_gradcraft.comparison.plan import settle
    from tf_gradcraft.comparison.progress import RunProgress
    from tf_gradcraft.comparison.runner import run_plan

    plan = settle(plan, out)
    with Steps() as step:
        step("checking methods and options")
        in_new_process(check_plan, plan, wants_logs(ctx))
    try:
        failures = run_plan(plan, out, RunProgress(errors), jobs=jobs, keep_models=keep_models)
    except KeyboardInterrupt:
        errors.print("stopped; the same command goes on from here", style="yellow")
        raise typer.Exit(130) from None
    show_report(ctx, out)
    for name, text in failures.items():
        errors.print(f"[red]failed[/red] {escape(f'{name}: {text}')}", soft_wrap=True)
    if failures:
        raise typer.Exit(1)


def in_new_process(function: Callable[..., None], *arguments: Any) -> None:
    """Calls a function in another process, so that this one stays small, see `processes.Ended`; raises its error."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as executor:
        executor.submit(function, *arguments).result()


def check_plan(plan: Plan, debug: bool) -> None:
    """Checks every name and number that a plan's first runs have, as `train` does, before any is started.

    Args:
        plan: The plan.
        debug: Whether to show what TensorFlow logs.

    Raises:
        ValueError: If a model, method, hyper-parameter or option is not known or out of range.
    """
    if not debug:
        import_without_logs()
    from tf_gradcraft.cli.training import open_training
    from tf_gradcraft.comparison.method import SINGLE, SUM

    training = plan.training
    for method in plan.methods:
        trial = plan.trials_of(method)[0]
        settings = model_settings(
            training.model,
            expert_units=training.expert_units,
            tower_units=training.tower_units,
            embedding_dim=training.embedding_dim,
            backbone=training.backbone,
            dropout=trial.dropout,
            l2=training.l2,
        )
        config = TrainConfig(
            prepared=plan.prepared,
            model=training.model,
            balancing=SUM if method.balancing == SINGLE else method.balancing,
            balancing_settings=trial.settings,
            balance_over=training.balance_over,
            balance_every=training.balance_every,
            tasks=list(method.tasks),
            epochs=training.epochs,
            patience=training.patience,
            batch_size=training.batch_size,
            learning_rate=trial.learning_rate,
            model_settings=settings,
        )
        open_training(config)


def show_report(ctx: typer.Context, out: Path) -> None:
    """Writes the report of what is in a folder, and shows its tables."""
    from tf_gradcraft.comparison.plan import read_plan

    plan = read_plan(out)
    import_quietly(ctx)
    from tf_gradcraft.comparison.page import write_page
    from tf_gradcraft.comparison.report import make_report, write_csv, write_markdown

    report = make_report(plan, out)
    write_csv(report, out)
    write_markdown(report, out)
    write_page(report, out)
    for group in report.groups:
        results.print(f"\n[bold]{escape(group.group.title)}[/bold]")
        for table in group.tables():
            results.print(rich_table(table))
    results.print(rich_table(report.costs))
    for note in (*report.verdicts(), *report.notes()):
        results.print(escape(note), style="dim")
    results.print(f"Report: {escape(str(out / 'report.html'))}", soft_wrap=True)


def rich_table(text: TextTable) -> Table:
    """Returns a table for the terminal."""
    table = Table(title=text.title, title_justify="left")
    for place, column in enumerate(text.columns):
        table.add_column(escape(column), justify="right" if place else "left", no_wrap=place == 0)
    for row in text.rows:
        table.add_row(*(escape(cell) for cell in row))
    return table
