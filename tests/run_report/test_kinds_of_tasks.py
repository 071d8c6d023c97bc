"""The report of a model with tasks of every kind, masks, a sample space, and no group key."""

import dataclasses
import re

import numpy as np
import pandas as pd
import pytest

from tf_gradcraft.data_pipelines import PreparedData, TableSpec, prepare
from tf_gradcraft.data_pipelines.schema import Task
from tf_gradcraft.models import SharedBottom
from tf_gradcraft.run_report import ReportOptions, RunFiles, report_page
from tf_gradcraft.run_report.scored_rows import score_split

ROWS = 600
TASKS = (
    Task(name="click", mask="seen"),
    Task(name="buy", sample_space="click"),
    Task(name="mood", kind="multiclass", classes=3),
    Task(name="rating", kind="regression"),
    Task(name="watch", kind="watch_time"),
    Task(name="order", kind="ranking"),
)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    random = np.random.default_rng(0)
    log = {
        "user": random.integers(0, 8, ROWS),
        "video": random.integers(0, 20, ROWS),
        "time": np.arange(ROWS),
        "seconds": random.random(ROWS).astype("float32"),
        "seen": random.choice([0.0, 0.5, 1.0], ROWS),
        "click": random.integers(0, 2, ROWS),
        "mood": random.integers(0, 3, ROWS),
        "rating": random.normal(size=ROWS),
        "watch": random.random(ROWS),
        "order": random.integers(0, 4, ROWS),
    }
    log["buy"] = log["click"] * random.integers(0, 2, ROWS)
    spec = TableSpec(
        user="user",
        item="video",
        time="time",
        tasks=TASKS,
        categorical={"user": "int64", "video": "int64"},
        numeric={"seconds": None},
    )
    folder = tmp_path_factory.mktemp("kinds") / "prepared"
    prepare(pd.DataFrame(log), spec, folder)
    return PreparedData(folder)


@pytest.fixture(scope="module")
def model(data):
    return SharedBottom(data.schema, bottom_units=[4], embedding_dim=2, tower_units=[4])


def run_files(tmp_path):
    config = {
        "prepared": "prepared",
        "model": "shared_bottom",
        "balancing": "sum",
        "balancing_settings": {},
        "balance_over": "parameters",
        "data": {"dataset": "mine"},
        "epochs": 2,
    }
    history = {"loss": [2.0, 1.5], "val_loss": [2.0, 1.9], "val_rating_rmse": [1.0, float("nan")]}
    return RunFiles(tmp_path, config, history, {"epoch": 1, "metrics": {}}, None)


def test_rows_that_count_are_those_of_mask_and_sample_space(data, model):
    scored, columns = score_split(model, data, "valid"), data.columns("valid")
    click, buy, mood = (scored.tasks[name] for name in ("click", "buy", "mood"))
    np.testing.assert_array_equal(click.rows, np.flatnonzero(columns["seen"]))
    np.testing.assert_array_equal(click.weights, columns["seen"][columns["seen"] > 0])
    np.testing.assert_array_equal(click.labels, columns["click"][click.rows])
    # A purchase counts where the click happened, and is known.
    np.testing.assert_array_equal(buy.rows, np.flatnonzero((columns["click"] == 1) & (columns["seen"] > 0)))
    assert mood.predictions.shape == (data.rows["valid"], 3)
    assert scored.unit_name == "user"
    assert scored.units == len(np.unique(columns["group"]))
    predicted = model.predict({name: columns[name] for name in data.schema.feature_names}, verbose=0)
    np.testing.assert_allclose(click.predictions, predicted["click"][click.rows, 0], atol=1e-6)


def test_every_task_has_the_metrics_of_its_kind(data, model, tmp_path):
    options = ReportOptions(resamples=5, latency=False)
    page = report_page(run_files(tmp_path), model, data, {"tensorflow": "1"}, options).html()
    table = page[page.index("Metrics on the valid part") :]
    columns = re.findall(r'<th scope="col">([^<]+)', table[: table.index("</thead>")])
    rows = dict(re.findall(r'<th scope="row">([^<]+)</th>(.*?)</tr>', table[: table.index("</tbody>")], re.DOTALL))
    found = {}
    for task, cells in rows.items():
        cells = re.findall(r"<td>(.*?)</td>", cells, re.DOTALL)
        found[task] = {name for name, cell in zip(columns[3:], cells[2:], strict=True) if cell != "-"}
    binary = {"AUC", "group AUC", "log loss", "PCOC", "ECE"}
    assert found == {
        "click": binary,
        "buy": binary,
        "mood": {"accuracy", "log loss"},
        "rating": {"RMSE", "MAE"},
        "watch": {"RMSE", "MAE"},
        "order": {"NDCG@10"},
        "mean": {"AUC", "group AUC"},
    }
    assert "This log has no card" in page
    assert page.count("bins of equal mass</caption>") == 2


def test_a_model_without_binary_tasks_and_without_users(data, tmp_path):
    schema = dataclasses.replace(data.schema.select(tasks=["rating", "mood"]), group=None)
    small = SharedBottom(schema, bottom_units=[4], embedding_dim=2, tower_units=[4])
    scored = score_split(small, data, "valid")
    assert (scored.unit_name, scored.units) == ("row", data.rows["valid"])
    page = report_page(run_files(tmp_path), small, data, {}, ReportOptions(resamples=5, latency=False)).html()
    assert "so there is nothing to calibrate" in page
    assert "no binary task to audit" in page
    assert "draws rows anew" in page
    assert '<th scope="row">rating</th>' in page
