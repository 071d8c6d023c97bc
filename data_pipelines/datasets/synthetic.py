"""A seeded synthetic short-video log with known true probabilities, for demos, tests and benchmarks: no download."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
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
from tf_gradcraft.data_pipelines.synthesis.impressions import number_of_blocks
from tf_gradcraft.data_pipelines.synthesis.settings import BASE_RATES, LogSettings
from tf_gradcraft.data_pipelines.synthesis.truth import draw_rows, find_truth
from tf_gradcraft.data_pipelines.synthesis.world import draw_world

TASKS = tuple(BASE_RATES)
TRUTH_FILE = "truth.parquet"
SETTINGS_FILE = "settings.json"

IMPRESSION_TYPES = dict.fromkeys(["user_id", "video_id", "session_id", "day", "hour", "time_s"], "int64")
LOG_TYPES = IMPRESSION_TYPES | dict.fromkeys(TASKS, "int64")
USER_TYPES = {"user_id": "int64", "age_band": "string", "region": "int64", "account_days": "float32"}
VIDEO_TYPES = {"video_id": "int64", "author_id": "int64", "category": "string", "duration_s": "float32"}


class Synthetic:
    """The synthetic log in a folder, as `Synthetic.write` wrote it.

    Args:
        path: The folder with `log.csv` (or the folder `log` of Parquet files), `users.csv` and `videos.csv`.
        tasks: Names of the tasks, in order; all of the log by default (click, long_view, like, follow).

    Raises:
        ValueError: If a task is not known.

    Example:
        >>> import tempfile
        >>> log = Synthetic.write(tempfile.mkdtemp(), rows=1000, seed=7)
        >>> sorted(path.name for path in log.path.iterdir())
        ['log.csv', 'settings.json', 'truth.parquet', 'users.csv', 'videos.csv']
    """

    name = "synthetic"
    card = Card(
        title="Seeded synthetic short-video log: binary tasks with known true probabilities",
        rows="as many as asked for",
        homepage="made by Synthetic.write, tf-gradcraft synthesize or tf-gradcraft demo",
        licence="none needed: it is drawn at random",
        citation="this library",
        files=("log.csv", "users.csv", "videos.csv"),
        tasks={task: f"column {task}" for task in TASKS},
        outcomes={**{task: f"the label of {task}" for task in TASKS}, TRUTH_FILE: "the true probabilities"},
    )

    def __init__(self, path: str | Path, tasks: Iterable[str] | None = None) -> None:
        self.path = Path(path)
        known = TASKS
        if (self.path / SETTINGS_FILE).is_file():
            known = tuple(json.loads((self.path / SETTINGS_FILE).read_text(encoding="utf-8"))["base_rates"])
        self.tasks = check_tasks(known if tasks is None else tasks, known)
        self._types = IMPRESSION_TYPES | dict.fromkeys(known, "int64")

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
        tasks: Iterable[str] | None = None,
        cosines: Mapping[tuple[str, str], float] | None = None,
        norm_ratios: Mapping[str, float] | None = None,
        delays: Mapping[str, float] | None = None,
        rows_per_file: int | None = None,
        progress: Callable[[str], None] | None = None,
    ) -> Synthetic:
        """Draws a log and writes it, with the true probabilities beside it.

        Users see videos in sessions over 14 days. What each kind of feedback wants of user and video is known, see
        `synthesis.truth.Truth`; half of it shows in their features. The rows are drawn and written a block at a time:
        memory holds the tables of users and videos and at most 262,144 rows. How the log is cut into files makes no
        difference to it.

        Args:
            path: Folder for `log.csv`, `users.csv`, `videos.csv`, `settings.json` and `truth.parquet` (a float column
                [rows] a task, rows as in the log); made if needed, files of these names are replaced.
            rows: Number of impressions.
            seed: Same seed and numbers: same files.
            users: Number of users; by default one for 30 rows, a million at most.
            videos: Number of videos; by default one for 60 rows, 200,000 at most.
            base_rates: Mean probability by task, in (0, 1); those of `BASE_RATES` where not given. With `cosines`
                it may name other tasks, which then are the log's only ones.
            tasks: Tasks of the returned data set; by default all of the log.
            cosines: For pairs of tasks the cosine between their true weights; 0 for pairs that are not named.
            norm_ratios: For tasks the size of their gradient where training starts, over that of the first task.
            delays: For tasks the mean delay of feedback in seconds. The truth then also has `<task>_final` and
                `<task>_observed`: the label that will be there in the end, and the probability of that in the log.
            rows_per_file: Write the log as Parquet files `log/part-00000.parquet` and so on with so many rows, and the
                truth likewise, instead of one CSV file.
            progress: Called with a line on what is being done.

        Returns:
            The data set, ready to `prepare`.

        Raises:
            ValueError: If a number is out of range, a task is not known, no weights can have such angles, or a norm
                ratio is out of reach.
        """
        rates = dict(base_rates or {})
        if cosines is None or set(rates) <= set(TASKS):
            check_tasks(tuple({**BASE_RATES, **rates}), TASKS)
            rates = {**BASE_RATES, **rates}
        settings = LogSettings(
            rows=rows,
            seed=seed,
            users=users,
            videos=videos,
            base_rates=rates,
            cosines=cosines,
            norm_ratios=norm_ratios or {},
            delays=delays or {},
        )
        chosen = None if tasks is None else check_tasks(tasks, settings.tasks)
        if rows_per_file is not None and rows_per_file < 1:
            raise ValueError(f"rows_per_file must be at least 1, got {rows_per_file}")
        world = draw_world(settings)
        truth = find_truth(settings, world)
        folder = Path(path)
        folder.mkdir(parents=True, exist_ok=True)
        with _Writer(folder, rows_per_file) as writer:
            blocks = number_of_blocks(settings)
            for number in range(blocks):
                if progress is not None and number % max(1, blocks // 10) == 0:
                    progress(f"drawing {rows:,} impressions: {number / blocks:.0%}")
                drawn = draw_rows(settings, world, truth, number)
                writer.write(pa.table(drawn.log), pa.table(drawn.truth))
        pa.csv.write_csv(pa.table(world.users), folder / "users.csv")
        pa.csv.write_csv(pa.table(world.videos), folder / "videos.csv")
        described = {"rows": rows, "seed": seed, "base_rates": rates, "cosines": settings.cosine_matrix().tolist()}
        described |= {"norm_ratios": dict(settings.norm_ratios), "delays": dict(settings.delays)}
        (folder / SETTINGS_FILE).write_text(json.dumps(described, indent=1) + "\n", encoding="utf-8")
        return cls(path, chosen)

    def truth(self) -> dict[str, np.ndarray]:
        """Returns the true probabilities (float64 [rows]) by task, rows as in the log."""
        at = self.path / "truth"
        table = pq.read_table(at if at.is_dir() else self.path / TRUTH_FILE)
        return {name: table[name].to_numpy() for name in table.column_names}

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
        with duckdb.connect() as connection, reading_errors(self._types | USER_TYPES | VIDEO_TYPES):
            return prepare_table(
                lambda: self._read(connection),
                spec,
                options,
                folder,
                dataset=self.name,
                inputs=[*self._log_files(), self.path / "users.csv", self.path / "videos.csv"],
                arguments={},
                overwrite=overwrite,
                progress=progress,
            )

    def _log_files(self) -> list[Path]:
        """Returns the files of the log."""
        return sorted((self.path / "log").glob("*.parquet")) or [self.path / "log.csv"]

    def _read(self, connection: duckdb.DuckDBPyConnection) -> nw.LazyFrame:
        files = self._log_files()
        if files[0].suffix == ".parquet":
            log = nw.from_native(connection.read_parquet([str(file) for file in files])).select(*self._types)
        else:
            log = read_csv(connection, files[0], self._types)
        log = drop_duplicates(log)
        for file, key, types in (("users.csv", "user_id", USER_TYPES), ("videos.csv", "video_id", VIDEO_TYPES)):
            log = join_features(log, read_csv(connection, self.path / file, types), key, str(self.path / file))
        return log


class _Writer:
    """Writes log and truth as they come: a CSV and a Parquet file, or Parquet files of some rows each."""

    def __init__(self, folder: Path, rows_per_file: int | None) -> None:
        self.folder, self.rows_per_file = folder, rows_per_file
        self._open = contextlib.ExitStack()
        self._files: tuple = ()
        self._written = 0

    def __enter__(self) -> _Writer:
        for old in (*self.folder.glob("log/*.parquet"), *self.folder.glob("truth/*.parquet")):
            old.unlink()
        for name in ("log", "truth"):
            if self.rows_per_file is None and (self.folder / name).is_dir():
                (self.folder / name).rmdir()
            elif self.rows_per_file is not None:
                (self.folder / name).mkdir(exist_ok=True)
        if self.rows_per_file is not None:
            for name in ("log.csv", TRUTH_FILE):
                (self.folder / name).unlink(missing_ok=True)
        return self

    def __exit__(self, *error: object) -> None:
        self._open.close()

    def write(self, log: pa.Table, truth: pa.Table) -> None:
        """Appends rows, to a new file where one is full."""
        for start, stop in self._pieces(len(log)):
            if not self._files or (self.rows_per_file and self._written % self.rows_per_file == 0):
                self._open.close()
                self._files = self._next_files(log.schema, truth.schema)
            for file, table in zip(self._files, (log, truth), strict=True):
                file.write_table(table.slice(start, stop - start))
            self._written += stop - start

    def _pieces(self, rows: int) -> Iterator[tuple[int, int]]:
        """Cuts rows where files end."""
        start = 0
        while start < rows:
            room = rows if self.rows_per_file is None else self.rows_per_file - self._written % self.rows_per_file
            stop = min(rows, start + room)
            yield start, stop
            start = stop

    def _next_files(self, log: pa.Schema, truth: pa.Schema) -> tuple:
        if self.rows_per_file is None:
            first = pa.csv.CSVWriter(self.folder / "log.csv", log)
            second = pq.ParquetWriter(self.folder / TRUTH_FILE, truth)
        else:
            name = f"part-{self._written // self.rows_per_file:05d}.parquet"
            first = pq.ParquetWriter(self.folder / "log" / name, log, compression="zstd")
            second = pq.ParquetWriter(self.folder / "truth" / name, truth, compression="zstd")
        return self._open.enter_context(first), self._open.enter_context(second)
