"""`tf-gradcraft datasets`: which data sets there are, where to get them, and what goes wrong with them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from tf_gradcraft.cli.application import help_text
from tf_gradcraft.cli.console import results

if TYPE_CHECKING:
    from tf_gradcraft.data_pipelines.datasets import Card

EPILOG = """[bold]Example[/bold]: all of them; then what one has to know about KuaiRand

tf-gradcraft datasets

tf-gradcraft datasets kuairand"""


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(help=help_text(datasets), epilog=EPILOG)(datasets)


def datasets(
    name: Annotated[str | None, typer.Argument(help="A data set, for its details; all of them by default.")] = None,
) -> None:
    """List the data sets that can be prepared: tasks, rows, licence and where to get them.

    With a name: its files, how each label is defined, its own options, and the columns that must never become features
    because they are known afterwards only.
    """
    from tf_gradcraft.data_pipelines import datasets as registry

    if name is None:
        results.print(overview((other, registry.get(other).card) for other in registry.names()))
        results.print("Details: tf-gradcraft datasets NAME. To prepare one: tf-gradcraft prepare NAME PATH OUT")
        return
    card = registry.get(name).card
    results.print(f"[bold]{name}[/bold]: {card.title}")
    results.print(details(card))


def overview(cards: Iterable[tuple[str, Card]]) -> Table:
    """Returns one row a data set."""
    table = Table(title="Data sets", title_justify="left", show_lines=True)
    table.add_column("name", no_wrap=True)
    table.add_column("tasks (in brackets: if asked for)", min_width=16)
    table.add_column("rows")
    # Wide enough for the host of an address, on a terminal of 80 columns.
    table.add_column("licence, where to get it", overflow="fold", min_width=28)
    for name, card in cards:
        table.add_row(name, "\n".join(marked_tasks(card)), card.rows, f"{card.licence}\n{card.homepage}")
    return table


def details(card: Card) -> Table:
    """Returns all that a card says."""
    table = Table(show_header=False, show_lines=True)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    table.add_row("rows", card.rows)
    table.add_row("where to get it", card.homepage)
    table.add_row("licence", card.licence)
    table.add_row("to cite", card.citation)
    table.add_row("files", "\n".join(card.files))
    tasks = zip(marked_tasks(card), card.tasks.values(), strict=True)
    table.add_row("tasks (in brackets: if asked for)", lines(tasks))
    table.add_row("[red]never features[/red]", lines(card.outcomes.items()))
    if card.warnings:
        table.add_row("[red]mind[/red]", "\n".join(card.warnings))
    if card.options:
        table.add_row("options, --set name=value", lines(card.options.items()))
    return table


def marked_tasks(card: Card) -> list[str]:
    """Returns the names of the tasks, those in brackets that are prepared only when they are asked for."""
    return [task if task in card.default_tasks else f"({task})" for task in card.tasks]


def lines(texts: Iterable[tuple[str, str]]) -> str:
    """Returns one line for each name and text.

    Example:
        >>> lines([("like", "column is_like")])
        'like: column is_like'
    """
    return "\n".join(f"{name}: {text}" for name, text in texts)
