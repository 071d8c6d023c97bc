"""The table of the paper and its outputs, from run folders written by hand."""

import dataclasses
import io
import json
import re

import numpy as np
import pandas as pd
import pytest

from tf_gradcraft.comparison.ablation import ablation_plan
from tf_gradcraft.comparison.page import write_page
from tf_gradcraft.comparison.plan import write_plan
from tf_gradcraft.comparison.report import make_report, write_csv, write_markdown

# {method: {seed: (click AUC, like AUC, click group AUC, like group AUC)}}
VALUES = {
    "single": {1: (0.70, 0.80, 0.60, 0.50), 2: (0.70, 0.80, 0.62, 0.54)},
    "sum": {1: (0.71, 0.78, 0.61, 0.52), 2: (0.73, 0.80, 0.61, 0.52)},
    "gradcraft": {1: (0.72, 0.80, 0.61, 0.53), 2: (0.74, 0.84, 0.61, 0.55)},
}


def write_run(folder, metrics, *, seconds=10.0, epochs=4, memory=1_500_000_000, valid=0.7):
    folder.mkdir(parents=True)
    tasks = [name.removesuffix("_auc") for name in metrics if name.endswith("_auc")]
    monitor = "val_auc_mean" if len(tasks) > 1 else f"val_{tasks[0]}_auc"
    files = {
        "config": {"format": 1, "monitor": monitor},
        "history": {"loss": [1.0] * epochs},
        "metrics": {"epoch": 2, "seconds": seconds, "metrics": {monitor.removeprefix("val_"): valid}},
        "metrics_test": {"split": "test", "metrics": metrics},
        "cost": {"jobs": 1, "train": {"seconds": seconds + 5, "cpu_seconds": 2 * seconds, "peak_memory": memory}},
    }
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content))


def write_values(out, values):
    for method, by_seed in values.items():
        for seed, (click, like, click_group, like_group) in by_seed.items():
            of_click = {"click_auc": click, "click_gauc": click_group}
            of_like = {"like_auc": like, "like_gauc": like_group}
            if method == "single":
                write_run(out / "runs" / method / "click" / f"seed-{seed}", of_click, seconds=3.0, epochs=3)
                write_run(out / "runs" / method / "like" / f"seed-{seed}", of_like, seconds=4.0, memory=1_600_000_000)
            else:
                write_run(out / "runs" / method / f"seed-{seed}", of_click | of_like)


@pytest.fixture
def out(tmp_path):
    folder = tmp_path / "out"
    write_values(folder, VALUES)
    return folder


@pytest.fixture
def report(make_plan, out):
    plan = make_plan(trials=0)
    write_plan(plan, out)
    return make_report(plan, out)


def test_the_table_of_the_paper_by_hand(report):
    [of] = report.groups
    means, spreads = of.means, of.spreads
    assert list(means.index) == ["single", "sum", "gradcraft"]
    # AV-A of gradcraft: (.72 + .80) / 2 = .76 and (.74 + .84) / 2 = .79.
    assert means.loc["gradcraft", "AV-A"] == pytest.approx(0.775)
    assert spreads.loc["gradcraft", "AV-A"] == pytest.approx(0.03 / 2**0.5)
    # RI-A: seed 1 (.72 / .70 - 1 + .80 / .80 - 1) / 2, seed 2 (.74 / .70 - 1 + .84 / .80 - 1) / 2.
    first, second = 100 * (0.02 / 0.70) / 2, 100 * (0.04 / 0.70 + 0.04 / 0.80) / 2
    assert means.loc["gradcraft", "RI-A"] == pytest.approx((first + second) / 2)
    assert spreads.loc["gradcraft", "RI-A"] == pytest.approx((second - first) / 2**0.5)
    assert means.loc["sum", "RI-A"] == pytest.approx(100 * ((0.01 / 0.7 - 0.02 / 0.8) / 2 + (0.03 / 0.7) / 2) / 2)
    # Single-task models: mean group AUC .61 and .52 over seeds, which is what others are compared with.
    assert means.loc["single", "AV-G"] == pytest.approx((0.61 + 0.52) / 2)
    assert means.loc["single", "RI-G"] == pytest.approx(0)
    assert means.loc["gradcraft", "RI-G"] == pytest.approx(100 * ((0.01 / 0.52) / 2 + (0.03 / 0.52) / 2) / 2)
    assert means.loc["sum", "RI-G"] == pytest.approx(0)
    assert means.loc["gradcraft", "click_gauc"] == pytest.approx(0.61)


