"""Metrics of resamples and their intervals, against plain loops with scikit-learn on the rows written out."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scored import scored_task
from sklearn.metrics import accuracy_score, log_loss, mean_absolute_error, ndcg_score, roc_auc_score

from tf_gradcraft import metrics
from tf_gradcraft.data_pipelines.task import Task
from tf_gradcraft.run_report.binary_statistics import BinaryStatistics
from tf_gradcraft.run_report.bootstrap import bootstrap, draw_units, percentile_interval
from tf_gradcraft.run_report.scored_rows import ScoredTask
from tf_gradcraft.run_report.statistics import task_statistics

CLICK = Task(name="click")


def slow_metrics(task, times, bins=10):
    """The metrics of a draw: a row counts with its weight times how often its user was drawn."""
    frame = pd.DataFrame(
        {"y": task.labels, "p": task.predictions, "w": task.weights * times[task.units], "user": task.units}
    )
    frame = frame[frame.w > 0]
    found = {"auc": math.nan, "gauc": math.nan}
    if frame.y.nunique() == 2:
        found["auc"] = roc_auc_score(frame.y, frame.p, sample_weight=frame.w)
    areas = [
        (roc_auc_score(rows.y, rows.p, sample_weight=rows.w), rows.w.sum())
        for _, rows in frame.groupby("user")
        if rows.y.nunique() == 2
    ]
    if areas:
        found["gauc"] = np.average([area for area, _ in areas], weights=[weight for _, weight in areas])
    found["log_loss"] = log_loss(frame.y, frame.p, sample_weight=frame.w, labels=[0, 1])
    positives = (frame.w * frame.y).sum()
    found["pcoc"] = (frame.w * frame.p).sum() / positives if positives else math.nan
    found["ece"] = float(metrics.equal_mass_ece(frame.y, frame.p, frame.w, bins))
    return found


@settings(max_examples=15)
@given(
    seed=st.integers(0, 10**6),
    rows=st.integers(1, 80),
    users=st.integers(1, 20),
    weighted=st.booleans(),
    rate=st.sampled_from([0.0, 0.1, 0.5]),
    levels=st.sampled_from([1, 5, 10**6]),
)
def test_metrics_of_a_draw_are_those_of_its_rows(seed, rows, users, weighted, rate, levels):
    task = scored_task(rows, users, seed, rate, weighted, levels)
    statistics = BinaryStatistics(task, users)
    for times in (np.ones(users), np.random.default_rng(seed).poisson(1, users).astype(float)):
        if (times[task.units] > 0).any():
            assert statistics(times) == pytest.approx(slow_metrics(task, times), abs=1e-9, nan_ok=True)


def test_a_user_drawn_twice_counts_as_two_users_with_the_same_rows():
    task, times = scored_task(), next(draw_units(60, 1, seed=3))
    copies = [(task.units == unit, copy) for unit in range(60) for copy in range(int(times[unit]))]
    labels, predictions, users = [], [], []
    for number, (chosen, _) in enumerate(copies):
        labels.append(task.labels[chosen])
        predictions.append(task.predictions[chosen])
        users.append(np.full(chosen.sum(), number))
    columns = [np.concatenate(of) for of in (labels, predictions, users)]
    found = BinaryStatistics(task, 60)(times)
    assert found["auc"] == pytest.approx(roc_auc_score(*columns[:2]), abs=1e-12)
    assert found["gauc"] == pytest.approx(float(metrics.group_auc(*columns)), abs=1e-12)


def test_intervals_are_the_quantiles_of_a_slow_loop_over_the_same_resamples():
    tasks = {"click": scored_task(weighted=True), "like": scored_task(seed=1, rate=0.1)}
    found = bootstrap({name: BinaryStatistics(task, 60) for name, task in tasks.items()}, 60, resamples=8, seed=5)
    drawn = {name: [slow_metrics(task, times) for times in draw_units(60, 8, seed=5)] for name, task in tasks.items()}
    for name, task in tasks.items():
        whole = slow_metrics(task, np.ones(60))
        for metric, interval in found[name].items():
            values = [of[metric] for of in drawn[name]]
            low, high = np.quantile(values, [0.025, 0.975])
            assert (interval.value, interval.low, interval.high) == pytest.approx((whole[metric], low, high), abs=1e-9)
            assert interval.resamples == 8
    means = [(one["auc"] + other["auc"]) / 2 for one, other in zip(drawn["click"], drawn["like"], strict=True)]
    assert found["mean"]["auc"].high == pytest.approx(np.quantile(means, 0.975), abs=1e-9)


def test_the_whole_sample_has_the_values_of_the_metrics_package():
    task = scored_task(weighted=True)
    columns = (task.labels, task.predictions)
    expected = {
        "auc": metrics.auc(*columns, task.weights),
        "gauc": metrics.group_auc(*columns, task.units, task.weights),
        "log_loss": metrics.log_loss(*columns, task.weights),
        "pcoc": metrics.pcoc(*columns, task.weights),
        "ece": metrics.equal_mass_ece(*columns, task.weights),
    }
    found = {
        name: interval.value for name, interval in bootstrap({"t": BinaryStatistics(task, 60)}, 60, 0)["t"].items()
    }
    assert found == pytest.approx({name: float(value) for name, value in expected.items()}, abs=1e-12)


def test_other_kinds_of_tasks_have_their_metrics():
    random = np.random.default_rng(0)
    units = random.integers(0, 9, 90)
    times = next(draw_units(9, 1, seed=2))
    weights = times[units]

    def values_of(task, labels, predictions, lists=None):
        scored = ScoredTask(task, labels, predictions, np.ones(90), units, lists, np.arange(90))
        return task_statistics(scored, 9, grouped=True)(times)

    classes, shares = random.integers(0, 3, 90).astype(float), random.dirichlet([1, 1, 1], 90)
    found = values_of(Task(name="mood", kind="multiclass", classes=3), classes, shares)
    assert found["accuracy"] == pytest.approx(accuracy_score(classes, shares.argmax(axis=1), sample_weight=weights))
    assert found["log_loss"] == pytest.approx(log_loss(classes, shares, sample_weight=weights))

    labels, predictions = random.normal(size=(2, 90))
    found = values_of(Task(name="watch", kind="regression"), labels, predictions)
    assert found["mae"] == pytest.approx(mean_absolute_error(labels, predictions, sample_weight=weights))
    assert found["rmse"] == pytest.approx(np.sqrt(np.average((labels - predictions) ** 2, weights=weights)))

    grades = random.integers(0, 4, 90).astype(float)
    found = values_of(Task(name="order", kind="ranking"), grades, predictions, lists=units)
    lists = [(grades[units == unit], predictions[units == unit], times[unit]) for unit in range(9)]
    gains = [(ndcg_score([y], [p], k=10), weight) for y, p, weight in lists if len(set(y)) > 1]
    expected = np.average([gain for gain, _ in gains], weights=[weight for _, weight in gains])
    assert found["ndcg_at_10"] == pytest.approx(expected)
    assert values_of(Task(name="order", kind="ranking"), grades, predictions) == {}


def test_draws_are_those_of_the_seed_and_have_as_many_users():
    one, again, other = (list(draw_units(50, 3, seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)
    assert [drawn.sum() for drawn in one] == [50, 50, 50]


def test_an_interval_covers_the_truth_about_as_often_as_it_says():
    """Users differ in their base rate; an interval over rows would cover far less than 95 %."""
    random = np.random.default_rng(3)
    covered = 0
    for seed in range(60):
        rates, units = random.beta(2, 2, 40), np.repeat(np.arange(40), 25)
        labels = (random.random(1000) < rates[units]).astype(float)
        task = ScoredTask(CLICK, labels, np.full(1000, 0.5), np.ones(1000), units, None, np.arange(1000))
        interval = bootstrap({"t": BinaryStatistics(task, 40, grouped=False)}, 40, 60, seed)["t"]["pcoc"]
        covered += not interval.apart_from(1)
    assert 0.83 <= covered / 60 <= 1


def test_a_metric_that_is_seldom_defined_has_no_interval():
    seldom = percentile_interval(0.5, [0.4, math.nan, math.nan])
    assert (seldom.value, seldom.resamples, math.isnan(seldom.low)) == (0.5, 1, True)
    assert percentile_interval(0.5, [0.4, 0.6, math.nan]).resamples == 2
    assert math.isnan(percentile_interval(0.5, []).high)
    assert not percentile_interval(math.nan, [math.nan]).apart_from(1)


def test_a_negative_number_of_resamples_is_refused():
    with pytest.raises(ValueError, match="resamples must be at least 0, got -1"):
        bootstrap({}, 3, resamples=-1)
