"""Delta-m against a table by hand, its signs, and its errors."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tf_gradcraft import metrics
from tf_gradcraft.metrics import delta_m, relative_improvements

SIGNS = {"auc": 1, "gauc": 1, "ndcg_at_10": 1, "map_at_5": 1, "log_loss": -1, "normalised_entropy": -1, "rmse": -1}

values = st.dictionaries(
    st.sampled_from(["click", "like", "watch"]),
    st.dictionaries(st.sampled_from(sorted(SIGNS)), st.tuples(*[st.floats(0.01, 100)] * 2), min_size=1),
    min_size=1,
)


def side(pairs, which):
    return {task: {metric: pair[which] for metric, pair in of_task.items()} for task, of_task in pairs.items()}


@given(values)
def test_it_equals_a_table_by_pandas(pairs):
    table = pd.DataFrame(
        [(task, SIGNS[metric], *pair) for task, of_task in pairs.items() for metric, pair in of_task.items()],
        columns=["task", "sign", "together", "alone"],
    )
    table["gain"] = table.sign * (table.together / table.alone - 1)
    by_task = table.groupby("task").gain.mean()
    assert relative_improvements(side(pairs, 0), side(pairs, 1)) == pytest.approx(by_task.to_dict(), abs=1e-9)
    assert delta_m(side(pairs, 0), side(pairs, 1)) == pytest.approx(by_task.mean(), abs=1e-9)


@given(values)
def test_a_run_is_no_better_than_itself(pairs):
    assert delta_m(side(pairs, 0), side(pairs, 0)) == 0


def test_a_task_counts_once_however_many_metrics_it_has():
    alone = {"click": {"auc": 0.5}, "watch": {"rmse": 10.0, "mae": 5.0}}
    together = {"click": {"auc": 0.6}, "watch": {"rmse": 9.0, "mae": 6.0}}
    assert delta_m(together, alone) == pytest.approx((0.2 + (0.1 - 0.2) / 2) / 2)


@pytest.mark.parametrize(
    "metric",
    [
        *(metrics.AUC(), metrics.GAUC(), metrics.LogLoss(), metrics.NormalisedEntropy(), metrics.ECE()),
        *(metrics.EqualMassECE(), metrics.NDCGAtK(5), metrics.RecallAtK(5), metrics.PrecisionAtK(5), metrics.MAPAtK(5)),
    ],
    ids=lambda metric: metric.name,
)
def test_it_knows_the_direction_of_every_metric_of_the_library(metric):
    # Better predictions of the same rows are better by every metric; the directions follow from that alone.
    labels, groups = np.tile([0.0, 1.0], 20), np.arange(40) // 10
    runs = []
    for noise in (1.0, 0.1):
        noisy = np.where(np.arange(40) % 5 == 0, 1 - labels, labels)
        metric.reset_state()
        scores = (1 - noise) * labels + noise * noisy * 0.99
        metric.update_state(labels, scores, **({} if metric.group is None else {"groups": groups}))
        runs.append({"click": {metric.name: float(metric.result())}})
    assert delta_m(runs[1], runs[0]) > 0


def test_what_the_caller_says_of_a_metric_holds():
    arguments = ({"click": {"profit": 3.0}}, {"click": {"profit": 2.0}})
    assert delta_m(*arguments, higher_is_better={"profit": True}) == 0.5
    assert delta_m(*arguments, higher_is_better={"profit": False}) == -0.5
    assert delta_m({"a": {"auc": 0.6}}, {"a": {"auc": 0.5}}, higher_is_better={"auc": False}) == pytest.approx(-0.2)


def test_a_loss_below_0_keeps_its_direction():
    assert delta_m({"a": {"loss": -1.0}}, {"a": {"loss": -2.0}}) == -0.5


def test_nan_is_not_hidden():
    assert math.isnan(delta_m({"a": {"auc": math.nan}, "b": {"auc": 0.6}}, {"a": {"auc": 0.5}, "b": {"auc": 0.5}}))


@pytest.mark.parametrize(
    ("together", "alone", "message"),
    [
        ({}, {}, "there are no tasks"),
        ({"a": {}}, {"a": {}}, "task 'a' has no metrics"),
        ({"a": {"auc": 1.0}}, {"b": {"auc": 1.0}}, r"the tasks differ: \['a'\] in the multi-task run, \['b'\] in the"),
        ({"a": {"auc": 1.0}}, {"a": {"gauc": 1.0}}, r"the metrics of task 'a' differ: \['auc'\]"),
        ({"a": {"auc": 1.0}}, {"a": {"auc": 0.0}}, "'auc' of task 'a' is 0 in the single-task run"),
        ({"a": {"pcoc": 1.0}}, {"a": {"pcoc": 0.9}}, "'pcoc' is best at 1"),
        ({"a": {"acu": 1.0}}, {"a": {"acu": 0.9}}, "metric='acu' is not known; did you mean 'auc'.*higher_is_better="),
    ],
)
def test_what_is_wrong_is_said(together, alone, message):
    with pytest.raises(ValueError, match=message):
        delta_m(together, alone)
