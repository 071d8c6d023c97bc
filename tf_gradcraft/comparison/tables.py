"""The tables of a report, as text cells that terminal, Markdown and HTML show alike."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from tf_gradcraft.comparison.method import SINGLE, SUM
from tf_gradcraft.comparison.plan import Group
from tf_gradcraft.comparison.results import IMPROVEMENTS, MEANS, METRICS
from tf_gradcraft.comparison.statistics import Difference, all_differences

MISSING = "-"


@dataclasses.dataclass(frozen=True)
class TextTable:
    """A table of text.

    Args:
        title: What it shows.
        columns: Titles of the columns.
        rows: Cells; the first of a row is its title.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def markdown(self) -> str:
        r"""Returns the table in Markdown, its title above it.

        Example:
            >>> print(TextTable("AUC", ["method", "click"], [["a|b", ".7"]]).markdown())
            **AUC**
            <BLANKLINE>
            | method | click |
            |---|---|
            | a\|b | .7 |
        """
        head = [list(self.columns), *self.rows]
        lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in head]
        return "\n".join([f"**{self.title}**", "", lines[0], "|" + "---|" * len(self.columns), *lines[1:]])


def with_spread(mean: float, spread: float, pattern: str = ".4f") -> str:
    """Returns a mean and its standard deviation.

    Example:
        >>> with_spread(0.75, 0.002), with_spread(0.75, float("nan"))
        ('0.7500 ± 0.0020', '0.7500')
    """
    if math.isnan(mean):
        return MISSING
    return f"{mean:{pattern}}" + ("" if math.isnan(spread) else f" ± {spread:{pattern.lstrip('+')}}")


def value_table(means: pd.DataFrame, spreads: pd.DataFrame, group: Group, metric: str) -> TextTable:
    """Returns the table of the papers for one metric: by task, the mean over tasks, and the relative improvement.

    Args:
        means: Means over seeds, of `summary`.
        spreads: Standard deviations, of `summary`.
        group: The table.
        metric: `"auc"` or `"gauc"`.
    """
    names = [f"{task}_{metric}" for task in group.tasks] + [MEANS[metric]]
    improvement = IMPROVEMENTS[metric]
    rows = [
        [
            str(label),
            *(with_spread(means.loc[label, name], spreads.loc[label, name]) for name in names),
            with_spread(means.loc[label, improvement], spreads.loc[label, improvement], "+.2f"),
            str(means.loc[label, "seeds"]),
        ]
        for label in means.index
    ]
    columns = ["method", *group.tasks, MEANS[metric], f"{improvement} %", "seeds"]
    return TextTable(f"{METRICS[metric]} on the test part, mean ± standard deviation over seeds", columns, rows)


def difference_table(differences: Sequence[Difference]) -> TextTable:
    """Returns the paired tests as a table."""
    rows = [
        [
            f"{of.method} - {of.base}",
            of.metric,
            f"{of.mean:+.4f}",
            MISSING if math.isnan(of.low) else f"{of.low:+.4f} to {of.high:+.4f}",
            f"{of.ahead} of {of.seeds}",
            number(of.p, ".3f"),
            number(of.p_holm, ".3f"),
            of.verdict,
        ]
        for of in differences
    ]
    columns = ["difference", "value", "mean", "95% interval", "seeds ahead", "p", "p (Holm)", "verdict"]
    return TextTable("Paired differences over seeds", columns, rows)


def differences_of(frame: pd.DataFrame) -> list[Difference]:
    """Returns the tests that a report has: against single-task models and the plain sum, mean AUC and group AUC."""
    bases = [base for base in (SUM, SINGLE) if base in set(frame["method"])]
    return all_differences(frame, bases, list(MEANS.values()))


def cost_table(means: pd.DataFrame, spreads: pd.DataFrame, chosen: pd.DataFrame) -> TextTable:
    """Returns what each method costs: a run's training, an epoch, memory, and the whole search."""
    searched: dict[Any, float] = chosen.groupby("method")["seconds"].sum().to_dict() if len(chosen) else {}
    rows = [
        [
            str(label),
            with_spread(means.loc[label, "seconds"], spreads.loc[label, "seconds"], ".0f"),
            number(means.loc[label, "epochs"], ".1f"),
            number(means.loc[label, "seconds"] / means.loc[label, "epochs"], ".1f"),
            with_spread(means.loc[label, "cpu_seconds"], spreads.loc[label, "cpu_seconds"], ".0f"),
            number(means.loc[label, "peak_memory"] / 1e9, ".2f"),
            number(searched.get(label, math.nan) / 60, ".1f"),
        ]
        for label in means.index
    ]
    columns = ["method", "training of a run, s", "epochs", "an epoch, s", "CPU, s", "peak memory, GB", "search, min"]
    return TextTable("Time and memory", columns, rows)


def choice_table(chosen: pd.DataFrame) -> TextTable:
    """Returns what the searches chose as a table."""
    rows = [
        [
            row["method"] + (f" ({row['tasks']})" if row["method"] == SINGLE else ""),
            f"{row['tried']} of {row['trials']}",
            "defaults" if row["chosen"] == 0 else str(row["chosen"]),
            f"{row['learning_rate']:g}",
            f"{row['dropout']:g}",
            json.dumps(row["settings"])[1:-1] or MISSING,
            number(row["valid_of_defaults"]),
            number(row["valid"]),
        ]
        for _, row in chosen.iterrows()
    ]
    columns = [
        "method",
        "tried",
        "chosen trial",
        "learning rate",
        "dropout",
        "settings",
        "valid, defaults",
        "valid, chosen",
    ]
    return TextTable("What the searches chose, on the valid part", columns, rows)


def number(value: float | None, pattern: str = ".4f") -> str:
    """Returns a number as text, "-" where there is none."""
    return MISSING if value is None or math.isnan(value) else f"{value:{pattern}}"
