"""JSON files that are written as a whole or not at all."""

from __future__ import annotations

import json
import math
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def write_whole(path: Path, text: str) -> None:
    """Writes a text as UTF-8; a reader, or a process that is killed meanwhile, never sees half of it."""
    beside = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        beside.write_text(text, encoding="utf-8")
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Writes a JSON value, complete or not at all; numbers that are not finite become null (JSON has no NaN)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps(finite_or_none(value), indent=1, allow_nan=False) + "\n")


def read_json(path: Path, remedy: str = "delete it, and it is made again") -> Any:
    """Reads a JSON file.

    Args:
        path: The file.
        remedy: What to do if it is damaged.

    Raises:
        ValueError: If it is damaged; the message names the file and says what to do.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} can't be read, it is damaged ({error}); {remedy}") from error


def finite_or_none(value: Any) -> Any:
    """Returns a JSON value with None in the place of numbers that are not finite.

    Example:
        >>> finite_or_none({"auc": [0.5, float("nan")]})
        {'auc': [0.5, None]}
    """
    if isinstance(value, Mapping):
        return {name: finite_or_none(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite_or_none(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
