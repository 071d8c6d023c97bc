"""KuaiRand: short-video impressions of Kuaishou with twelve kinds of feedback.

Gao et al., "KuaiRand: An Unbiased Sequential Recommendation Dataset with Randomly Exposed Videos", CIKM 2022,
doi 10.1145/3511808.3557624. Licence CC BY-SA 4.0 (attribution, share-alike). Download: https://kuairand.com

The layout is that of files of KuaiRand-Pure; the file names of 1K and 27K are those in the release's own description.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import duckdb
import narwhals as nw

from tf_gradcraft.data_pipelines.datasets.base import TableDataSet, check_flag
from tf_gradcraft.data_pipelines.datasets.card import Card
from tf_gradcraft.data_pipelines.preparation.cleaning import drop_duplicates, join_features
from tf_gradcraft.data_pipelines.preparation.options import TableSpec
from tf_gradcraft.data_pipelines.preparation.reading import read_csv

LABELS = {
    "click": "is_click",
    "long_view": "long_view",
    "like": "is_like",
    "follow": "is_follow",
    "comment": "is_comment",
    "forward": "is_forward",
    "hate": "is_hate",
    "profile_enter": "is_profile_enter",
}
"""Label columns of the log by task. Like the columns of watching and staying times, they are outcomes: no features."""
TASKS = ("click", "long_view", "complete_view", *list(LABELS)[2:])
DEFAULT_TASKS = ("click", "long_view", "complete_view", "like", "profile_enter", "comment")

LOG_KEYS = ("user_id", "video_id", "date", "hourmin", "time_ms", "duration_ms", "tab")
LOG_TYPES = dict.fromkeys([*LOG_KEYS, *LABELS.values(), "play_time_ms"], "int64")
LOG_TYPES |= dict.fromkeys(["profile_stay_time", "comment_stay_time", "is_rand"], "int64")

USER_NUMBERS = ("follow_user_num", "fans_user_num", "friend_user_num", "register_days")
USER_TYPES = {
    "user_id": "int64",
    "user_active_degree": "string",
    "is_lowactive_period": "int64",
    "is_live_streamer": "int64",
    "is_video_author": "int64",
    **{name: "string" for number in USER_NUMBERS for name in (f"{number}_range",)},
    **{f"onehot_feat{number}": "int64" for number in range(18)},
}
VIDEO_NUMBERS = ("server_width", "server_height")
NUMBER_TYPES = dict.fromkeys([*USER_NUMBERS, *VIDEO_NUMBERS], "float32")
VIDEO_TYPES = {
    "video_id": "int64",
    "author_id": "int64",
    "music_id": "int64",
    "video_type": "string",
    "upload_type": "string",
    "music_type": "int64",
    "tag": "string",
}
STATISTIC_KEYS = ("user_id", "video_id", "author_id", "music_id", "tag", "user_id_x_tab", "tab_x_hour")


class KuaiRand(TableDataSet):
    """The official release of KuaiRand (Pure, 1K or 27K).

    Reads whichever log files are there (27K has them in parts), drops rows that repeat another one exactly, and joins
    user and video features. The statistics files of the release average over the whole month, test days included: they
    are not read. Neither are the day of the week and the age of a video features: the release holds few weeks and its
    videos were uploaded within days of each other, so both would just name the date, which in a split by time is never
    seen in training.

    Args:
        path: The folder with the CSV files (`KuaiRand-Pure/data`).
        tasks: Names of the tasks, in order, of: click (the "effective view"), long_view, complete_view
            (`play_time_ms >= duration_ms > 0`), like, follow, comment, forward, hate, profile_enter.
        include_random: Whether to read the `log_random_*` files too (videos shown at random, another distribution).

    Raises:
        ValueError: If a task is not known.

    Example:
        >>> KuaiRand("KuaiRand-Pure/data", tasks=["clik"])
        Traceback (most recent call last):
        ValueError: task='clik' is not known; did you mean 'click'? Known: click, long_view, complete_view, like, ...
    """

    name = "kuairand"
    card = Card(
        title="KuaiRand (Pure, 1K, 27K): short-video impressions",
        rows="Pure 1.4 M (+ 1.2 M shown at random), 1K 11.7 M, 27K 322 M",
        homepage="https://kuairand.com",
        licence="CC BY-SA 4.0",
        citation="Gao et al., KuaiRand, CIKM 2022, doi 10.1145/3511808.3557624",
        files=(
            "log_standard_*.csv",
            "user_features_*.csv",
            "video_features_basic_*.csv",
            "log_random_*.csv (if asked)",
        ),
        tasks={
            "click": "column is_click: a click, or in the feed a view of more than 7 s (the effective view)",
            "long_view": "column long_view: at least 18 s, or the whole of a shorter video",
            "complete_view": "play_time_ms >= duration_ms > 0",
            **{task: f"column {column}" for task, column in LABELS.items() if task not in ("click", "long_view")},
        },
        default_tasks=DEFAULT_TASKS,
        outcomes={
            **{column: f"the label of {task}" for task, column in LABELS.items()},
            "play_time_ms": "watching time, known afterwards; click, long_view and complete_view follow from it",
            "profile_stay_time": "time spent afterwards",
            "comment_stay_time": "time spent afterwards",
            "video_features_statistic_*.csv": "averages over the whole month, test days included",
        },
        warnings=(
            "User and video ids of Pure, 1K and 27K are numbered anew: never mix their files.",
            "Rows that repeat another one exactly are dropped (2.4 % in the part of Pure that was looked at).",
            "In a random split the same user's later feedback is in the training part; split='date' is the honest one.",
        ),
        options={"include_random": "also read log_random_*.csv: videos shown at random, another distribution"},
    )
    types = LOG_TYPES | USER_TYPES | VIDEO_TYPES | NUMBER_TYPES
    dates = (20220502, 20220504)

    def __init__(self, path: str | Path, tasks: Iterable[str] | None = None, *, include_random: bool = False) -> None:
        super().__init__(path, tasks)
        self.include_random = check_flag("include_random", include_random)

    def arguments(self) -> dict[str, Any]:
        """See `TableDataSet.arguments`."""
        return {"include_random": self.include_random}

    def spec(self) -> TableSpec:
        """See `TableDataSet.spec`."""
        categorical = {"user_id": "int64", "video_id": "int64", "tab": "int64", "hour": "int64"}
        return TableSpec(
            user="user_id",
            item="video_id",
            time="time_ms",
            date="date",
            tasks=self.tasks,
            categorical={**categorical, **VIDEO_TYPES, **USER_TYPES},
            numeric=dict.fromkeys(["duration_ms", *USER_NUMBERS, *VIDEO_NUMBERS], "log1p"),
            crosses=(("user_id", "tab"), ("tab", "hour")),
            statistic_keys=STATISTIC_KEYS,
            candidate=(*VIDEO_TYPES, "duration_ms", *VIDEO_NUMBERS),
        )

    def files(self) -> dict[str, list[Path]]:
        """See `TableDataSet.files`."""
        found = {
            "logs": self.find("log_*.csv" if self.include_random else "log_standard_*.csv"),
            "users": self.find("user_features*.csv"),
            "videos": self.find("video_features_basic*.csv"),
        }
        names = [path.name for paths in found.values() for path in paths]
        versions = {match[1] for name in names if (match := re.search(r"_(pure|1k|27k)[_.]", name))}
        if len(versions) > 1:
            raise ValueError(
                f"{self.path} holds files of {' and '.join(sorted(versions))}, whose ids are numbered differently; "
                "keep each version in a folder of its own"
            )
        return found

    def read(self, connection: duckdb.DuckDBPyConnection, files: Mapping[str, list[Path]]) -> nw.LazyFrame:
        """See `TableDataSet.read`."""

        def read_all(kind: str, types: Mapping[str, str]) -> nw.LazyFrame:
            return nw.concat([read_csv(connection, path, types) for path in files[kind]])

        log = drop_duplicates(read_all("logs", LOG_TYPES))
        labels = {task: nw.col(column) for task, column in LABELS.items()}
        complete = (nw.col("play_time_ms") >= nw.col("duration_ms")) & (nw.col("duration_ms") > 0)
        labels["complete_view"] = complete.cast(nw.Int64)
        log = log.with_columns(
            (nw.col("hourmin") // 100).cast(nw.Int64).alias("hour"),
            *(labels[task].alias(task) for task in self.tasks),
        ).select(*LOG_KEYS, "hour", *self.tasks)
        user_types = USER_TYPES | dict.fromkeys(USER_NUMBERS, "float32")
        video_types = VIDEO_TYPES | dict.fromkeys(VIDEO_NUMBERS, "float32")
        log = join_features(log, read_all("users", user_types), "user_id", str(files["users"][0]))
        return join_features(log, read_all("videos", video_types), "video_id", str(files["videos"][0]))
