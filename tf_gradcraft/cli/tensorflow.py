"""Importing TensorFlow without the noise of its C++ parts."""

from __future__ import annotations

import importlib
import os
import sys
import tempfile

import typer

from tf_gradcraft.keras_stack import require_keras_3


def import_quietly(ctx: typer.Context) -> None:
    """Imports TensorFlow and Keras; what their libraries log meanwhile is shown only with `--debug`, or if they fail.

    Only the command does this: the library leaves logging to its users.

    Args:
        ctx: The context of the command.
    """
    if not wants_logs(ctx):
        import_without_logs()


def wants_logs(ctx: typer.Context) -> bool:
    """Whether a command was called with `--debug`."""
    return bool(ctx.find_root().params.get("debug"))


def import_without_logs() -> None:
    """Imports TensorFlow and Keras; what their libraries log meanwhile is shown only if they fail."""
    if "keras" in sys.modules:
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # The first messages are written before that variable is looked at, straight to the file descriptor.
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as log:
        os.dup2(log.fileno(), 2)
        try:
            importlib.import_module("keras")
            require_keras_3("tf-gradcraft")
        except BaseException:
            log.seek(0)
            os.write(kept, log.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
