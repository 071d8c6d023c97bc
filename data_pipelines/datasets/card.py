"""What one should know of a data set before using it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True, kw_only=True)
class Card:
    """The facts about a data set that `tf-gradcraft datasets NAME` shows.

    Args:
        title: What it is, in a few words.
        rows: Number of rows of the release, in words.
        homepage: Where to get it.
        licence: On which terms.
        citation: The paper or page to cite.
        files: The files that are read, as they are named in the release.
        tasks: For each task how its label is defined. All tasks that there are, in order.
        default_tasks: The tasks that are prepared unless others are asked for; all by default.
        outcomes: For each column of the release that must never become a feature the reason.
        warnings: What else goes wrong easily.
        options: For each option of its own what it does.

    Raises:
        ValueError: If a default task is none of the tasks.

    Example:
        >>> card = Card(title="A log", rows="1,000", homepage="https://example.org", licence="CC0", citation="A, 2024",
        ...             files=("log.csv",), tasks={"click": "column is_click", "like": "column is_like"},
        ...             outcomes={"is_click": "the label of click", "is_like": "the label of like"})
        >>> card.default_tasks
        ('click', 'like')
    """

    title: str
    rows: str
    homepage: str
    licence: str
    citation: str
    files: tuple[str, ...]
    tasks: Mapping[str, str]
    outcomes: Mapping[str, str]
    default_tasks: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    options: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "default_tasks", tuple(self.default_tasks or self.tasks))
        if unknown := [task for task in self.default_tasks if task not in self.tasks]:
            raise ValueError(f"default_tasks holds {unknown[0]!r}, which is none of the tasks {', '.join(self.tasks)}")
