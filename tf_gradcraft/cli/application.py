"""The application that the commands belong to, and how it reports errors."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer
from rich.text import Text
from typer.core import TyperGroup

import tf_gradcraft
from tf_gradcraft.cli.console import errors, results
from tf_gradcraft.keras_stack import KerasStackError
from tf_gradcraft.tuning.requirement import MissingTuningError

DEBUG_VARIABLE = "TF_GRADCRAFT_DEBUG"


class Commands(TyperGroup):
    """All commands. A mistake of the user becomes one line on stderr and exit code 1, instead of a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Runs the chosen command."""
        try:
            return super().invoke(ctx)
        # What the library raises for bad input, and what the file system raises.
        except (ValueError, OSError, KerasStackError, MissingTuningError) as error:
            if ctx.params.get("debug"):
                raise
            message = " ".join(str(error).split()) or type(error).__name__
            errors.print(Text(f"error: {message}", style="red"), soft_wrap=True)
            raise typer.Exit(1) from error


app = typer.Typer(
    cls=Commands,
    name="tf-gradcraft",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with [bold]tf-gradcraft demo[/bold]: it needs no data and takes a minute or two.",
)


def help_text(command: Callable[..., Any]) -> str:
    r"""Returns a command's docstring with each paragraph on one line, for the terminal to wrap.

    Example:
        >>> command = lambda: None
        >>> command.__doc__ = "Do this.\n\n    And\n    that.\n    "
        >>> help_text(command)
        'Do this.\n\nAnd that.'
    """
    paragraphs = (inspect.getdoc(command) or "").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _show_version(wanted: bool) -> None:
    if wanted:
        results.print(f"tf-gradcraft {tf_gradcraft.__version__}")
        raise typer.Exit


@app.callback()
def main(
    debug: Annotated[
        bool,
        typer.Option("--debug", envvar=DEBUG_VARIABLE, help="Show the traceback of an error, and TensorFlow's logs."),
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Train multi-task recommenders whose task gradients are balanced: from raw logs to a served model.

    The path: [bold]prepare[/bold] raw logs, [bold]train[/bold] a model into a run folder, [bold]evaluate[/bold] it on
    the test part, [bold]export[/bold] it for TensorFlow Serving.
    """
