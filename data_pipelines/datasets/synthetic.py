"""A seeded synthetic short-video log with known true probabilities, for demos and tests: no download."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import duckdb
import narwhals as nw
import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from tf_gradcraft.data_pipelines.datasets.card import Card
from tf_gradcraft.data_pipelines.preparation.cleaning import drop_duplicates, join_features
from tf_gradcraft.data_pipelines.preparation.options import Options, TableSpec, check_tasks
from tf_gradcraft.data_pipelines.preparation.reading import read_csv, reading_errors
from tf_gradcraft.data_pipelines.preparation.table import Progress, prepare_table
from tf_gradcraft.data_pipelines.prepared import PreparedData

BASE_RATES = {"click": 0.40, "long_view": 0.25, "like": 0.03, "follow": 0.01}
TASKS = tuple(BASE_RATES)
DAYS = 14
TRUTH_FILE = "truth.parquet"

LATENT_SIGNS = {
    "click": (1, 1, 1, 1),
    "long_view": (1, 1, -1, 1),
    "like": (1, -1, 1, -1),
    "follow": (-1, -1, 1, 1),
}
"""For each task the sign with which a match of user and video in each latent direction counts: the tasks want
different, partly opposite things of the same factors, so their gradients conflict."""
QUALITY_WEIGHTS = {
    "click": (0.9, 0.5),
    "long_view": (0.5, 0.9),
    "like": (-0.4, 0.9),
    "follow": (-0.6, 0.6),
}
"""For each task how much a video's catchiness and its substance count; clickbait is clicked but not liked."""

LOG_TYPES = dict.fromkeys(["user_id", "video_id", "day", "hour", "time_s", *TASKS], "int64")
USER_TYPES = {"user_id": "int64", "age_band": "string", "region": "int64", "account_days": "float32"}
VIDEO_TYPES = {"video_id": "int64", "author_id": "int64", "category": "string", "duration_s": "float32"}


