"""The `tf-gradcraft` command. Commands import TensorFlow when they run, so that `--help` answers at once."""

from __future__ import annotations

from tf_gradcraft.cli import demo, evaluate, export, prepare, train
from tf_gradcraft.cli.application import app

for _command in (demo, prepare, train, evaluate, export):
    _command.register(app)

__all__ = ["app"]
