r"""Ali-CCP: impressions of Taobao's recommender with click and, after it, conversion.

Ma et al., "Entire Space Multi-Task Model: An Effective Approach for Estimating Post-Click Conversion Rate", SIGIR 2018,
doi 10.1145/3209978.3210104. Download: https://tianchi.aliyun.com/dataset/408 (registration).

The layout is taken from public programs that read the release (none of its rows were at hand): no header, commas
between columns, and in the last column features as `field \x02 id \x03 value`, with \x01 between them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import duckdb
import narwhals as nw

from tf_gradcraft.data_pipelines.datasets.base import PART, TableDataSet, check_flag
from tf_gradcraft.data_pipelines.datasets.card import Card
from tf_gradcraft.data_pipelines.datasets.text_files import read_text
from tf_gradcraft.data_pipelines.preparation.cleaning import join_features
from tf_gradcraft.data_pipelines.preparation.options import TableSpec

CLICKED = "clicked"
"""Column with the weight of the label of conversion, when only clicked impressions count."""
PARTS = ("train", "test")
KINDS = ("sample_skeleton", "common_features")
SKELETON_TYPES = {
    **dict.fromkeys(["sample_id", "click", "conversion"], "int64"),
    "common_index": "string",
    "feature_count": "int64",
    "features": "string",
}
COMMON_TYPES = {"common_index": "string", "feature_count": "int64", "features": "string"}
USER_FIELDS = {
    "101": "user_id",
    "121": "profile",
    "122": "profile_group",
    "124": "gender",
    "125": "age",
    "126": "consumption_1",
    "127": "consumption_2",
    "128": "working",
    "129": "geography",
}
"""Fields of the common features: name of the field in the release, and ours."""
ITEM_FIELDS = {"205": "item_id", "206": "category", "207": "shop", "216": "brand"}
OTHER_FIELDS = {
    "508": "categories_x_category",
    "509": "shops_x_shop",
    "702": "brands_x_brand",
    "853": "intentions_x_intention",
    "301": "position",
}
"""Fields of the skeleton: what the user did before with the like of this item, and the context."""


class AliCCP(TableDataSet):
    """The release of Ali-CCP: skeletons of impressions, joined with the features that many of them have in common.

    A conversion is known on every impression: no click, no conversion. So its label is one of the entire space, which
    the chained models ESMM and ESCM2 take as it is. With `clicked_only` it has weight 0 on impressions without a click:
    models then learn the rate of conversion after a click. Rows with a conversion but no click, which contradict
    themselves, are dropped.

    The fields with several values (210, 109_14, 110_14, 127_14, 150_14) are not read.

    Args:
        path: The folder with the four CSV files.
        tasks: Names of the tasks, in order, of: click, conversion.
        clicked_only: Whether the label of conversion counts on clicked impressions only.

    Raises:
        ValueError: If a task is not known.

    Example:
        >>> AliCCP("ali_ccp").tasks
        ('click', 'conversion')
    """

    name = "ali_ccp"
    card = Card(
        title="Ali-CCP: Taobao impressions with click and conversion",
        rows="train 42.3 M, test 43.0 M",
        homepage="https://tianchi.aliyun.com/dataset/408",
        licence="terms of Tianchi: research use, no redistribution",
        citation="Ma et al., Entire Space Multi-Task Model, SIGIR 2018, doi 10.1145/3209978.3210104",
        files=tuple(
            f"{kind}_{part}.csv" for part in ("train", "test") for kind in ("sample_skeleton", "common_features")
        ),
        tasks={"click": "second column of the skeleton", "conversion": "third column: a purchase after the click"},
        outcomes={"click": "the label of click", "conversion": "the label of conversion"},
        options={"clicked_only": "conversion counts on clicked impressions only (default false: on all)"},
        warnings=(
            "About 4 % of the impressions are clicked and 0.02 % converted: batches without a conversion are common.",
            "Rows have no time. The release's test part is later than its train part; split='random' mixes them.",
            "The columns' meaning was taken from public programs, not from the release: look at the first lines.",
        ),
    )
    types = SKELETON_TYPES
    split = "release"
    has_part = True

    def __init__(self, path: str | Path, tasks: Iterable[str] | None = None, *, clicked_only: bool = False) -> None:
        super().__init__(path, tasks)
        self.clicked_only = check_flag("clicked_only", clicked_only)

    def arguments(self) -> dict[str, Any]:
        """See `TableDataSet.arguments`."""
        return {"clicked_only": self.clicked_only}

    def files(self) -> dict[str, list[Path]]:
        """See `TableDataSet.files`."""
        return {f"{kind}_{part}": self.find(f"{kind}_{part}.csv") for part in PARTS for kind in KINDS}

    def spec(self) -> TableSpec:
        """See `TableDataSet.spec`."""
        fields = (*USER_FIELDS.values(), *ITEM_FIELDS.values(), *OTHER_FIELDS.values())
        return TableSpec(
            user="user_id",
            item="item_id",
            time="sample_id",
            date=PART,
            tasks=self.tasks,
            categorical=dict.fromkeys(fields, "int64"),
            statistic_keys=("user_id", "item_id", "category", "shop", "brand"),
            masks={"conversion": CLICKED} if self.clicked_only and "conversion" in self.tasks else {},
            candidate=tuple(name for name in (*ITEM_FIELDS.values(), *OTHER_FIELDS.values()) if name != "position"),
        )

    def read(self, connection: duckdb.DuckDBPyConnection, files: Mapping[str, list[Path]]) -> nw.LazyFrame:
        """See `TableDataSet.read`; every tenth sample of the train files is the valid part."""
        parts = []
        for part in PARTS:
            [skeleton], [common] = files[f"sample_skeleton_{part}"], files[f"common_features_{part}"]
            number = "2" if part == "test" else "CASE WHEN sample_id % 10 = 0 THEN 1 ELSE 0 END"
            keys = f"sample_id, click, conversion, common_index, {number} AS {PART}"
            fields = fields_of(ITEM_FIELDS | OTHER_FIELDS)
            samples = read_text(connection, skeleton, SKELETON_TYPES).project(f"{keys}, {fields}")
            users = read_text(connection, common, COMMON_TYPES).project(f"common_index, {fields_of(USER_FIELDS)}")
            joined = join_features(nw.from_native(samples), nw.from_native(users), "common_index", str(common))
            parts.append(joined.drop("common_index"))
        contradiction = ((nw.col("click") == 0) & (nw.col("conversion") == 1)).fill_null(False)
        return nw.concat(parts).filter(~contradiction).with_columns(nw.col("click").alias(CLICKED))


def fields_of(names: Mapping[str, str]) -> str:
    r"""Returns the SQL that takes the first id of each field out of the column `features`; missing where there is none.

    Args:
        names: For each field of the release our name of it.

    Example:
        >>> text = "101\x0231319\x031.0\x01121\x023438658\x031.0"
        >>> table = duckdb.connect().sql("SELECT $1 AS features", params=[text])
        >>> table.project(fields_of({"121": "profile", "122": "group"})).fetchall()
        [(3438658, None)]
    """
    # Ids are digits only; DuckDB's \x01 stands for the character 1.
    takes = (
        f"TRY_CAST(regexp_extract(features, '(?:^|\\x01){field}\\x02(\\d+)\\x03', 1) AS BIGINT) AS {name}"
        for field, name in names.items()
    )
    return ", ".join(takes)
