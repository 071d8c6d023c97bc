"""What is compared: a balancing method with settings that are pinned, or single-task models."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

SINGLE, SUM, FIXED = "single", "sum", "fixed"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Method:
    """One row of the table.

    Args:
        label: How it is called in tables, and, made fit for that, as a folder.
        balancing: Name of a balancing method, or `"single"`: one model a task.
        settings: Hyper-parameters that are pinned; a search leaves them alone.
        tasks: The tasks it is trained on.
    """

    label: str
    balancing: str
    settings: dict[str, Any] = dataclasses.field(default_factory=dict)
    tasks: tuple[str, ...]

    @property
    def parts(self) -> tuple[tuple[str, ...], ...]:
        """The tasks of each of its models: of one model all, of single-task models one each."""
        return tuple((task,) for task in self.tasks) if self.balancing == SINGLE else (self.tasks,)


def parse_method(text: str, tasks: tuple[str, ...]) -> Method:
    """Returns the method that a text such as `gradcraft:projection=exact:tau=0.3` names.

    Args:
        text: A name, then pinned settings, with colons between; a value is read as JSON where it is JSON.
        tasks: The tasks to train on.

    Raises:
        ValueError: If a setting has another form or is given twice, or single-task models get settings.

    Example:
        >>> parse_method("gradcraft:projection=exact:tau=0.3", ("click", "like")).settings
        {'projection': 'exact', 'tau': 0.3}
    """
    name, *items = text.split(":")
    settings: dict[str, Any] = {}
    for item in items:
        key, equals, value = item.partition("=")
        if not (key and equals and value):
            raise ValueError(f"method {text!r}: {item!r} is no setting; write name:setting=value")
        if key in settings:
            raise ValueError(f"method {text!r}: {key} is given twice; give it once")
        try:
            settings[key] = json.loads(value)
        except json.JSONDecodeError:
            settings[key] = value
    if name == SINGLE and settings:
        raise ValueError(f"method {text!r}: single-task models have no settings; write {SINGLE}")
    return Method(label=text, balancing=name, settings=settings, tasks=tasks)
