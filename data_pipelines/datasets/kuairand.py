"""KuaiRand: short-video impressions of Kuaishou with twelve kinds of feedback.

Gao et al., "KuaiRand: An Unbiased Sequential Recommendation Dataset with Randomly Exposed Videos", CIKM 2022,
doi 10.1145/3511808.3557624. Licence CC BY-SA 4.0 (attribution, share-alike). Download: https://kuairand.com
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import duckdb
import narwhals as nw

from tf_gradcraft.data_pipelines.preparation.cleaning import drop_duplicates, join_features
from tf_gradcraft.data_pipelines.preparation.options import Options, TableSpec, check_tasks
from tf_gradcraft.data_pipelines.preparation.reading import read_csv, reading_errors
from tf_gradcraft.data_pipelines.preparation.table import Progress, prepare_table
from tf_gradcraft.data_pipelines.prepared import PreparedData

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


class KuaiRand:
    """The official release of KuaiRand (Pure, 1K or 27K).

    Reads whichever log files are there, drops rows that repeat another one exactly, and joins user and video
    features. The statistics file of the release averages over the whole month, test days included: it is not read.
    Neither are the day of the week and the age of a video features: the release holds few weeks and its videos were
    uploaded within days of each other, so both would just name the date, which in a split by time is never seen
    in training.

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
    title = "KuaiRand (Pure, 1K, 27K): short-video impressions, nine binary tasks"
    homepage = "https://kuairand.com"

    def __init__(self, path: str | Path, tasks: Iterable[str] = DEFAULT_TASKS, *, include_random: bool = False) -> None:
        self.path = Path(path)
        self.tasks = check_tasks(tasks, TASKS)
        self.include_random = include_random

    def prepare(
        self,
        folder: str | Path,
        split: str = "random",
        *,
        k_core: int = 0,
        valid_from: int = 20220502,
        test_from: int = 20220504,
        seed: int = 0,
        min_count: int = 1,
        folds: int = 5,
        smoothing: float | Mapping[str, float] = 10.0,
        overwrite: bool = False,
        progress: Progress | None = None,
    ) -> PreparedData:
        """Prepares the log: cleaning, k-core, split, vocabularies, historical rates, Parquet.

        Nothing is fitted on valid or test rows. Repeating a preparation with equal inputs and arguments does nothing.

        Args:
            folder: The prepared folder to write.
            split: `"random"` (8:1:1) or `"date"`.
            k_core: Keeps only users and videos with at least so many rows, iterated until stable; 0 keeps all.
            valid_from: First date (YYYYMMDD) of the valid part (split by date).
            test_from: First date of the test part (split by date).
            seed: Seed of the random split and of the folds.
            min_count: Values in fewer training rows become unknown (id 0).
            folds: Number of folds for the rates of the training rows.
            smoothing: Number of rows that the prior counts for in a rate: one number, or one for each task.
            overwrite: Whether to replace a folder that was prepared with other arguments or inputs.
            progress: Called with a short text before each step.

        Returns:
            The `PreparedData`.

        Raises:
            FileNotFoundError: If the folder of the release or a file of it is missing.
            ValueError: If a column is missing, a value is not what it should be, a part of the split is empty, or
                `folder` holds something else. `folder` then stays as it was.
        """
        options = Options(
            split=split,
            k_core=k_core,
            valid_from=valid_from,
            test_from=test_from,
            seed=seed,
            min_count=min_count,
            folds=folds,
            smoothing=smoothing,
        )
        logs, users, videos = self._files()
        with duckdb.connect() as connection, reading_errors(LOG_TYPES | USER_TYPES | VIDEO_TYPES | NUMBER_TYPES):
            return prepare_table(
                lambda: self._read(connection, logs, users, videos, progress or (lambda text: None)),
                self._spec(),
                options,
                folder,
                dataset=self.name,
                inputs=[*logs, users, videos],
                arguments={"include_random": self.include_random},
                overwrite=overwrite,
                progress=progress,
            )

    def _spec(self) -> TableSpec:
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

    def _files(self) -> tuple[list[Path], Path, Path]:
        """Finds the log files and the features of users and videos."""
        if not self.path.is_dir():
            raise FileNotFoundError(f"{self.path} is no folder; get the release from {self.homepage} and name its data")
        logs = sorted(self.path.glob("log_*.csv"))
        logs = [path for path in logs if self.include_random or not path.name.startswith("log_random")]
        found = [logs, *(sorted(self.path.glob(f"{stem}*.csv")) for stem in ("user_features", "video_features_basic"))]
        names = ("log_standard_*.csv", "user_features*.csv", "video_features_basic*.csv")
        for paths, name in zip(found, names, strict=True):
            if not paths:
                raise FileNotFoundError(f"{self.path} holds no {name}; get the whole release from {self.homepage}")
        return logs, found[1][0], found[2][0]

    def _read(
        self, connection: duckdb.DuckDBPyConnection, logs: list[Path], users: Path, videos: Path, progress: Progress
    ) -> nw.LazyFrame:
        """The cleaned log with features and labels, lazily."""
        progress(f"reading {', '.join(path.name for path in logs)}")
        log = drop_duplicates(nw.concat([read_csv(connection, path, LOG_TYPES) for path in logs]))
        labels = {task: nw.col(column) for task, column in LABELS.items()}
        complete = (nw.col("play_time_ms") >= nw.col("duration_ms")) & (nw.col("duration_ms") > 0)
        labels["complete_view"] = complete.cast(nw.Int64)
        log = log.with_columns(
            (nw.col("hourmin") // 100).cast(nw.Int64).alias("hour"),
            *(labels[task].alias(task) for task in self.tasks),
        ).select(*LOG_KEYS, "hour", *self.tasks)
        user_types = USER_TYPES | dict.fromkeys(USER_NUMBERS, "float32")
        video_types = VIDEO_TYPES | dict.fromkeys(VIDEO_NUMBERS, "float32")
        log = join_features(log, read_csv(connection, users, user_types), "user_id", str(users))
        return join_features(log, read_csv(connection, videos, video_types), "video_id", str(videos))