class Synthetic:
    """The synthetic log in a folder, as `Synthetic.write` wrote it.

    Args:
        path: The folder with `log.csv`, `users.csv` and `videos.csv`.
        tasks: Names of the tasks, in order, of: click, long_view, like, follow.

    Raises:
        ValueError: If a task is not known.

    Example:
        >>> import tempfile
        >>> log = Synthetic.write(tempfile.mkdtemp(), rows=1000, seed=7)
        >>> sorted(path.name for path in log.path.iterdir())
        ['log.csv', 'truth.parquet', 'users.csv', 'videos.csv']
    """

    name = "synthetic"
    card = Card(
        title="Seeded synthetic short-video log with known true probabilities",
        rows="as many as asked for",
        homepage="made by Synthetic.write, or tf-gradcraft demo",
        licence="none needed: it is drawn at random",
        citation="this library",
        files=("log.csv", "users.csv", "videos.csv"),
        tasks={task: f"column {task}" for task in TASKS},
        outcomes={**{task: f"the label of {task}" for task in TASKS}, TRUTH_FILE: "the true probabilities"},
    )

    def __init__(self, path: str | Path, tasks: Iterable[str] = TASKS) -> None:
        self.path = Path(path)
        self.tasks = check_tasks(tasks, TASKS)

    @classmethod
    def write(
        cls,
        path: str | Path,
        rows: int = 60_000,
        seed: int = 0,
        *,
        users: int | None = None,
        videos: int | None = None,
        base_rates: Mapping[str, float] | None = None,
        tasks: Iterable[str] = TASKS,
    ) -> Synthetic:
        """Draws a log and writes it as raw CSV, with the true probabilities beside it.

        The log-odds of task t are `b_t + sum_d s_td u_d v_d + q_t . quality(video) + mood(user)`: latent directions d
        of user and video that show in part in their features, with the signs and weights of the module's tables,
        and `b_t` such that the mean is the base rate.

        Args:
            path: Folder for `log.csv`, `users.csv`, `videos.csv` and `truth.parquet` (one float column [rows] a task,
                rows as in the log); made if needed, files of these names are replaced.
            rows: Number of impressions.
            seed: Same seed and numbers: same files.
            users: Number of users; by default one for 30 rows.
            videos: Number of videos; by default one for 60 rows.
            base_rates: Mean probability by task, in (0, 1); `BASE_RATES` where not given.
            tasks: Tasks of the returned data set (the log always has all four).

        Returns:
            The data set, ready to `prepare`.

        Raises:
            ValueError: If a number is not positive or a base rate is not in (0, 1).
        """
        users, videos = users or max(2, rows // 30), videos or max(2, rows // 60)
        rates = {**BASE_RATES, **(base_rates or {})}
        check_tasks(tuple(rates), TASKS)
        if min(rows, users, videos) < 1 or not all(0 < rate < 1 for rate in rates.values()):
            raise ValueError(f"rows, users and videos must be positive and base rates in (0, 1), got {rows=}, {rates=}")
        data_set, folder = cls(path, tasks), Path(path)
        folder.mkdir(parents=True, exist_ok=True)
        tables = draw_log(np.random.default_rng(seed), rows, users, videos, rates)
        for name in ("log", "users", "videos"):
            pa.csv.write_csv(pa.table(tables[name]), folder / f"{name}.csv")
        pq.write_table(pa.table(tables["truth"]), folder / TRUTH_FILE)
        return data_set

    def prepare(
        self,
        folder: str | Path,
        split: str = "date",
        *,
        k_core: int = 0,
        valid_from: int = 11,
        test_from: int = 13,
        seed: int = 0,
        min_count: int = 1,
        folds: int = 5,
        smoothing: float | Mapping[str, float] = 10.0,
        overwrite: bool = False,
        progress: Progress | None = None,
    ) -> PreparedData:
        """Prepares the log; dates are the days 1 to 14. See `KuaiRand.prepare` for arguments and errors."""
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
        spec = TableSpec(
            user="user_id",
            item="video_id",
            time="time_s",
            date="day",
            tasks=self.tasks,
            categorical={
                **dict.fromkeys(["user_id", "video_id", "author_id", "region", "hour"], "int64"),
                **dict.fromkeys(["age_band", "category"], "string"),
            },
            numeric={"duration_s": "log1p", "account_days": "log1p"},
            crosses=(("age_band", "category"),),
            statistic_keys=("user_id", "video_id", "author_id", "age_band_x_category"),
            candidate=("author_id", "category", "duration_s"),
        )
        with duckdb.connect() as connection, reading_errors(LOG_TYPES | USER_TYPES | VIDEO_TYPES):
            return prepare_table(
                lambda: self._read(connection),
                spec,
                options,
                folder,
                dataset=self.name,
                inputs=[self.path / f"{name}.csv" for name in ("log", "users", "videos")],
                arguments={},
                overwrite=overwrite,
                progress=progress,
            )

    def _read(self, connection: duckdb.DuckDBPyConnection) -> nw.LazyFrame:
        log = drop_duplicates(read_csv(connection, self.path / "log.csv", LOG_TYPES))
        for file, key, types in (("users.csv", "user_id", USER_TYPES), ("videos.csv", "video_id", VIDEO_TYPES)):
            log = join_features(log, read_csv(connection, self.path / file, types), key, str(self.path / file))
        return log


def draw_log(
    random: np.random.Generator, rows: int, users: int, videos: int, rates: Mapping[str, float]
) -> dict[str, dict[str, np.ndarray]]:
    """Draws users, videos, impressions, true probabilities and labels; see `Synthetic.write`.

    Args:
        random: Where the numbers come from.
        rows: Number of impressions.
        users: Number of users.
        videos: Number of videos.
        rates: Mean probability by task.

    Returns:
        The columns of the tables `"log"`, `"users"`, `"videos"` and `"truth"`.
    """
    directions = 4
    age, region = random.integers(0, 5, users), random.integers(0, 20, users)
    category, author = random.integers(0, 12, videos), random.integers(0, max(1, videos // 3), videos)
    # Half of a latent factor shows in the age band or the category, half is the user's or video's own.
    tastes = 0.7 * random.normal(size=(5, directions))[age] + 0.7 * random.normal(size=(users, directions))
    traits = 0.7 * random.normal(size=(12, directions))[category] + 0.7 * random.normal(size=(videos, directions))
    authors_quality = random.normal(size=(videos, 2))[author]
    quality = 0.7 * authors_quality + 0.5 * random.normal(size=(videos, 2))
    mood = 0.6 * random.normal(size=(users, len(rates)))

    # Few users and videos have many impressions.
    who = np.minimum((users * random.random(rows) ** 1.5).astype(np.int64), users - 1)
    what = np.minimum((videos * random.random(rows) ** 1.5).astype(np.int64), videos - 1)
    seconds = np.sort(random.integers(0, DAYS * 86_400, rows))
    day, hour = seconds // 86_400 + 1, seconds // 3600 % 24
    truth, log = {}, {"user_id": who + 1, "video_id": what + 1, "day": day, "hour": hour, "time_s": seconds}
    match = tastes[who] * traits[what]
    for number, task in enumerate(TASKS):
        log_odds = match @ np.array(LATENT_SIGNS[task]) + quality[what] @ np.array(QUALITY_WEIGHTS[task])
        log_odds = log_odds + mood[who, number]
        truth[task] = with_mean(log_odds, rates[task])
        log[task] = (random.random(rows) < truth[task]).astype(np.int64)
    age_bands = np.array(["under 18", "18-24", "25-34", "35-49", "50 and over"])
    categories = np.array([f"category {number}" for number in range(12)])
    return {
        "log": log,
        "truth": truth,
        "users": {
            "user_id": np.arange(users) + 1,
            "age_band": age_bands[age],
            "region": region,
            "account_days": random.integers(1, 2000, users),
        },
        "videos": {
            "video_id": np.arange(videos) + 1,
            "author_id": author + 1,
            "category": categories[category],
            "duration_s": np.round(np.exp(random.normal(3.3, 0.7, videos)), 1),
        },
    }


def with_mean(log_odds: np.ndarray, mean: float) -> np.ndarray:
    """Shifts log-odds by a constant such that the probabilities have this mean, and returns the probabilities.

    Example:
        >>> float(with_mean(np.array([-1.0, 0.5, 2.0]), 0.1).mean().round(6))
        0.1
    """
    low, high = -50.0, 50.0
    for _ in range(60):
        shift = (low + high) / 2
        probabilities = 1 / (1 + np.exp(-(log_odds + shift)))
        low, high = (shift, high) if probabilities.mean() < mean else (low, shift)
    return probabilities
