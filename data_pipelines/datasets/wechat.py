"""WeChat Big Data Challenge 2021: short videos of WeChat Channels, two weeks of feedback of 20,000 users.

The public data set of the GradCraft paper (Bai et al., KDD 2024). Download: https://algo.weixin.qq.com (registration).

The layout is that of the first rows of the preliminary round's files (`wechat_algo_data1`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import duckdb
import narwhals as nw

from tf_gradcraft.data_pipelines.datasets.base import TableDataSet
from tf_gradcraft.data_pipelines.datasets.card import Card
from tf_gradcraft.data_pipelines.preparation.cleaning import drop_duplicates, join_features
from tf_gradcraft.data_pipelines.preparation.options import TableSpec
from tf_gradcraft.data_pipelines.preparation.reading import read_csv

ACTIONS = ("like", "follow", "forward", "read_comment", "comment", "click_avatar", "favorite")
"""Tasks whose label is a column of that name."""
ACTION_TYPES = dict.fromkeys(["userid", "feedid", "date_", "device", "play", "stay", *ACTIONS], "int64")
FEED_TYPES = {
    "feedid": "int64",
    "authorid": "int64",
    "bgm_song_id": "int64",
    "bgm_singer_id": "int64",
    "videoplayseconds": "float32",
    "manual_tag_list": "string",
    "machine_tag_list": "string",
    "manual_keyword_list": "string",
    "machine_keyword_list": "string",
}
FIRST_OF = {column: f"first_{column.removesuffix('_list')}" for column in FEED_TYPES if column.endswith("_list")}
"""Columns with several values, and the feature that takes the first of them."""
FEED_IDS = ("authorid", "bgm_song_id", "bgm_singer_id")


class WeChat(TableDataSet):
    """The training part of the WeChat Big Data Challenge 2021 (preliminary or final round).

    The files say how long a video was played, not whether it was watched. The views are therefore defined here, with
    the thresholds that Kuaishou documents for KuaiRand; the GradCraft paper's own thresholds are not in its public
    code, so compare with its figures only after setting both.

    - effective_view: played at least `effective_seconds`, or the whole of a shorter video.
    - long_view: played at least `long_seconds`, or the whole of a shorter video.
    - complete_view: played at least as long as the video is.

    Tags and keywords are lists; the first value of each is a feature. Text, speech and video embeddings are not read.

    Args:
        path: The folder with `user_action.csv` and `feed_info.csv`.
        tasks: Names of the tasks, in order; by default the six of the GradCraft paper.
        effective_seconds: Threshold of effective_view in seconds.
        long_seconds: Threshold of long_view in seconds.

    Raises:
        ValueError: If a task is not known or a threshold is not positive.

    Example:
        >>> WeChat("wechat_algo_data1").tasks
        ('effective_view', 'long_view', 'complete_view', 'like', 'follow', 'forward')
    """

    name = "wechat"
    card = Card(
        title="WeChat Big Data Challenge 2021: short videos",
        rows="preliminary round 7.3 M, final round more",
        homepage="https://algo.weixin.qq.com",
        licence="terms of the challenge: research use, no redistribution",
        citation="WeChat Big Data Challenge 2021; used in Bai et al., GradCraft, KDD 2024, doi 10.1145/3637528.3671585",
        files=("user_action*.csv", "feed_info*.csv"),
        tasks={
            "effective_view": "played at least 7 s, or the whole of a shorter video",
            "long_view": "played at least 18 s, or the whole of a shorter video",
            "complete_view": "play >= 1000 videoplayseconds > 0",
            **{task: f"column {task}" for task in ACTIONS},
        },
        default_tasks=("effective_view", "long_view", "complete_view", "like", "follow", "forward"),
        outcomes={
            "play": "milliseconds played, known afterwards: the views follow from it",
            "stay": "milliseconds stayed, known afterwards",
            **{action: f"the label of {action}" for action in ACTIONS},
        },
        warnings=(
            "There is a day (date_, 1 to 14), but no time: within a day the order of rows is not known.",
            "test_a.csv and test_b.csv have no labels and are not read.",
            "The views have the thresholds of KuaiRand; those of the GradCraft paper are not in its public code.",
        ),
        options={
            "effective_seconds": "threshold of effective_view (default 7)",
            "long_seconds": "threshold of long_view (default 18)",
        },
    )
    types = ACTION_TYPES | FEED_TYPES
    dates = (13, 14)

    def __init__(
        self,
        path: str | Path,
        tasks: Iterable[str] | None = None,
        *,
        effective_seconds: float = 7,
        long_seconds: float = 18,
    ) -> None:
        super().__init__(path, tasks)
        for option, value in (("effective_seconds", effective_seconds), ("long_seconds", long_seconds)):
            if not (isinstance(value, int | float) and value > 0):
                raise ValueError(f"{option} must be a positive number of seconds, got {value!r}")
        self.effective_seconds = effective_seconds
        self.long_seconds = long_seconds

    def arguments(self) -> dict[str, Any]:
        """See `TableDataSet.arguments`."""
        return {"effective_seconds": self.effective_seconds, "long_seconds": self.long_seconds}

    def files(self) -> dict[str, list[Path]]:
        """See `TableDataSet.files`."""
        return {"actions": self.find("user_action*.csv"), "feeds": self.find("feed_info*.csv")}

    def spec(self) -> TableSpec:
        """See `TableDataSet.spec`."""
        firsts = tuple(FIRST_OF.values())
        return TableSpec(
            user="userid",
            item="feedid",
            time="date_",
            tasks=self.tasks,
            categorical={
                **dict.fromkeys(["userid", "feedid", "device", *FEED_IDS], "int64"),
                **dict.fromkeys(firsts, "string"),
            },
            numeric={"videoplayseconds": "log1p"},
            statistic_keys=("userid", "feedid", "authorid", "bgm_singer_id", "first_manual_tag"),
            candidate=(*FEED_IDS, *firsts, "videoplayseconds"),
        )

    def read(self, connection: duckdb.DuckDBPyConnection, files: Mapping[str, list[Path]]) -> nw.LazyFrame:
        """See `TableDataSet.read`."""
        log = drop_duplicates(nw.concat([read_csv(connection, path, ACTION_TYPES) for path in files["actions"]]))
        feeds = nw.concat([read_csv(connection, path, FEED_TYPES) for path in files["feeds"]])
        # "81 0.85;269 0.31": values end at a semicolon, machine-made ones have a probability behind a space.
        firsts = [nw.col(many).str.replace_all("[ ;].*$", "").alias(first) for many, first in FIRST_OF.items()]
        feeds = feeds.with_columns(*firsts).drop(*FIRST_OF)
        log = join_features(log, feeds, "feedid", str(files["feeds"][0]))
        return log.with_columns(*(self._label(task).alias(task) for task in self.tasks))

    def _label(self, task: str) -> nw.Expr:
        if task in ACTIONS:
            return nw.col(task)
        # A feed without a row in the feed file has no known length: the threshold alone decides.
        play, length = nw.col("play"), nw.col("videoplayseconds") * 1000
        whole = ((play >= length) & (length > 0)).fill_null(False)
        if task == "complete_view":
            return whole.cast(nw.Int64)
        seconds = self.effective_seconds if task == "effective_view" else self.long_seconds
        return ((play >= 1000 * seconds) | whole).cast(nw.Int64)
