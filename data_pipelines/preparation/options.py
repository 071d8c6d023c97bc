"""What can be chosen about a preparation, whatever the data set, and what a data set says of its table."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from tf_gradcraft.data_pipelines.preparation.splitting import SPLIT_WAYS
from tf_gradcraft.suggestions import unknown_name


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """The choices of one preparation.

    Args:
        split: `"random"` (8:1:1) or `"date"`.
        k_core: Keeps only users and items with at least so many rows, iterated until stable; 0 keeps all.
        valid_from: First date of the valid part (split by date).
        test_from: First date of the test part (split by date).
        seed: Seed of the random split and of the folds.
        min_count: Values in fewer training rows become unknown (id 0).
        folds: Number of folds for the rates of the training rows.
        smoothing: Number of rows that the prior counts for in a rate: one number, or one for each task.

    Raises:
        ValueError: If a choice makes no sense.

    Example:
        >>> Options(split="data")
        Traceback (most recent call last):
        ValueError: split='data' is not known; did you mean 'date'? Known: random, date
    """

    split: str = "random"
    k_core: int = 0
    valid_from: int = 0
    test_from: int = 0
    seed: int = 0
    min_count: int = 1
    folds: int = 5
    smoothing: float | Mapping[str, float] = 10.0

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
        """Returns the choices as plain JSON types; dates only when they matter."""
        config = dataclasses.asdict(self)
        if self.split != "date":
            del config["valid_from"], config["test_from"]
        return config


@dataclasses.dataclass(frozen=True, kw_only=True)
class TableSpec:
    """What the columns of a cleaned and joined log are. A new data set is one of these and a reading function.

    Args:
        user: Integer or string column of the user.
        item: Integer or string column of the item.
        time: Integer column that orders the rows.
        tasks: Binary tasks; each is a column of labels in {0, 1} of that name.
        categorical: For each categorical feature its raw dtype, `"int64"` or `"string"`.
        numeric: For each numeric feature its transform, `"log1p"` or None.
        date: Integer column that the split by date looks at; `time` by default.
        group: Column whose raw values group the rows for group AUC; the user by default.
        crosses: Pairs (or longer tuples) of categorical features that also become one feature each, named
            `a_x_b`.
        statistic_keys: Categorical features (crosses too) that get historical rates of every task and a count, named
            `<key>_<task>_rate` (the log-odds of the smoothed rate, see `KeyStatistics`) and `<key>_count`.
        masks: For each task whose label is not known on all rows the column with the weight (0 = not labelled).
        candidate: Features that describe the item, besides the item itself: when candidates are ranked they come with
            each candidate, all others once a request (`Feature.side`).

    Raises:
        ValueError: If `candidate` names what is no raw feature.

    Example:
        >>> spec = TableSpec(user="u", item="i", time="t", tasks=("click",), categorical={"u": "int64", "i": "int64"},
        ...                  crosses=(("u", "i"),))
        >>> spec.cross_names, spec.columns
        ({'u_x_i': ('u', 'i')}, ('t', 'u', 'i', 'click'))
    """

    user: str
    item: str
    time: str
    tasks: tuple[str, ...]
    categorical: Mapping[str, str]
    numeric: Mapping[str, str | None] = dataclasses.field(default_factory=dict)
    date: str | None = None
    group: str | None = None
    crosses: tuple[tuple[str, ...], ...] = ()
    statistic_keys: tuple[str, ...] = ()
    masks: Mapping[str, str] = dataclasses.field(default_factory=dict)
    candidate: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in self.candidate:
            if name not in (*self.categorical, *self.numeric):
                raise ValueError(unknown_name("candidate feature", name, (*self.categorical, *self.numeric)))

    def side(self, name: str) -> str:
        """Returns what a raw feature is a property of when candidates are ranked, see `Feature.side`."""
        return "candidate" if name == self.item or name in self.candidate else "request"

    @property
    def cross_names(self) -> dict[str, tuple[str, ...]]:
        """Name of each cross and what it crosses."""
        return {"_x_".join(parts): tuple(parts) for parts in self.crosses}

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the table must have."""
        names = [self.time, self.user, self.item, self.date, self.group]
        names += [*self.categorical, *self.numeric, *self.tasks, *self.masks.values()]
        return tuple(dict.fromkeys(name for name in names if name is not None))


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
