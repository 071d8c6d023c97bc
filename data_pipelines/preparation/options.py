"""What can be chosen about a preparation, whatever the data set."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from typing import Any

from tf_gradcraft.data_pipelines.preparation.splitting import SPLIT_WAYS
from tf_gradcraft.data_pipelines.preparation.table_spec import TableSpec
from tf_gradcraft.suggestions import unknown_name

__all__ = ["RATE_WAYS", "Options", "TableSpec", "check_tasks"]

RATE_WAYS = ("out_of_fold", "before")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """The choices of one preparation.

    Args:
        split: `"random"` (8:1:1 of the rows), `"date"` (by time), `"user"` (8:1:1 of the users: all rows of a user fall
            into one part) or `"leave_one_out"` (of each user with three rows or more the last one is for test, the one
            before for valid).
        k_core: Keeps only users and items with at least so many rows, iterated until stable; 0 keeps all.
        valid_from: First date of the valid part (split by date).
        test_from: First date of the test part (split by date).
        seed: Seed of the random splits and of the folds.
        min_count: Values in fewer training rows become unknown (id 0).
        folds: Number of folds for the rates of the training rows.
        smoothing: Number of rows that the prior counts for in a rate: one number, or one for each task.
        rates: Which training rows a training row's historical rates and counts come from: `"out_of_fold"` (those of
            other folds) or `"before"` (those strictly before the row's time).
        memory_limit: What DuckDB may take of the memory, such as `"2GB"`; it spills to disk beyond. Like the next two
            it does not change the result, and is not in the manifest.
        threads: Number of DuckDB's threads; all cores by default.
        temp_directory: Where DuckDB spills to; beside the prepared folder by default.

    Raises:
        ValueError: If a choice makes no sense.

    Example:
        >>> Options(split="data")
        Traceback (most recent call last):
        ValueError: split='data' is not known; did you mean 'date'? Known: random, date, user, leave_one_out
    """

    split: str = "random"
    k_core: int = 0
    valid_from: int = 0
    test_from: int = 0
    seed: int = 0
    min_count: int = 1
    folds: int = 5
    smoothing: float | Mapping[str, float] = 10.0
    rates: str = "out_of_fold"
    memory_limit: str = "4GB"
    threads: int | None = None
    temp_directory: str | None = None

    def __post_init__(self) -> None:
        if self.split not in SPLIT_WAYS:
            raise ValueError(unknown_name("split", self.split, SPLIT_WAYS))
        if self.k_core < 0:
            raise ValueError(f"k_core must be 0 (off) or positive, got {self.k_core}")
        if self.split == "date" and not self.valid_from < self.test_from:
            raise ValueError(f"valid_from={self.valid_from} must come before test_from={self.test_from}")
        if self.min_count < 1:
            raise ValueError(f"min_count must be at least 1, got {self.min_count}")
        if self.folds < 2:
            raise ValueError(f"folds must be at least 2 (a row must not see its own label), got {self.folds}")
        if self.rates not in RATE_WAYS:
            raise ValueError(unknown_name("rates", self.rates, RATE_WAYS))
        if not re.fullmatch(r"\d+(\.\d+)? ?[KMGT]i?B", self.memory_limit):
            raise ValueError(f"memory_limit is a size such as '2GB', got {self.memory_limit!r}")
        if self.threads is not None and self.threads < 1:
            raise ValueError(f"threads must be at least 1, got {self.threads}")
        for value in self.smoothing.values() if isinstance(self.smoothing, Mapping) else [self.smoothing]:
            if not value > 0:
                raise ValueError(f"smoothing must be positive, got {value}")

    def smoothing_of(self, task: str) -> float:
        """Returns the smoothing of a task.

        Raises:
            ValueError: If smoothing was given by task and this one is left out.
        """
        if not isinstance(self.smoothing, Mapping):
            return float(self.smoothing)
        if task not in self.smoothing:
            raise ValueError(f"smoothing is given by task, but not for {task!r}; add it")
        return float(self.smoothing[task])

    def to_dict(self) -> dict[str, Any]:
        """Returns the choices that matter to the result as plain JSON types."""
        config = dataclasses.asdict(self)
        for name in ("memory_limit", "threads", "temp_directory"):
            del config[name]
        if self.split != "date":
            del config["valid_from"], config["test_from"]
        return config


def check_tasks(tasks: Iterable[str], known: tuple[str, ...]) -> tuple[str, ...]:
    """Returns the tasks; refuses names that a data set doesn't have, or that stand there twice.

    Raises:
        ValueError: Naming the task and near names.

    Example:
        >>> check_tasks(("clik",), ("click", "like"))
        Traceback (most recent call last):
        ValueError: task='clik' is not known; did you mean 'click'? Known: click, like
    """
    names = () if isinstance(tasks, str) else tuple(tasks)
    if not names:
        raise ValueError(f"tasks must be a list of at least one task, got {tasks!r}; known: {', '.join(known)}")
    for task in names:
        if task not in known:
            raise ValueError(unknown_name("task", task, known))
        if names.count(task) > 1:
            raise ValueError(f"the task {task!r} stands twice in tasks={names}; name it once")
    return names
