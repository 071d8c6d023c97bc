"""Two logs of Alibaba's shops, as MetaBalance uses them: actions on items, with purchase as the target.

Both are Tianchi data sets, for research use and not to be redistributed: UserBehavior (Zhu et al., "Learning Tree-based
Deep Model for Recommender Systems", KDD 2018), https://tianchi.aliyun.com/dataset/649, and Repeat Buyers Prediction of
the IJCAI-15 challenge, https://tianchi.aliyun.com/dataset/42.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import duckdb
import narwhals as nw

from tf_gradcraft.data_pipelines.datasets.card import Card
from tf_gradcraft.data_pipelines.pairs.preparation import Progress, pairs_of_log, prepare_pairs
from tf_gradcraft.data_pipelines.pairs.prepared_pairs import PreparedPairs
from tf_gradcraft.data_pipelines.preparation.options import check_tasks
from tf_gradcraft.data_pipelines.preparation.reading import read_csv, reading_errors


class ActionLog:
    """What the two data sets have in common: a CSV file with one row an action.

    Actions become distinct pairs of user and item, with a 0/1 column a behaviour; the time of a pair is that of its
    last action of the target behaviour.

    Args:
        path: The file, or the folder that holds it.
        tasks: Behaviours, the target first.

    Raises:
        ValueError: If a behaviour is not known.
    """

    name: ClassVar[str]
    card: ClassVar[Card]
    file: ClassVar[str]
    actions: ClassVar[Mapping[str, Any]]
    """Behaviours by the value that stands for them in the log."""

    def __init__(self, path: str | Path, tasks: Iterable[str] | None = None) -> None:
        path = Path(path)
        self.path = path / self.file if path.is_dir() else path
        self.tasks = check_tasks(self.actions if tasks is None else tasks, tuple(self.actions))

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
        """Prepares the log: distinct pairs, k-core, split, vocabularies, Parquet.

        Args:
            folder: The prepared folder to write.
            split: `"leave_one_out"` (each user's last purchased item, and the one before for validation) or `"random"`
                (70% train, 10% valid, 20% test of the purchases, as in the paper).
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
                lambda: pairs_of_log(self._named(self._read(connection)), self.tasks),
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
        """Returns `user_id`, `item_id`, `action` and `time` of each action."""
        raise NotImplementedError

    def _named(self, log: nw.LazyFrame) -> nw.LazyFrame:
        """Puts the behaviour's name in place of the value that stands for it; other actions have none."""
        name = nw.lit(None, nw.String)
        for behaviour, value in self.actions.items():
            name = nw.when(nw.col("action") == value).then(nw.lit(behaviour)).otherwise(name)
        return log.with_columns(name.alias("behaviour"))


class UserBehavior(ActionLog):
    r"""Taobao UserBehavior, the paper's UserBehavior-2017: `UserBehavior.csv`, 100 million actions, no header.

    Columns: user, item, category, behaviour (`pv`, `buy`, `cart`, `fav`), time in seconds.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "UserBehavior.csv"
        >>> actions = [f"{user},{item},1,{action},{item}" for user in (1, 2) for item in range(9, 15)
        ...            for action in ("pv", "buy")]
        >>> _ = file.write_text("\n".join(actions))
        >>> UserBehavior(file.parent, tasks=["buy", "view"]).prepare(file.parent / "prepared").rows
        {'train': 8, 'valid': 2, 'test': 2}
    """

    name = "userbehavior"
    card = Card(
        title="Taobao UserBehavior: purchases, carts, favourites and views of items (pairs)",
        rows="100 M actions",
        homepage="https://tianchi.aliyun.com/dataset/649",
        licence="terms of Tianchi: research use, no redistribution",
        citation="Zhu et al., Learning Tree-based Deep Model for Recommender Systems, KDD 2018",
        files=("UserBehavior.csv",),
        tasks={"buy": "action buy", "cart": "action cart", "fav": "action fav", "view": "action pv"},
        outcomes={"behaviour": "the labels of all tasks", "time": "of the actions: known afterwards"},
    )
    file = "UserBehavior.csv"
    actions: ClassVar = {"buy": "buy", "cart": "cart", "fav": "fav", "view": "pv"}
    columns: ClassVar = {
        "user_id": "BIGINT",
        "item_id": "BIGINT",
        "category_id": "BIGINT",
        "action": "VARCHAR",
        "time": "BIGINT",
    }

    def _read(self, connection: duckdb.DuckDBPyConnection) -> nw.LazyFrame:
        log = connection.read_csv(str(self.path), header=False, columns=self.columns, auto_detect=False, delimiter=",")
        return nw.from_native(log).select("user_id", "item_id", "action", "time")


class RepeatBuyers(ActionLog):
    """IJCAI-15 repeat buyers of Tmall, format 1: `user_log_format1.csv`, 55 million actions of half a year.

    Actions are 0 (view), 1 (cart), 2 (buy) and 3 (favourite); the time is month and day (`mmdd`).
    """

    name = "ijcai15"
    card = Card(
        title="IJCAI-15 / Tmall repeat buyers: purchases, favourites, carts and views of items (pairs)",
        rows="55 M actions",
        homepage="https://tianchi.aliyun.com/dataset/42",
        licence="terms of Tianchi: research use, no redistribution",
        citation="Repeat Buyers Prediction, the challenge of IJCAI 2015",
        files=("user_log_format1.csv",),
        tasks={"buy": "action 2", "fav": "action 3", "cart": "action 1", "view": "action 0"},
        outcomes={"action_type": "the labels of all tasks", "time_stamp": "of the actions: known afterwards"},
    )
    file = "user_log_format1.csv"
    actions: ClassVar = {"buy": 2, "fav": 3, "cart": 1, "view": 0}

    def _read(self, connection: duckdb.DuckDBPyConnection) -> nw.LazyFrame:
        types = dict.fromkeys(["user_id", "item_id", "time_stamp", "action_type"], "int64")
        log = read_csv(connection, self.path, types)
        return log.select(
            "user_id", "item_id", nw.col("action_type").alias("action"), nw.col("time_stamp").alias("time")
        )
