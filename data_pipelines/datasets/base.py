"""What all data sets of tables share: finding files, options, and the way into `prepare_table`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import duckdb
import narwhals as nw

from tf_gradcraft.data_pipelines.datasets.card import Card
from tf_gradcraft.data_pipelines.preparation.options import Options, TableSpec, check_tasks
from tf_gradcraft.data_pipelines.preparation.reading import reading_errors
from tf_gradcraft.data_pipelines.preparation.table import Progress, prepare_table
from tf_gradcraft.data_pipelines.prepared import PreparedData

RELEASE = "release"
PART = "part"
"""Column of data sets whose release has a test part of its own: 0 train, 1 valid, 2 test."""


class TableDataSet(ABC):
    """A data set whose rows are impressions, ratings or people, with a label a task. Subclass it for a new one.

    A subclass states `name`, `card`, `types`, and where they differ `split`, `dates` and `has_part`, and says in
    `files`, `spec` and `read` what its files are and what their columns mean.

    Args:
        path: The folder with the files of the release.
        tasks: Names of the tasks, in order; those of the card by default.

    Raises:
        ValueError: If a task is not known.
    """

    name: ClassVar[str]
    """Name in the registry."""
    card: ClassVar[Card]
    """What `tf-gradcraft datasets` tells."""
    types: ClassVar[Mapping[str, str]]
    """Type of each raw column that is read: `"int64"`, `"float32"` or `"string"`."""
    split: ClassVar[str] = "random"
    """The way of splitting unless another one is asked for."""
    dates: ClassVar[tuple[int, int] | None] = None
    """First date of the valid part and of the test part unless others are given; None where rows have no date."""
    has_part: ClassVar[bool] = False
    """Whether the release has a test part of its own, which `split="release"` keeps; `read` then yields `PART`."""
    anonymous: ClassVar[bool] = False
    """Whether the release tells neither users nor items apart, so that there is no k-core."""

    def __init__(self, path: str | Path, tasks: Iterable[str] | None = None) -> None:
        self.path = Path(path)
        self.tasks = check_tasks(self.card.default_tasks if tasks is None else tasks, tuple(self.card.tasks))

    @abstractmethod
    def files(self) -> dict[str, list[Path]]:
        """Returns the files of the release by what they hold, each found with `find`."""

    @abstractmethod
    def spec(self) -> TableSpec:
        """Returns what the columns of the table are that `read` yields."""

    @abstractmethod
    def read(self, connection: duckdb.DuckDBPyConnection, files: Mapping[str, list[Path]]) -> nw.LazyFrame:
        """Returns the cleaned and joined table with features and labels, lazily."""

    def arguments(self) -> dict[str, Any]:
        """Returns the options of the data set's own that change the table, as plain JSON types, for the manifest."""
        return {}

    def prepare(
        self,
        folder: str | Path,
        split: str | None = None,
        *,
        overwrite: bool = False,
        progress: Progress | None = None,
        **options: Any,
    ) -> PreparedData:
        """Prepares the data set: cleaning, k-core, split, vocabularies, historical rates, Parquet.

        Nothing is fitted on valid or test rows. Repeating a preparation with equal inputs and arguments does nothing.

        Args:
            folder: The prepared folder to write.
            split: How to split, see `Options`; or `"release"`, the test part of the release where it has one. The data
                set's own way by default.
            overwrite: Whether to replace a folder that was prepared with other arguments or inputs.
            progress: Called with a short text before each step.
            **options: Further choices by name, such as `k_core=10`, `seed=1`, `test_from=20220504`: see `Options`.

        Returns:
            The `PreparedData`.

        Raises:
            FileNotFoundError: If the folder of the release or a file of it is missing.
            TypeError: If an option is not known.
            ValueError: If a column is missing, a value is not what it should be, a part of the split is empty, or
                `folder` holds something else. `folder` then stays as it was.
        """
        report = progress or (lambda text: None)
        chosen = self._options(split or self.split, options)
        files = self.files()
        inputs = [path for paths in files.values() for path in paths]

        with duckdb.connect() as connection, reading_errors(self.types):

            def read() -> nw.LazyFrame:
                report(f"reading {', '.join(path.name for path in inputs)}")
                return self.read(connection, files)

            return prepare_table(
                read,
                self.spec(),
                chosen,
                folder,
                dataset=self.name,
                inputs=inputs,
                arguments=self.arguments(),
                overwrite=overwrite,
                progress=progress,
            )

    def find(self, pattern: str) -> list[Path]:
        """Returns the files in the folder whose names fit a pattern (also packed with gzip), in order.

        Raises:
            FileNotFoundError: If there is none; the message lists all files of the release and where to get it.
        """
        card = self.card
        if not self.path.is_dir():
            where = f"get the release from {card.homepage}, unpack it, and name the folder with {card.files[0]}"
            raise FileNotFoundError(f"{self.path} is no folder; {where}")
        found = sorted({*self.path.glob(pattern), *self.path.glob(f"{pattern}.gz")})
        if not found:
            raise FileNotFoundError(
                f"{self.path} holds no {pattern}; these files are read: {', '.join(card.files)}. "
                f"Get the whole release from {card.homepage} and unpack it"
            )
        return found

    def _options(self, split: str, options: dict[str, Any]) -> Options:
        """The choices; the release's own split is one by the column `PART`."""
        if self.anonymous and options.get("k_core"):
            raise ValueError(f"{self.name} tells neither users nor items apart, so it has no k-core; leave k_core out")
        if split == RELEASE:
            if not self.has_part:
                raise ValueError(f"the release of {self.name} has no test part of its own; use split={self.split!r}")
            if given := {"valid_from", "test_from"} & options.keys():
                raise ValueError(f"split='release' has no dates: leave out {', '.join(sorted(given))}")
            return Options(**options, split="date", valid_from=1, test_from=2)
        if split == "date":
            if self.dates is None:
                raise ValueError(f"the rows of {self.name} have no date; use split={self.split!r} or 'random'")
            options = {"valid_from": self.dates[0], "test_from": self.dates[1], **options}
        return Options(**options, split=split)


def check_flag(name: str, value: object) -> bool:
    """Returns an option that is true or false.

    Raises:
        ValueError: If it is neither.

    Example:
        >>> check_flag("include_random", True)
        True
    """
    if not isinstance(value, bool):
        raise ValueError(f"{name} is true or false, got {value!r}")
    return value
