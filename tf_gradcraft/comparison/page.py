"""The report of a comparison as one HTML page."""

from __future__ import annotations

from pathlib import Path

from markupsafe import Markup

from tf_gradcraft.comparison.charts import cost_chart, improvement_chart, mean_chart, scaling_chart, sweep_chart
from tf_gradcraft.comparison.method import SINGLE
from tf_gradcraft.comparison.report import Report
from tf_gradcraft.comparison.tables import TextTable, choice_table
from tf_gradcraft.reporting import Page, alert, details, paragraph, table

PAGE_FILE = "report.html"


def write_page(report: Report, out: Path) -> None:
    """Writes report.html: verdict first, then for each group its chart and tables, costs, searches and failures."""
    page = Page(report.plan.title, lead=" ".join(report.verdicts()))
    alerts = [alert(f"{name}: {text}") for name, text in report.failures.items()]
    page.add("How to read it", *alerts, *(paragraph(note) for note in report.notes()))
    for of in report.groups:
        if of.scores.empty:
            page.add(of.group.title, paragraph("No run of this table is finished."))
            continue
        charts = [sweep_chart(of) if of.group.places else mean_chart(of)]
        if SINGLE in of.means.index and len(of.means) > 1:
            charts.append(improvement_chart(of))
        *values, tests = (html_table(text) for text in of.tables())
        page.add(of.group.title, *charts, *values, details("Paired tests over seeds", tests))
    if any(not of.scores.empty for of in report.groups):
        if (scaling := scaling_chart(report.groups)) is not None:
            page.add("Number of tasks", scaling)
        page.add("Costs", cost_chart(report), html_table(report.costs))
    if len(report.chosen):
        page.add("Searches", html_table(choice_table(report.chosen)))
    page.write(out / PAGE_FILE)


def html_table(text: TextTable) -> Markup:
    """Returns a table for the page."""
    return table(text.title, text.columns, text.rows)
