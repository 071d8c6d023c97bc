"""The Pareto report: front, pick, table, page."""

import html.parser

import numpy as np
import pytest
from small_search import Free

from tf_gradcraft.tuning import ParetoReport, TaskObjective, hypervolume, make_tuner, non_dominated
from tf_gradcraft.tuning.trials import Trial, read_trials


def trial(name, metrics, status="COMPLETED", **values):
    logs = {"val_loss": 1.0, "val_auc_mean": 0.5, "loss": 1.0}
    for task, of_task in metrics.items():
        logs |= {f"val_{task}_loss": 0.5} | {f"val_{task}_{of}": value for of, value in of_task.items()}
    return Trial(name, status, values, epoch=2, score=0.6, metrics=logs)


RANDOM = np.random.default_rng(1)
AUCS = RANDOM.uniform(0.5, 0.8, (12, 3))
TRIALS = [
    trial(
        f"{at:02d}",
        {task: {"auc": auc, "gauc": 1 - auc} for task, auc in zip("abc", of, strict=True)},
        tau=at / 10,
        m="x",
    )
    for at, of in enumerate(AUCS)
]


def test_front_volume_and_table_are_those_of_the_metrics():
    report = ParetoReport([*TRIALS, trial("99", {}, status="FAILED")])
    np.testing.assert_array_equal(report.values, AUCS)
    np.testing.assert_array_equal(report.front, non_dominated(AUCS))
    assert report.hypervolume == pytest.approx(hypervolume(AUCS, [0.5] * 3)) == report.hypervolumes[-1]
    table = report.table()
    assert table["trial"].tolist() == [f"{at:02d}" for at in range(12)]
    assert table["front"].tolist() == report.front.tolist()
    np.testing.assert_array_equal(table[["val_a_auc", "val_b_auc", "val_c_auc"]], AUCS)
    assert {"epoch", "score", "tau", "m"} <= set(table)
    assert "loss" not in table


def test_another_metric_and_fewer_tasks():
    report = ParetoReport(TRIALS, metric="gauc", tasks=["c", "a"])
    assert report.metrics == {"c": "gauc", "a": "gauc"}
    np.testing.assert_allclose(report.values, 1 - AUCS[:, [2, 0]])


@pytest.mark.parametrize("weights", [{"a": 1}, {"a": 1, "b": 2, "c": 0.5}, {"c": 3, "b": 1}])
def test_a_pick_has_the_largest_weighted_metrics_and_is_on_the_front(weights):
    report = ParetoReport(TRIALS)
    sums = AUCS @ [weights.get(task, 0) for task in "abc"]
    picked = report.trials.index(report.pick(weights))
    assert sums[picked] == pytest.approx(sums.max())
    assert report.front[picked]


def test_errors_are_made_small_and_mixed_metrics_are_scaled():
    values = [(0.6, 2.0), (0.7, 3.0), (0.7, 3.5), (0.65, 1.0)]
    trials = [
        trial(str(at), {"a": {"auc": auc}, "r": {"rmse": rmse, "mae": 1.0}}) for at, (auc, rmse) in enumerate(values)
    ]
    report = ParetoReport(trials)
    assert report.metrics == {"a": "auc", "r": "rmse"}
    assert report.front.tolist() == [False, True, False, True]
    assert report.reference.tolist() == [0.5, 3.5]
    assert report.hypervolume == pytest.approx(0.2 * 0.5 + 0.15 * 2.0)
    assert report.pick({"a": 2, "r": 1}).name == "1"  # 2 against 1, of the whole range of each
    assert report.pick({"a": 1, "r": 2}).name == "3"


def test_a_pick_between_equals_is_on_the_front():
    trials = [trial("0", {"a": {"auc": 0.7}, "b": {"auc": 0.5}}), trial("1", {"a": {"auc": 0.7}, "b": {"auc": 0.6}})]
    assert ParetoReport(trials).pick({"a": 1}).name == "1"


def test_trials_without_auc_are_reported_by_loss():
    assert ParetoReport([trial("0", {"a": {}, "b": {"log_loss": 0.3}})]).metrics == {"a": "loss", "b": "log_loss"}


def test_folder_and_tuner_give_the_same_report(tmp_path):
    class OfTwo(Free):
        def fit(self, hp, model, *args, **kwargs):
            results = super().fit(hp, model, *args, **kwargs)
            a, b = hp.values["a"], hp.values["b"]
            return results | {"val_x_loss": 1, "val_y_loss": 1, "val_x_auc": a / 5, "val_y_auc": 1 - a / 5 - b / 1000}

    tuner = make_tuner("grid", OfTwo(), tmp_path / "search", max_trials=6, objective=TaskObjective("val_score"))
    tuner.search()
    one, other = ParetoReport.from_tuner(tuner), ParetoReport.from_folder(tmp_path / "search")
    assert one.trials == other.trials == read_trials(tmp_path / "search")
    assert [trial.values["b"] for trial, front in zip(one.trials, one.front, strict=True) if front] == [10, 10, 10]
    page = other.write(tmp_path / "pareto.html").read_text()
    assert page.count('<svg role="img"') == 2
    assert "6 completed trials; 3 of them are not dominated" in page


class Cells(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.captions, self.rows, self._inside = [], [], None

    def handle_starttag(self, tag, attributes):
        if tag == "table":
            self.rows.append([])
        if tag == "tr":
            self.rows[-1].append([])
        self._inside = tag if tag in ("td", "th", "caption") else None

    def handle_data(self, data):
        if data.strip() and self._inside in ("td", "th") and self.rows:
            self.rows[-1][-1].append(data)


def test_the_page_lists_the_front_with_what_differs(tmp_path):
    report = ParetoReport(TRIALS)
    text = report.write(tmp_path / "deep" / "pareto.html", title="Search <one>").read_text()
    assert "Search &lt;one&gt;" in text
    assert "http" not in text.replace("http://www.w3.org", "")
    cells = Cells()
    cells.feed(text)
    front, everything = cells.rows
    assert front[0] == ["trial", "a auc", "b auc", "c auc", "score", "epoch", "tau"]
    assert {row[0] for row in front[1:]} == {one.name for one, on in zip(TRIALS, report.front, strict=True) if on}
    assert len(everything) == 13
    assert front[1][1] == f"{AUCS[int(front[1][0]), 0]:.4f}"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ParetoReport([]), "none of 0 trials completed"),
        (lambda: ParetoReport(TRIALS, metric="uac"), "metric='uac' is not known; did you mean 'auc'"),
        (lambda: ParetoReport(TRIALS, tasks=["d"]), "task='d' is not known"),
        (lambda: ParetoReport(TRIALS).pick({"d": 1}), "task='d' is not known"),
        (lambda: ParetoReport(TRIALS).pick({"a": 0}), "weights are not negative and one is positive"),
        (lambda: ParetoReport(TRIALS).pick({"a": -1, "b": 2}), "weights are not negative"),
        (lambda: ParetoReport([trial("0", {})]), "the trials hold no val_<task>_loss"),
    ],
)
def test_what_makes_no_report_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_folder_without_trials_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no trial"):
        ParetoReport.from_folder(tmp_path)
