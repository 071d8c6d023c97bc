"""MovieLens 100K and 1M: ratings of films.

Harper and Konstan, "The MovieLens Datasets: History and Context", ACM TiiS 5(4), 2015, doi 10.1145/2827872.
GroupLens terms: research use, no redistribution. Download: https://grouplens.org/datasets/movielens

The layout of 100K is that of its files, the layout of 1M is taken from its README.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import duckdb
import narwhals as nw
import pyarrow as pa

from tf_gradcraft.data_pipelines.datasets.base import TableDataSet
from tf_gradcraft.data_pipelines.datasets.card import Card
from tf_gradcraft.data_pipelines.datasets.text_files import open_text, read_text
from tf_gradcraft.data_pipelines.preparation.cleaning import drop_duplicates, join_features
from tf_gradcraft.data_pipelines.preparation.options import TableSpec

RATING_TYPES = dict.fromkeys(["user_id", "movie_id", "rating", "timestamp"], "int64")
USER_TYPES = {
    "user_id": "int64",
    "age": "float32",
    "gender": "string",
    "occupation": "string",
    "zip_code": "string",
}
GENRES = (
    *("Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama", "Fantasy"),
    *("Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western"),
)
GENRE_FEATURES = {genre: "genre_" + re.sub("[^a-z]+", "_", genre.lower().replace("'", "")) for genre in GENRES}


class MovieLens(TableDataSet):
    """MovieLens 100K (`u.data`, `u.user`, `u.item`) or 1M (`ratings.dat`, `users.dat`, `movies.dat`).

    Every row is a film that the user has seen: who would watch what needs films that were not seen as negatives, see
    the data sets of pairs.

    Args:
        path: The folder with the files; which of the two releases it is shows in their names.
        tasks: Names of the tasks, in order, of: liked (rating of `liked_from` or more), loved (5), disliked (1 or 2).
        liked_from: Least rating, 1 to 5, that counts as liked.

    Raises:
        ValueError: If a task is not known or `liked_from` is no rating.

    Example:
        >>> MovieLens("ml-1m").tasks
        ('liked', 'loved', 'disliked')
    """

    name = "movielens"
    card = Card(
        title="MovieLens 100K and 1M: ratings of films",
        rows="100,000 and 1,000,209",
        homepage="https://grouplens.org/datasets/movielens",
        licence="GroupLens terms: research use, no redistribution",
        citation="Harper and Konstan, The MovieLens Datasets, ACM TiiS 2015, doi 10.1145/2827872",
        files=("u.data", "u.user", "u.item (100K)", "ratings.dat", "users.dat", "movies.dat (1M)"),
        tasks={"liked": "rating >= 4", "loved": "rating = 5", "disliked": "rating <= 2"},
        outcomes={"rating": "all labels follow from it"},
        warnings=(
            "Users rated many films within minutes: the time of a rating is not that of seeing the film.",
            "The tasks are thresholds of one number, so they agree more than kinds of feedback do.",
            "split='date' has defaults for 100K; for 1M give valid_from and test_from (20000425 to 20030228).",
        ),
        options={"liked_from": "least rating that counts as liked (default 4)"},
    )
    types = RATING_TYPES | USER_TYPES
    dates = (19980301, 19980401)

    def __init__(self, path: str | Path, tasks: Iterable[str] | None = None, *, liked_from: int = 4) -> None:
        super().__init__(path, tasks)
        if liked_from not in range(1, 6):
            raise ValueError(f"liked_from={liked_from} is no rating; take 1 to 5")
        self.liked_from = liked_from

    def arguments(self) -> dict[str, Any]:
        """See `TableDataSet.arguments`."""
        return {"liked_from": self.liked_from}

    def files(self) -> dict[str, list[Path]]:
        """See `TableDataSet.files`."""
        small = any(self.path.glob("u.*"))
        names = ("u.data", "u.user", "u.item") if small else ("ratings.dat", "users.dat", "movies.dat")
        return {kind: self.find(name) for kind, name in zip(("ratings", "users", "movies"), names, strict=True)}

    def spec(self) -> TableSpec:
        """See `TableDataSet.spec`."""
        return TableSpec(
            user="user_id",
            item="movie_id",
            time="timestamp",
            date="date",
            tasks=self.tasks,
            categorical={
                **dict.fromkeys(["user_id", "movie_id"], "int64"),
                **dict.fromkeys(["gender", "occupation", "zip_area"], "string"),
            },
            numeric=dict.fromkeys(["age", "year", *GENRE_FEATURES.values()]),
            statistic_keys=("user_id", "movie_id"),
            candidate=("year", *GENRE_FEATURES.values()),
        )

    def read(self, connection: duckdb.DuckDBPyConnection, files: Mapping[str, list[Path]]) -> nw.LazyFrame:
        """See `TableDataSet.read`."""
        [ratings], [users], [movies] = files["ratings"], files["users"], files["movies"]
        small = ratings.name.startswith("u.")
        log = read_text(connection, ratings, RATING_TYPES, "\t" if small else "::")
        log = log.project("*, CAST(strftime(make_timestamp(timestamp * 1000000), '%Y%m%d') AS BIGINT) AS date")
        order = USER_TYPES if small else {name: USER_TYPES[name] for name in swap_age_and_gender(USER_TYPES)}
        people = nw.from_native(read_text(connection, users, order, "|" if small else "::")).with_columns(
            nw.col("zip_code").str.slice(0, 2).alias("zip_area")
        )
        films = nw.from_native(connection.from_arrow(read_movies(movies, small)))
        table = join_features(drop_duplicates(nw.from_native(log)), people, "user_id", str(users))
        table = join_features(table, films, "movie_id", str(movies))
        rating = nw.col("rating")
        # Ratings outside 1 to 5 are no labels, which the check of the labels reports.
        known = (rating >= 1) & (rating <= 5)
        labels = {"liked": rating >= self.liked_from, "loved": rating == 5, "disliked": rating <= 2}
        return table.with_columns(
            *(nw.when(known).then(labels[task].cast(nw.Int64)).alias(task) for task in self.tasks)
        )


def swap_age_and_gender(names: Iterable[str]) -> list[str]:
    """Returns the columns of users in the order of 1M, where the gender comes first.

    Example:
        >>> swap_age_and_gender(["user_id", "age", "gender"])
        ['user_id', 'gender', 'age']
    """
    swapped = {"age": "gender", "gender": "age"}
    return [swapped.get(name, name) for name in names]


def read_movies(path: Path, small: bool) -> pa.Table:
    """Reads the films: their year, from the end of the title, and for each genre 0 or 1.

    Args:
        path: `u.item` or `movies.dat`, in Latin-1.
        small: Whether it is `u.item` of 100K.

    Raises:
        ValueError: If a line has another number of values than the release, or names a genre that it doesn't have.
    """
    delimiter, count = ("|", 24) if small else ("::", 3)
    columns: dict[str, list] = {"movie_id": [], "year": [], **{name: [] for name in GENRE_FEATURES.values()}}
    with open_text(path, "latin-1") as file:
        lines = file.read().split("\n")
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        values = line.rstrip("\r").split(delimiter)
        if len(values) != count:
            raise ValueError(
                f"{path}, line {number}: {len(values)} values, but the release has {count}; repair that line"
            )
        # Flags of 100K begin with one for "unknown".
        genres = [genre for genre, flag in zip(GENRES, values[6:], strict=True) if flag == "1"] if small else []
        genres = genres if small else values[2].split("|")
        if unknown := [genre for genre in genres if genre not in GENRES]:
            raise ValueError(f"{path}, line {number}, column 'genres': {unknown[0]!r} is no genre of the release")
        year = re.search(r"\((\d{4})\)\s*$", values[1])
        if not values[0].isdigit():
            raise ValueError(f"{path}, line {number}, column 'movie_id': {values[0]!r} is not an integer; repair it")
        columns["movie_id"].append(int(values[0]))
        columns["year"].append(float(year[1]) if year else None)
        for genre, name in GENRE_FEATURES.items():
            columns[name].append(float(genre in genres))
    return pa.table(columns)
