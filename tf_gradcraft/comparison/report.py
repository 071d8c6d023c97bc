"""The report of a comparison: tables for the terminal, CSV files and Markdown."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from tf_gradcraft.comparison.method import SUM
from tf_gradcraft.comparison.plan import Group, Plan
from tf_gradcraft.comparison.results import MEANS, METRICS, choices, read_models, scores, summary
from tf_gradcraft.comparison.runner import FAILURES_FILE
from tf_gradcraft.comparison.statistics import Difference
from tf_gradcraft.comparison.tables import (
    TextTable,
    choice_table,
    cost_table,
    difference_table,
    differences_of,
    value_table,
)
from tf_gradcraft.files.json_files import read_json

RUNS_FILE, SUMMARY_FILE, TESTS_FILE, MARKDOWN_FILE = "runs.csv", "summary.csv", "tests.csv", "report.md"


@dataclasses.dataclass(frozen=True)
class GroupReport:
    """One group of methods, evaluated.

    Attributes:
        group: The group.
        scores: One row a method and seed, see `results.scores`.
        means: Means over seeds.
        spreads: Standard deviations over seeds.
        differences: The paired tests.
    """

    group: Group
    scores: pd.DataFrame
    means: pd.DataFrame
    spreads: pd.DataFrame
    differences: list[Difference]

    def tables(self) -> list[TextTable]:
        """Returns the tables of values, and of tests."""
        values = [value_table(self.means, self.spreads, self.group, metric) for metric in METRICS]
        return [*values, difference_table(self.differences)]


@dataclasses.dataclass(frozen=True)
class Report:
    """All that a comparison says.

    Attributes:
        plan: Its plan.
        models: One row a model that was evaluated.
        groups: Its tables.
        chosen: What the searches chose.
        failures: `{run: what went wrong}`.
    """

    plan: Plan
    models: pd.DataFrame
    groups: list[GroupReport]
    chosen: pd.DataFrame
    failures: dict[str, str]

    @property
    def all_means(self) -> pd.DataFrame:
        """The means of all methods, each once."""
        means = pd.concat([of.means for of in self.groups])
        return means[~means.index.duplicated()]

    @property
    def costs(self) -> TextTable:
        """Time and memory of all methods."""
        spreads = pd.concat([of.spreads for of in self.groups])
        return cost_table(self.all_means, spreads[~spreads.index.duplicated()], self.chosen)

    def verdicts(self) -> list[str]:
        """Returns what the tests of the first table say, a sentence for mean AUC and one for mean group AUC."""
        return [sentence(self.groups[0].differences, metric) for metric in MEANS.values()]

    @property
    def missing(self) -> int:
        """Number of methods and seeds that are planned and not there; one that stands in several tables counts once."""
        lacking = set()
        for of in self.groups:
            there = set(zip(of.scores["method"], of.scores["seed"], strict=True))
            lacking |= set(itertools.product(of.group.labels, self.plan.seeds)) - there
        return len(lacking)

    def notes(self) -> list[str]:
        """Returns what a reader has to know to judge the tables."""
        plan, training = self.plan, self.plan.training
        budget = (
            f"{plan.trials} settings a model were tried with seed {plan.search_seed}, judged on the valid part alone."
            if plan.trials
            else "No settings were searched: all methods have their defaults, so there are no tuned fixed weights."
        )
        notes = [
            f"Model {training.model}, at most {training.epochs} epochs, patience {training.patience} on the valid "
            f"part, batches of {training.batch_size}, LazyAdam {training.learning_rate:g}, dropout "
            f"{training.dropout:g}, balanced over {training.balance_over}; seeds "
            f"{', '.join(map(str, plan.seeds))}. {budget}",
            "RI is the mean over tasks of the relative improvement on the single-task models (their mean over seeds). "
            "Intervals are of Student's t, for one comparison; p is of a paired t-test over seeds, corrected by Holm's "
            "method for all methods compared with the same base. With few seeds only large differences can be seen.",
        ]
        if self.missing:
            notes.append(f"Not complete: {self.missing} of the planned methods and seeds are missing.")
        return notes


def sentence(differences: Sequence[Difference], metric: str) -> str:
    """Says which methods are better or worse than the plain sum, and which are not to be told from it.

    Args:
        differences: Paired tests.
        metric: AV-A or AV-G.

    Example:
        >>> sentence([], "AV-A")
        'AV-A: nothing to compare with the plain sum yet.'
    """
    found: dict[str, list[str]] = {}
    for of in differences:
        if of.base == SUM and of.metric == metric:
            found.setdefault(of.verdict, []).append(of.method)
    if not found:
        return f"{metric}: nothing to compare with the plain sum yet."
    parts = [f"{verdict}: {', '.join(found[verdict])}" for verdict in sorted(found)]
    return f"{metric} against the plain sum: {'; '.join(parts)}."


def make_report(plan: Plan, out: Path) -> Report:
    """Reads a comparison, complete or not."""
    models = read_models(plan, out)
    groups = []
    for group in plan.groups:
        frame = scores(models, plan, group)
        means, spreads = summary(frame)
        groups.append(GroupReport(group, frame, means, spreads, differences_of(frame)))
    failures = out / FAILURES_FILE
    failed = read_json(failures) if failures.is_file() else {}
    return Report(plan, models, groups, choices(plan, out), failed)


def write_csv(report: Report, out: Path) -> None:
    """Writes runs.csv (every model), summary.csv (means and spreads) and tests.csv (every paired test)."""
    report.models.to_csv(out / RUNS_FILE, index=False)
    frames = []
    for of in report.groups:
        spreads = of.spreads.add_suffix(" spread")
        frames.append(of.means.join(spreads).reset_index().assign(group=of.group.title))
    pd.concat(frames).to_csv(out / SUMMARY_FILE, index=False)
    tests = [
        {"group": of.group.title, **dataclasses.asdict(difference), "verdict": difference.verdict}
        for of in report.groups
        for difference in of.differences
    ]
    pd.DataFrame(tests).to_csv(out / TESTS_FILE, index=False)


def write_markdown(report: Report, out: Path) -> None:
    """Writes report.md."""
    blocks = [f"# {report.plan.title}", *report.verdicts(), *report.notes()]
    for of in report.groups:
        blocks += [f"## {of.group.title}", *(table.markdown() for table in of.tables())]
    blocks += ["## Costs", report.costs.markdown()]
    if len(report.chosen):
        blocks += ["## Searches", choice_table(report.chosen).markdown()]
    if report.failures:
        blocks += ["## Failures", *(f"- `{name}`: {text}" for name, text in report.failures.items())]
    (out / MARKDOWN_FILE).write_text("\n\n".join(blocks) + "\n", encoding="utf-8")
