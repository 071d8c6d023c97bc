"""A log described in a small TOML or JSON file, for the command line."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tf_gradcraft.data_pipelines.preparation.labels import label_from_config
from tf_gradcraft.data_pipelines.preparation.options import Options
from tf_gradcraft.data_pipelines.preparation.table_spec import History, TableSpec, Tags
from tf_gradcraft.data_pipelines.task import Task
from tf_gradcraft.suggestions import unknown_name

FURTHER_KEYS = ("labels", "types", "duplicates", "options")


def read_spec_file(path: str | Path) -> dict[str, Any]:
    """Reads what `prepare` wants of a log: a `TableSpec` and, where given, labels, types and options.

    The file has the fields of `TableSpec` by name. `tasks` lists names of binary tasks, or tables with the fields of
    `Task`; `tags` and `histories` are tables by name; the transform `"none"` of a number stands for no transform.
    `labels` (see `label_from_config`), `types`, `duplicates` and `options` (fields of `Options`) may be given beside.

    Args:
        path: A file that ends in `.toml` (Python 3.11 or later) or `.json`.

    Returns:
        Arguments of `prepare` by name.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it can't be read, or a name in it is not known.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "spec.json"
        >>> _ = path.write_text('{"user": "u", "item": "i", "time": "t", "tasks": ["click"], "categorical": {}}')
        >>> read_spec_file(path)["spec"].task_names
        ('click',)
    """
    config = read_config(Path(path))
    known = tuple(field.name for field in dataclasses.fields(TableSpec))
    for key in config:
        if key not in (*known, *FURTHER_KEYS):
            raise ValueError(f"{path}: " + unknown_name("key", key, (*known, *FURTHER_KEYS)))
    further = {key: config.pop(key) for key in FURTHER_KEYS if key in config}
    try:
        found: dict[str, Any] = {"spec": spec_from_config(config)}
        if "labels" in further:
            labels = further["labels"].items()
            found["labels"] = {name: label_from_config(name, label) for name, label in labels}
        if "options" in further:
            found["options"] = Options(**further["options"])
    except (TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"{path}: {error}") from error
    return {**found, **{key: further[key] for key in ("types", "duplicates") if key in further}}


def read_config(path: Path) -> dict[str, Any]:
    """Returns what a TOML or JSON file holds."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist; write a description of the log there, see docs/data.md")
    text = path.read_text(encoding="utf-8")
    try:
        if path.suffix == ".json":
            config = json.loads(text)
        elif sys.version_info >= (3, 11):
            import tomllib

            config = tomllib.loads(text)
        else:
            raise ValueError("TOML needs Python 3.11 or later; write the description as JSON")
    except ValueError as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
    if not isinstance(config, dict):
        raise ValueError(f"{path} holds no names and values at its top level")
    return config


def spec_from_config(config: Mapping[str, Any]) -> TableSpec:
    """Returns the spec that plain types stand for, see `read_spec_file`."""
    fields = dict(config)
    fields["tasks"] = tuple(task if isinstance(task, str) else Task(**task) for task in fields.get("tasks", ()))
    if "numeric" in fields:
        fields["numeric"] = {name: None if of == "none" else of for name, of in fields["numeric"].items()}
    for name in ("statistic_keys", "candidate"):
        fields[name] = tuple(fields.get(name, ()))
    fields["crosses"] = tuple(map(tuple, fields.get("crosses", ())))
    fields["tags"] = {name: Tags(**tags) for name, tags in fields.get("tags", {}).items()}
    fields["histories"] = {name: History(**history) for name, history in fields.get("histories", {}).items()}
    return TableSpec(**fields)