def test_costs_of_single_tasks_are_those_of_all_of_them(report):
    means = report.groups[0].means
    assert means.loc["single", ["seconds", "cpu_seconds", "epochs", "peak_memory"]].tolist() == [7.0, 14.0, 7.0, 1.6e9]
    assert means.loc["sum", ["seconds", "cpu_seconds", "epochs", "peak_memory"]].tolist() == [10.0, 20.0, 4.0, 1.5e9]
    assert report.costs.rows[0] == ["single", "7 ± 0", "7.0", "1.0", "14 ± 0", "1.60", "-"]


def test_differences_are_against_the_sum_and_the_single_tasks(report):
    found = {(of.method, of.base, of.metric): of for of in report.groups[0].differences}
    assert len(found) == 2 * 2 * 2
    of = found["gradcraft", "sum", "AV-A"]
    assert (of.mean, of.ahead, of.seeds) == (pytest.approx((0.015 + 0.025) / 2), 2, 2)
    assert found["sum", "single", "AV-A"].mean == pytest.approx(((0.745 - 0.75) + (0.765 - 0.75)) / 2)


def test_a_task_without_group_auc_is_left_out_of_its_mean(make_plan, tmp_path):
    values = {name: {seed: (*of[:3], None) for seed, of in by_seed.items()} for name, by_seed in VALUES.items()}
    write_values(tmp_path / "out", values)
    means = make_report(make_plan(trials=0), tmp_path / "out").groups[0].means
    assert means.loc["gradcraft", "AV-G"] == pytest.approx(0.61)
    assert means.loc["gradcraft", "RI-G"] == pytest.approx(0)
    assert means.loc["gradcraft", "AV-A"] == pytest.approx(0.775)


def test_what_is_missing_is_said_and_not_counted(make_plan, out):
    (out / "runs" / "single" / "like" / "seed-2" / "metrics_test.json").unlink()
    (out / "runs" / "sum" / "seed-1" / "metrics_test.json").unlink()
    report = make_report(make_plan(trials=0), out)
    assert report.groups[0].means["seeds"].to_dict() == {"single": 1, "sum": 1, "gradcraft": 2}
    assert report.missing == 2
    assert dataclasses.replace(report, groups=2 * report.groups).missing == 2
    assert "2 of the planned methods and seeds are missing" in " ".join(report.notes())
    # The like model of seed 2 does not count for the single-task row, and neither does its click model.
    assert report.groups[0].means.loc["single", "click_gauc"] == 0.60


def test_csv_files_hold_every_run_and_the_summary(report, out):
    write_csv(report, out)
    runs = pd.read_csv(out / "runs.csv")
    assert len(runs) == 4 + 2 + 2
    some = runs.set_index(["method", "tasks", "seed"])
    assert some.loc[("gradcraft", "click,like", 2), "like_auc"] == 0.84
    assert np.isnan(some.loc[("single", "click", 1), "like_auc"])
    assert some.loc[("single", "like", 1), "process_seconds"] == 9.0
    summary = pd.read_csv(out / "summary.csv").set_index("method")
    assert summary.loc["gradcraft", "AV-A"] == pytest.approx(0.775)
    assert summary.loc["gradcraft", "AV-A spread"] == pytest.approx(0.03 / 2**0.5)
    tests = pd.read_csv(out / "tests.csv")
    assert len(tests) == 8
    assert set(tests["verdict"]) <= {"better", "worse", "inside the spread"}


def markdown_tables(text):
    """`{title: frame}` of a Markdown page, read by pandas."""
    tables = {}
    for title, body in re.findall(r"\*\*(.+)\*\*\n\n((?:\|.*\n)+)", text):
        lines = [line.strip("|") for line in body.splitlines()]
        assert set(lines.pop(1)) <= set("|-")
        tables[title] = pd.read_csv(io.StringIO("\n".join(lines)), sep="|", skipinitialspace=True)
        tables[title].columns = tables[title].columns.str.strip()
    return tables


