"""The `tf-gradcraft` command. Commands import TensorFlow when they run, so that `--help` answers at once."""

from __future__ import annotations

from tf_gradcraft.cli import (
    ablate,
    compare,
    datasets,
    demo,
    evaluate,
    export,
    log_mlflow,
    prepare,
    prepare_table,
    report,
    search,
    serve_check,
    serve_config,
    synthesize,
    train,
)
from tf_gradcraft.cli.application import app

for _command in (
    demo,
    datasets,
    synthesize,
    prepare,
    prepare_table,
    train,
    search,
    evaluate,
    compare,
    ablate,
    report,
    export,
    serve_check,
    serve_config,
    log_mlflow,
):
    _command.register(app)

__all__ = ["app"]
