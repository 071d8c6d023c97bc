"""What the columns of a log are: the one thing that a new data set has to say."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping

from tf_gradcraft.data_pipelines.task import Task
from tf_gradcraft.suggestions import unknown_name


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tags:
    """A column of lists: text with a separator, or a list column.

    Args:
        length: Most values of a row that are kept; further ones are cut.
        dtype: What a single value is, `"string"` or `"int64"`.
        separator: What parts the values in a text column; blanks around values are dropped.
        pooling: How a model brings the embeddings together: `"mean"`, `"sum"` or `"max"`.

    Example:
        >>> Tags(length=3, separator="|").dtype
        'string'
    """

    length: int
    dtype: str = "string"
    separator: str = ","
    pooling: str = "mean"


@dataclasses.dataclass(frozen=True, kw_only=True)
class History:
    """The last items of the row's user, strictly before the row's time, most recent first.

    Args:
        length: How many.
        of: The categorical feature whose values are listed; the item by default.

    Example:
        >>> History(length=20).of is None
        True
    """

    length: int
    of: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class TableSpec:
    """What the columns of a cleaned and joined log are. A new data set is one of these and a reading function.

    Args:
        user: Integer or string column of the user.
        item: Integer or string column of the item.
        time: Integer column that orders the rows.
        tasks: Names of binary tasks, or `Task`s of any kind; each is a column of labels of that name.
        categorical: For each categorical feature its raw dtype, `"int64"` or `"string"`.
        numeric: For each numeric feature its transform, `"log1p"` or None.
        date: Integer column that the split by date looks at; `time` by default.
        group: Column whose raw values group the rows for group AUC; the user by default.
        crosses: Pairs (or longer tuples) of categorical features that also become one feature each, named
            `a_x_b`.
        statistic_keys: Categorical features (crosses too) that get historical rates of every binary task and a count,
            named `<key>_<task>_rate` (the log-odds of the smoothed rate, see `KeyStatistics`) and `<key>_count`.
        masks: For each task whose label is not known on all rows the column with the weight (0 = not labelled); a
            `Task` may name its own.
        candidate: Features that describe the item, besides the item itself: when candidates are ranked they come with
            each candidate, all others once a request (`Feature.side`).
        hashed: For each categorical feature without a vocabulary of its own the number of ids it is hashed to.
        buckets: For each numeric feature that is embedded by buckets their number; boundaries are quantiles of the
            training part.
        tags: Features with several values a row, by column.
        histories: Features that list the last items of the user, by name.
        dimensions: Length of the embedding for features that have one of their own.

    Raises:
        ValueError: If a name refers to a feature that is not there, or stands twice.

    Example:
        >>> spec = TableSpec(user="u", item="i", time="t", tasks=("click",), categorical={"u": "int64", "i": "int64"},
        ...                  crosses=(("u", "i"),))
        >>> spec.cross_names, spec.columns
        ({'u_x_i': ('u', 'i')}, ('t', 'u', 'i', 'click'))
    """

    user: str
    item: str
    time: str
    tasks: tuple[str | Task, ...]
    categorical: Mapping[str, str]
    numeric: Mapping[str, str | None] = dataclasses.field(default_factory=dict)
    date: str | None = None
    group: str | None = None
    crosses: tuple[tuple[str, ...], ...] = ()
    statistic_keys: tuple[str, ...] = ()
    masks: Mapping[str, str] = dataclasses.field(default_factory=dict)
    candidate: tuple[str, ...] = ()
    hashed: Mapping[str, int] = dataclasses.field(default_factory=dict)
    buckets: Mapping[str, int] = dataclasses.field(default_factory=dict)
    tags: Mapping[str, Tags] = dataclasses.field(default_factory=dict)
    histories: Mapping[str, History] = dataclasses.field(default_factory=dict)
    dimensions: Mapping[str, int] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        vocabulary = [name for name in self.categorical if name not in self.hashed]
        raw = (*self.categorical, *self.numeric, *self.tags)
        self._known("candidate feature", self.candidate, raw)
        self._known("hashed feature", self.hashed, self.categorical)
        self._known("feature with buckets", self.buckets, self.numeric)
        self._known("feature with a dimension", self.dimensions, raw)
        self._known("crossed feature", [part for parts in self.crosses for part in parts], vocabulary)
        self._known("statistic key", self.statistic_keys, [*vocabulary, *self.cross_names])
        self._known(
            "feature of a history", [history.of or self.item for history in self.histories.values()], vocabulary
        )
        for name, number in self.buckets.items():
            if number < 2 or self.numeric[name] is not None:
                raise ValueError(f"buckets of {name!r}: needs 2 or more and no transform, got {number}")

    def _known(self, what: str, names: Iterable[str], known: Collection[str]) -> None:
        for name in names:
            if name not in known:
                raise ValueError(unknown_name(what, name, tuple(known)))

    def side(self, name: str) -> str:
        """Returns what a raw feature is a property of when candidates are ranked, see `Feature.side`."""
        return "candidate" if name == self.item or name in self.candidate else "request"

    @property
    def task_list(self) -> tuple[Task, ...]:
        """The tasks, with their masks."""
        tasks = [Task(name=task) if isinstance(task, str) else task for task in self.tasks]
        return tuple(dataclasses.replace(task, mask=self.masks.get(task.name, task.mask)) for task in tasks)

    @property
    def task_names(self) -> tuple[str, ...]:
        """Names of the tasks."""
        return tuple(task if isinstance(task, str) else task.name for task in self.tasks)

    @property
    def cross_names(self) -> dict[str, tuple[str, ...]]:
        """Name of each cross and what it crosses."""
        return {"_x_".join(parts): tuple(parts) for parts in self.crosses}

    @property
    def sort_keys(self) -> tuple[str, ...]:
        """The columns that order the rows, first of all the time."""
        return tuple(dict.fromkeys((self.time, self.user, self.item)))

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the table must have."""
        names = [self.time, self.user, self.item, self.date, self.group]
        names += [*self.categorical, *self.numeric, *self.tags]
        names += [name for task in self.task_list for name in (task.name, task.mask)]
        return tuple(dict.fromkeys(name for name in names if name is not None))
