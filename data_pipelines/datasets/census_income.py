"""KDD Census-Income: people of the US census surveys of 1994 and 1995, the benchmark of the MMoE paper.

Lane and Kohavi, "Census-Income (KDD)", UCI Machine Learning Repository, 2000, doi 10.24432/C5N30T. Licence CC BY 4.0.
Tasks as in Ma et al., "Modeling Task Relationships in Multi-task Learning with Multi-gate Mixture-of-Experts", KDD
2018, doi 10.1145/3219819.3220007.
Download: https://archive.ics.uci.edu/dataset/117/census+income+kdd

The layout is taken from the release's `census-income.names` and from public programs that read the files (none of its
rows were at hand): no header, 42 values with commas and spaces between them, the last one ` - 50000.` or ` 50000+.`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import duckdb
import narwhals as nw

from tf_gradcraft.data_pipelines.datasets.base import PART, TableDataSet, check_flag
from tf_gradcraft.data_pipelines.datasets.card import Card
from tf_gradcraft.data_pipelines.datasets.text_files import numbered, read_text
from tf_gradcraft.data_pipelines.preparation.options import TableSpec

COLUMNS = (
    *("age", "class_of_worker", "industry", "occupation", "education", "wage_per_hour", "enrolled", "marital_status"),
    *("major_industry", "major_occupation", "race", "hispanic_origin", "sex", "union_member", "unemployment_reason"),
    *("employment_status", "capital_gains", "capital_losses", "dividends", "tax_filer_status", "previous_region"),
    *("previous_state", "household_and_family", "household_summary", "instance_weight", "migration_msa"),
    *("migration_region", "migration_within_region", "same_house", "previous_sunbelt", "employer_persons"),
    *("family_under_18", "birth_father", "birth_mother", "birth_self", "citizenship", "own_business"),
    *("veteran_questionnaire", "veteran_benefits", "weeks_worked", "year", "income_class"),
)
"""Our names of the columns, in the order of the files."""
NUMBERS = ("age", "wage_per_hour", "capital_gains", "capital_losses", "dividends", "employer_persons", "weeks_worked")
TYPES = {name: "float32" if name in (*NUMBERS, "instance_weight") else "string" for name in COLUMNS}
COLLEGE = (
    "Some college but no degree",
    "Associates degree-occup /vocational",
    "Associates degree-academic program",
    "Bachelors degree(BA AB BS)",
    "Masters degree(MA MS MEng MEd MSW MBA)",
    "Prof school degree (MD DDS DVM LLB JD)",
    "Doctorate degree(PhD EdD)",
)
LABEL_COLUMN = {"income": "income_class", "never_married": "marital_status", "college": "education"}
SPELLED_OUT = {"never_married": ("tax_filer_status", "household_and_family", "household_summary")}
"""For a task the columns that say its label in other words, such as "Child <18 never marr not in subfamily"."""
TEST_OFFSET = 10**9


class CensusIncome(TableDataSet):
    """The release of Census-Income (KDD).

    Rows are people, who have no id: each is its own user and item, group AUC is by the year of the survey, a k-core is
    refused, and rows that equal another one are kept. With `split="release"` half of the test file is the valid part,
    as in the MMoE paper.

    Args:
        path: The folder with `census-income.data` and `census-income.test` (or `.gz`).
        tasks: Names of the tasks, in order, of: income (above 50,000), never_married, college (some college or more).
        keep_spelled_out: Whether to keep the columns that say a task's label in other words as features. Published
            comparisons keep them.

    Raises:
        ValueError: If a task is not known.

    Example:
        >>> CensusIncome("census").tasks
        ('income', 'never_married')
    """

    name = "census_income"
    card = Card(
        title="KDD Census-Income: people, the benchmark of MMoE",
        rows="train 199,523, test 99,762",
        homepage="https://archive.ics.uci.edu/dataset/117/census+income+kdd",
        licence="CC BY 4.0",
        citation="Lane and Kohavi, Census-Income (KDD), UCI 2000, doi 10.24432/C5N30T; tasks of Ma et al., KDD 2018",
        files=("census-income.data", "census-income.test"),
        tasks={
            "income": "the last column is 50000+",
            "never_married": "marital status is Never married",
            "college": "education is some college or more",
        },
        default_tasks=("income", "never_married"),
        outcomes={
            "income_class": "the label of income",
            "marital_status": "the label of never_married (a feature only where that is no task)",
            "education": "the label of college (a feature only where that is no task)",
            "instance_weight": "the number of people that a row stands for: the release says it is no feature",
        },
        warnings=(
            "With the task never_married, tax_filer_status, household_and_family and household_summary say the label "
            "in other words. They are left out unless keep_spelled_out is set; published comparisons keep them.",
            "A fifth of the rows equal or contradict another one; rows of the test file may stand in the train file.",
            "No person is described twice: ids, historical rates and group AUC have no meaning here.",
        ),
        options={"keep_spelled_out": "keep columns that say the label in other words (default false)"},
    )
    types = TYPES
    split = "release"
    has_part = True
    anonymous = True

    def __init__(self, path: str | Path, tasks: Iterable[str] | None = None, *, keep_spelled_out: bool = False) -> None:
        super().__init__(path, tasks)
        self.keep_spelled_out = check_flag("keep_spelled_out", keep_spelled_out)

    def arguments(self) -> dict[str, Any]:
        """See `TableDataSet.arguments`."""
        return {"keep_spelled_out": self.keep_spelled_out}

    def files(self) -> dict[str, list[Path]]:
        """See `TableDataSet.files`."""
        return {"train": self.find("census-income.data"), "test": self.find("census-income.test")}

    def spec(self) -> TableSpec:
        """See `TableDataSet.spec`."""
        hidden = {"income_class", "instance_weight", *(LABEL_COLUMN[task] for task in self.tasks)}
        if not self.keep_spelled_out:
            hidden |= {name for task in self.tasks for name in SPELLED_OUT.get(task, ())}
        return TableSpec(
            user="row",
            item="row",
            time="row",
            date=PART,
            group="year",
            tasks=self.tasks,
            categorical={name: "string" for name in COLUMNS if name not in hidden and name not in NUMBERS},
            numeric=dict.fromkeys(NUMBERS, "log1p"),
        )

    def read(self, connection: duckdb.DuckDBPyConnection, files: Mapping[str, list[Path]]) -> nw.LazyFrame:
        """See `TableDataSet.read`; the even rows of the test file are the valid part."""
        parts = []
        for part, offset in (("train", 0), ("test", TEST_OFFSET)):
            people = numbered(read_text(connection, files[part][0], TYPES), "row")
            held_out = nw.lit(0) if part == "train" else 1 + nw.col("row") % 2
            parts.append(people.with_columns(held_out.cast(nw.Int64).alias(PART), nw.col("row") + offset))
        texts = [nw.col(name).str.strip_chars() for name, kind in TYPES.items() if kind == "string"]
        people = nw.concat(parts).with_columns(*texts)
        labels = {
            # "- 50000." or "50000+."; anything else is no label, which the check of the labels reports.
            "income": nw.when(nw.col("income_class").is_in(["50000+.", "- 50000."])).then(
                nw.col("income_class").str.starts_with("50000+").cast(nw.Int64)
            ),
            "never_married": (nw.col("marital_status") == "Never married").cast(nw.Int64),
            "college": nw.col("education").is_in(COLLEGE).cast(nw.Int64),
        }
        return people.with_columns(*(labels[task].alias(task) for task in self.tasks))
