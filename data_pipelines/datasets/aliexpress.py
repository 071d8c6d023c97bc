"""AliExpress searching system: search results of five countries with click and purchase.

Li et al., "Improving Multi-Scenario Learning to Rank in E-commerce by Exploiting Task Relationships in the Label
Space", CIKM 2020, doi 10.1145/3340531.3412713. Download: https://tianchi.aliyun.com/dataset/74690 (registration).

The layout is taken from the release's description and from public programs that read it (none of its rows were at
hand): no header; the files of users have 33 columns, the first is the search; those of items have 49, the first is the
search and the last the feedback (0 shown, 1 clicked, 2 bought).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import duckdb
import narwhals as nw

from tf_gradcraft.data_pipelines.datasets.base import PART, TableDataSet
from tf_gradcraft.data_pipelines.datasets.card import Card
from tf_gradcraft.data_pipelines.datasets.text_files import numbered, read_text
from tf_gradcraft.data_pipelines.preparation.cleaning import join_features
from tf_gradcraft.data_pipelines.preparation.options import TableSpec
from tf_gradcraft.suggestions import unknown_name

TEST_OFFSET = 10**10
COUNTRIES = ("NL", "ES", "FR", "US", "RU")
USER_CATEGORICAL = (*range(2, 9), 32, 33)
ITEM_CATEGORICAL = (19, 34, 35, 36, 40, 41, 42)
"""Numbers of the columns that public programs treat as categories; the release describes no column."""
USER_TYPES = {"search": "string"} | {
    f"user_{number}": "string" if number in USER_CATEGORICAL else "float32" for number in range(2, 34)
}
ITEM_TYPES = {"search": "string"} | {
    f"item_{number}": "string" if number in ITEM_CATEGORICAL else "float32" for number in range(2, 49)
}
ITEM_TYPES["feedback"] = "int64"
FEATURE_TYPES = {name: kind for name, kind in (USER_TYPES | ITEM_TYPES).items() if name not in ("search", "feedback")}


class AliExpress(TableDataSet):
    """One country of the AliExpress searching system data set.

    Rows are the items of search result pages. The release describes neither users nor items by an id: group AUC is by
    search, rows are told apart by their place in the file, and a k-core is refused.

    Args:
        path: The folder with the unpacked files of the country.
        tasks: Names of the tasks, in order, of: click, pay.
        country: `"NL"`, `"ES"`, `"FR"`, `"US"` or `"RU"`.

    Raises:
        ValueError: If a task or the country is not known.

    Example:
        >>> AliExpress("aliexpress_NL_datasets", country="NL").tasks
        ('click', 'pay')
    """

    name = "aliexpress"
    card = Card(
        title="AliExpress search (NL, ES, FR, US, RU): click and pay",
        rows="NL 17.7 M, ES 31.6 M, FR 27.0 M, US 27.4 M, RU more",
        homepage="https://tianchi.aliyun.com/dataset/74690",
        licence="terms of Tianchi: research use, no redistribution",
        citation="Li et al., Improving Multi-Scenario Learning to Rank, CIKM 2020, doi 10.1145/3340531.3412713",
        files=tuple(f"nl_{kind}_{part}.csv" for part in ("train", "test") for kind in ("user", "item")),
        tasks={"click": "last column of the item file is 1 or 2", "pay": "last column of the item file is 2"},
        outcomes={"item_49 (the last column)": "the feedback: labels of click and pay"},
        warnings=(
            "Columns have no names in the release; which are categories was taken from public programs.",
            "Each row's feedback is its only one: the same item in another search can't be recognised.",
            "Items of a search without a row in the user file are dropped.",
        ),
        options={"country": "NL (default), ES, FR, US or RU: the first letters of the files' names"},
    )
    types = USER_TYPES | ITEM_TYPES
    split = "release"
    has_part = True
    anonymous = True

    def __init__(self, path: str | Path, tasks: Iterable[str] | None = None, *, country: str = "NL") -> None:
        super().__init__(path, tasks)
        if country not in COUNTRIES:
            raise ValueError(unknown_name("country", country, COUNTRIES))
        self.country = country

    def arguments(self) -> dict[str, Any]:
        """See `TableDataSet.arguments`."""
        return {"country": self.country}

    def files(self) -> dict[str, list[Path]]:
        """See `TableDataSet.files`."""
        return {
            f"{kind}_{part}": self.find(f"{self.country.lower()}_{kind}_{part}.csv")
            for part in ("train", "test")
            for kind in ("user", "item")
        }

    def spec(self) -> TableSpec:
        """See `TableDataSet.spec`."""
        return TableSpec(
            user="page",
            item="row",
            time="page",
            date=PART,
            tasks=self.tasks,
            categorical={name: kind for name, kind in FEATURE_TYPES.items() if kind == "string"},
            numeric={name: None for name, kind in FEATURE_TYPES.items() if kind != "string"},
            candidate=tuple(name for name in FEATURE_TYPES if name.startswith("item_")),
        )

    def read(self, connection: duckdb.DuckDBPyConnection, files: Mapping[str, list[Path]]) -> nw.LazyFrame:
        """See `TableDataSet.read`; the items of every tenth search of the train files are the valid part."""
        feedback = nw.col("feedback")
        labels = {"click": feedback >= 1, "pay": feedback == 2}
        parts = []
        for part in ("train", "test"):
            [users], [items] = files[f"user_{part}"], files[f"item_{part}"]
            pages = numbered(read_text(connection, users, USER_TYPES), "page")
            rows = numbered(read_text(connection, items, ITEM_TYPES), "row")
            # A search that stands there twice is one page.
            pages = pages.group_by(*USER_TYPES).agg(nw.col("page").min())
            rows = join_features(rows, pages, "search", str(users)).filter(~nw.col("page").is_null())
            held_out = nw.lit(2) if part == "test" else (nw.col("page") % 10 == 9).cast(nw.Int64)
            rows = rows.with_columns(held_out.cast(nw.Int64).alias(PART))
            # The test files are numbered on, so that no search is taken for one of the train files.
            offset = TEST_OFFSET if part == "test" else 0
            parts.append(rows.with_columns(nw.col("page") + offset, nw.col("row") + offset))
        # A feedback that is none of 0, 1 and 2 is kept as it is, for the check of the labels to name it.
        known = (feedback >= 0) & (feedback <= 2)
        return nw.concat(parts).with_columns(
            *(nw.when(known).then(labels[task].cast(nw.Int64)).otherwise(feedback).alias(task) for task in self.tasks)
        )
