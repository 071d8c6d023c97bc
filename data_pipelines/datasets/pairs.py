"""A file of user-item pairs with a 0/1 column a behaviour, for MetaBalance's setting: positives only, one target."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import duckdb
import narwhals as nw
import pyarrow.parquet as pq

from tf_gradcraft.data_pipelines.datasets.card import Card
from tf_gradcraft.data_pipelines.pairs.preparation import ITEM, MARKED, USER, Progress, prepare_pairs
from tf_gradcraft.data_pipelines.pairs.prepared_pairs import PreparedPairs
from tf_gradcraft.data_pipelines.preparation.reading import read_csv, read_header, reading_errors
from tf_gradcraft.suggestions import unknown_name

TASKS = ("buy", "cart", "fav", "view")


class Pairs:
    """Distinct pairs of user and item in one CSV (also gzip) or Parquet file.

    Columns: `user_id`, `item_id` (integers; in Parquet also strings), one 0/1 column for each behaviour, and for any of
    them, if the data set holds out pairs itself, a 0/1 column `<behaviour>_test`. Pairs marked there for any behaviour
    are trained on for none.

    Args:
        path: The file, or a folder that holds one file `pairs.parquet` or `pairs.csv`.
        tasks: Behaviours, the target first. By default those of buy, cart, fav and view that have a column.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a behaviour has no column.
    """

    name = "pairs"
    card = Card(
        title="Pairs of user and item with a 0/1 column a behaviour (MetaBalance's setting)",
        rows="those of the file",
        homepage="a file of your own, see docs/multi_behaviour.md",
        licence="that of the file",
        citation="that of the file",
        files=("pairs.parquet", "pairs.csv"),
        tasks={task: f"column {task}" for task in TASKS},
        outcomes={**{task: f"the label of {task}" for task in TASKS}, "<behaviour>_test": "which pairs are held out"},
    )

    def __init__(self, path: str | Path, tasks: Iterable[str] | None = None) -> None:
        self.path = find_file(Path(path))
        self.columns = columns_of(self.path)
        names = [name for name in self.columns if name not in (USER, ITEM) and not name.endswith("_test")]
        self.tasks = tuple(task for task in TASKS if task in names) if tasks is None else tuple(tasks)
        for task in self.tasks:
            if task not in names:
                raise ValueError(f"{self.path}: " + unknown_name("task", task, names))
        if not self.tasks:
            raise ValueError(f"{self.path} has none of the columns {', '.join(TASKS)}; name its behaviours in tasks")

    def prepare(
        self,
        folder: str | Path,
        split: str = "leave_one_out",
        *,
        k_core: int = 0,
        seed: int = 0,
        min_count: int = 1,
        overwrite: bool = False,
        progress: Progress | None = None,
    ) -> PreparedPairs:
        """Prepares the pairs: split, vocabularies, Parquet.

        Args:
            folder: The prepared folder to write.
            split: `"leave_one_out"` or `"random"`; where the file marks test pairs, these are the test part.
            k_core: Keeps only users and items with at least so many pairs of the target, until stable; 0 keeps all.
            seed: Seed of the order of pairs without times, and of the random split.
            min_count: Users and items in fewer training pairs become unknown (id 0) and are not trained on.
            overwrite: Whether to replace a folder that was prepared with other arguments or inputs.
            progress: Called with a short text before each step.

        Raises:
            FileNotFoundError: If the file is missing.
            ValueError: See `tf_gradcraft.data_pipelines.pairs.preparation.prepare_pairs`.
        """
        with duckdb.connect() as connection, reading_errors({}):
            return prepare_pairs(
                lambda: self._read(connection),
                self.tasks,
                folder,
                dataset=self.name,
                inputs=[self.path],
                split=split,
                k_core=k_core,
                seed=seed,
                min_count=min_count,
                overwrite=overwrite,
                progress=progress,
            )

    def _read(self, connection: duckdb.DuckDBPyConnection) -> nw.LazyFrame:
        marks = [name for name in self.columns if name.endswith("_test") and name.removesuffix("_test") in self.columns]
        wanted = [USER, ITEM, *self.tasks, *marks]
        if self.path.suffix == ".parquet":
            frame = nw.from_native(connection.read_parquet(str(self.path))).select(*wanted)
        else:
            frame = read_csv(connection, self.path, dict.fromkeys(wanted, "int64"))
        if not marks:
            return frame
        # A bit for each task; one more for marks of behaviours that are not among the tasks: they are held out too.
        bits = {f"{task}_test": 2**position for position, task in enumerate(self.tasks)}
        held_out = [nw.col(mark).cast(nw.Int64) * bits.get(mark, 2 ** len(self.tasks)) for mark in marks]
        frame = frame.with_columns(nw.sum_horizontal(*held_out).cast(nw.Int64).alias(MARKED))
        return frame.select(USER, ITEM, *self.tasks, MARKED)


def find_file(path: Path) -> Path:
    """Returns the file, or the one of pairs in the folder.

    Raises:
        FileNotFoundError: If there is none.
    """
    candidates = [path / name for name in ("pairs.parquet", "pairs.csv", "pairs.csv.gz")] if path.is_dir() else [path]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    raise FileNotFoundError(
        f"{path}: no file of pairs there; give a CSV or Parquet file, or a folder with pairs.parquet"
    )


def columns_of(path: Path) -> list[str]:
    """Returns the names of a file's columns.

    Raises:
        ValueError: If user or item are not among them.
    """
    columns = pq.read_schema(path).names if path.suffix == ".parquet" else read_header(path)
    if missing := [name for name in (USER, ITEM) if name not in columns]:
        raise ValueError(f"{path}: the column {missing[0]!r} is missing; it has {', '.join(columns)}. Rename or add it")
    return columns