def test_markdown(report, out):
    write_markdown(report, out)
    text = (out / "report.md").read_text()
    tables = markdown_tables(text)
    table = tables["AUC on the test part, mean ± standard deviation over seeds"]
    assert list(table.columns) == ["method", "click", "like", "AV-A", "RI-A %", "seeds"]
    row = [cell.strip() if isinstance(cell, str) else cell for cell in table.iloc[2]]
    assert row == ["gradcraft", "0.7300 ± 0.0141", "0.8200 ± 0.0283", "0.7750 ± 0.0212", "+3.39 ± 2.78", 2]
    assert len(tables) == 4
    assert "No settings were searched" in text
    assert "AV-A against the plain sum: inside the spread: single, gradcraft." in text


def page_of(report, out):
    write_page(report, out)
    return (out / "report.html").read_text()


def test_page(report, out):
    text = page_of(report, out)
    assert text.count("<svg role=") == 3
    assert "highest is that of gradcraft" in text
    assert "0.7750 ± 0.0212" in text
    assert not re.search(r"(?:src|href)=[\"']?https?:", text)
    assert all(f">{method}<" in text for method in VALUES)


def test_search_and_failures_are_reported(make_plan, out):
    plan = make_plan(trials=2)
    trials = plan.trials_of(plan.method("gradcraft"))
    tried = [dict(vars(trial), valid=value) for trial, value in zip(trials, (0.7, 0.71), strict=True)]
    (out / "search" / "gradcraft").mkdir(parents=True)
    chosen = {"chosen": vars(trials[1]), "trial": 1, "seed": 0, "tried": tried}
    (out / "search" / "gradcraft" / "chosen.json").write_text(json.dumps(chosen))
    for number in range(2):
        write_run(out / "search" / "gradcraft" / f"trial-{number}", {"click_auc": 1.0}, seconds=25.0)
    (out / "failures.json").write_text(json.dumps({"runs/fixed/seed-1": "train ended with code 9"}))
    report = make_report(plan, out)
    write_markdown(report, out)
    text = (out / "report.md").read_text()
    table = markdown_tables(text)["What the searches chose, on the valid part"]
    assert [str(cell).strip() for cell in table.iloc[0]][:3] == ["gradcraft", "2 of 2", "1"]
    assert json.dumps(trials[1].settings)[1:-1] in text
    # Two trials of 30 s.
    assert next(row for row in report.costs.rows if row[0] == "gradcraft")[-1] == "1.0"
    assert "`runs/fixed/seed-1`: train ended with code 9" in text
    assert "runs/fixed/seed-1: train ended with code 9" in page_of(report, out)


def test_nothing_finished_yet(make_plan, tmp_path):
    out = tmp_path / "out"
    plan = make_plan()
    write_plan(plan, out)
    report = make_report(plan, out)
    write_csv(report, out)
    write_markdown(report, out)
    assert "No run of this table is finished" in page_of(report, out)
    assert "nothing to compare with the plain sum yet" in (out / "report.md").read_text()


def test_a_page_of_ablations_has_sweeps_and_scaling(prepared, tmp_path):
    out, tasks = tmp_path / "out", ("click", "like", "follow")
    plan = ablation_plan(prepared, tasks, [1, 2], taus=(0, 0.5, 1), epsilons=(), task_counts=(2, 3))
    random = np.random.default_rng(0)
    for method in plan.methods:
        for some in method.parts:
            for seed in plan.seeds:
                inside = f"/{some[0]}" if method.label == "single" else ""
                name = re.sub("[:]", "-", method.label) + inside
                values = {f"{task}_{metric}": random.uniform(0.6, 0.7) for task in some for metric in ("auc", "gauc")}
                write_run(out / "runs" / name / f"seed-{seed}", values)
    report = make_report(plan, out)
    assert report.missing == 0
    two = next(of for of in report.groups if of.group.title == "2 tasks")
    row = two.scores[(two.scores["method"] == "single") & (two.scores["seed"] == 1)].iloc[0]
    assert row["AV-A"] == pytest.approx((row["click_auc"] + row["like_auc"]) / 2)
    assert row["seconds"] == 20.0
    text = page_of(report, out)
    assert "over the number of tasks" in text
    assert '<h2 id="tau">' in text
    # A mean chart or a sweep and a heat map for each of four groups, scaling, and costs.
    assert text.count("<svg role=") == 4 * 2 + 2
