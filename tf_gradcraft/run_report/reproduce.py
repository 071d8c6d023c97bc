"""How to do the run again: command, configuration, versions."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from tf_gradcraft.reporting import code, details, listing, paragraph
from tf_gradcraft.run_report.run_files import RunFiles

OPTIONS = (
    "model",
    "balancing",
    "balance_over",
    "balance_every",
    "epochs",
    "patience",
    "batch_size",
    "learning_rate",
    "seed",
)


def train_command(config: Mapping[str, Any], out: str) -> str:
    """Returns the command that trains a run again.

    Args:
        config: What `config.json` holds.
        out: The run folder to write.

    Example:
        >>> train_command({"prepared": "prepared/my log", "model": "ple", "seed": 3}, out="runs/ple")
        "tf-gradcraft train 'prepared/my log' --model ple --seed 3 --out runs/ple"
    """
    words = ["tf-gradcraft", "train", str(config["prepared"])]
    settings = {name: config[name] for name in OPTIONS if name in config} | config.get("model_settings", {})
    for name, value in settings.items():
        words += [f"--{name.replace('_', '-')}", str(value)]
    for name, value in config.get("balancing_settings", {}).items():
        words += ["--set", f"{name}={value if isinstance(value, str) else json.dumps(value)}"]
    if config.get("tasks"):
        words += ["--tasks", ",".join(config["tasks"])]
    return shlex.join([*words, "--out", out])


def reproduce_blocks(run: RunFiles, versions: Mapping[str, str]) -> list[Markup]:
    """Returns the command, the versions at training and now, and the whole configuration.

    Args:
        run: The run.
        versions: The versions with which the report was made.
    """
    trained = run.config.get("versions", {})
    entries = [
        (name, version if trained.get(name) in (None, version) else f"{trained[name]} (this report: {version})")
        for name, version in versions.items()
    ]
    return [
        paragraph("The same command on the same prepared folder, with these versions, gives the same numbers."),
        code(train_command(run.config, str(run.folder)), name="command"),
        listing(entries),
        details("config.json", code(json.dumps(run.config, indent=1), name="config.json")),
    ]
