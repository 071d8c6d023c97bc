"""Bins of the reliability plots against pandas, and the audit by group."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scored import scored_task
from sklearn.metrics import roc_auc_score

from tf_gradcraft import metrics
from tf_gradcraft.data_pipelines.schema import Feature, Schema, Task
from tf_gradcraft.data_pipelines.vocabulary import Vocabulary
from tf_gradcraft.run_report.audit import audit_task, check_feature, default_features, group_names
from tf_gradcraft.run_report.reliability import reliability, wilson_interval


def bins_by_pandas(task, bins):
    """A row falls where the middle of its ties lies among the ranks."""
    frame = pd.DataFrame({"y": task.labels, "p": task.predictions})
    frame["bin"] = ((frame.p.rank(method="average") - 0.5) * bins / len(frame)).astype(int)
    return frame.groupby("bin").agg(
        rows=("y", "size"),
        positives=("y", "sum"),
        lowest=("p", "min"),
        highest=("p", "max"),
        predicted=("p", "mean"),
        observed=("y", "mean"),
    )


@settings(max_examples=12)
@given(st.integers(1, 300), st.integers(2, 12), st.sampled_from([1, 8, 10**6]), st.integers(0, 99))
def test_bins_are_those_of_pandas_and_make_the_calibration_error(rows, bins, levels, seed):
    task = scored_task(rows, 20, seed, levels=levels)
    found = reliability(task, bins)
    expected = bins_by_pandas(task, bins).reset_index(drop=True)
    pd.testing.assert_frame_equal(found[list(expected)], expected, check_dtype=False)
    error = (found.rows * (found.predicted - found.observed).abs()).sum() / rows
    assert error == pytest.approx(float(metrics.equal_mass_ece(task.labels, task.predictions, bins=bins)), abs=1e-12)
    assert (found.low <= found.observed).all()
    assert (found.observed <= found.high).all()


def test_bins_are_weighted():
    task = scored_task(weighted=True)
    found = reliability(task, 4)
    frame = pd.DataFrame({"p": task.predictions, "y": task.labels, "w": task.weights})
    for line in found.itertuples():
        rows = frame[(frame.p >= line.lowest) & (frame.p <= line.highest)]
        assert len(rows) == line.rows
        assert line.observed == pytest.approx(np.average(rows.y, weights=rows.w))
        assert rows.w.sum() == pytest.approx(frame.w.sum() / 4, rel=0.15)


def test_intervals_of_a_rate_are_those_of_scipy():
    stats = pytest.importorskip("scipy.stats")
    for events, rows in ((0, 7), (3, 10), (40, 41), (500, 1000)):
        expected = stats.binomtest(events, rows).proportion_ci(method="wilson")
        low, high = wilson_interval(np.array([events / rows]), np.array([rows]))
        assert (low[0], high[0]) == pytest.approx((expected.low, expected.high), abs=1e-12)


def schema():
    cities = np.array(["", "b", "c", "d"])
    return Schema(
        features=(
            Feature(name="user", kind="categorical", dtype="int64", size=900),
            Feature(name="city", kind="categorical", dtype="string", size=5),
            Feature(name="tab", kind="categorical", dtype="int64", size=4, side="candidate"),
            Feature(name="city_x_tab", kind="categorical", dtype="int64", size=4, crosses=("city", "tab")),
            Feature(name="age", kind="numeric"),
            Feature(name="genres", kind="tags", dtype="string", size=9, length=3),
        ),
        tasks=(Task(name="click"),),
        vocabularies={"city": Vocabulary(cities), "city_x_tab": Vocabulary(np.arange(3))},
    )


def test_groups_are_raw_values_and_small_ones_are_one_group():
    ids = np.repeat([1, 2, 0, 3, 4], [1000, 600, 400, 30, 20])
    names, rows = np.unique(group_names(schema(), "city", ids), return_counts=True)
    assert dict(zip(names, rows, strict=True)) == {"(empty)": 1000, "b": 600, "unknown": 400, "other (2 values)": 50}
    # A single small group keeps its name.
    assert set(group_names(schema(), "city", ids[:-20])) == {"(empty)", "b", "unknown", "c"}
    assert set(group_names(schema(), "city_x_tab", np.repeat([1, 3], 300))) == {"id 1", "id 3"}


def test_numbers_are_cut_into_quarters():
    values = np.random.default_rng(0).lognormal(size=1000)
    names, rows = np.unique(group_names(schema(), "age", values), return_counts=True)
    assert rows.tolist() == [250] * 4
    assert len(names) == 4
    assert len(set(group_names(schema(), "age", np.r_[np.zeros(900), np.ones(100)]))) == 1
    assert set(group_names(schema(), "age", np.zeros(9))) == {"0"}


def test_features_of_an_audit():
    assert default_features(schema()) == ["city", "tab"]
    with pytest.raises(ValueError, match="--by genres: a row has a list of values of it"):
        check_feature(schema(), "genres")
    with pytest.raises(ValueError, match="feature='cty' is not known; did you mean 'city'"):
        check_feature(schema(), "cty")


def test_the_audit_has_the_metrics_of_each_group():
    task = scored_task(rows=900, users=90)
    groups = np.array(["a", "b", "few"], object)[np.digitize(np.arange(900), [600, 880])]
    found = audit_task(task, groups, resamples=40, seed=1)
    assert found.index.tolist() == ["a", "b", "few"]
    for group, line in found.iterrows():
        chosen = groups == group
        assert line.rows == chosen.sum()
        assert line.positives == task.labels[chosen].sum()
        assert line.auc == pytest.approx(roc_auc_score(task.labels[chosen], task.predictions[chosen]))
        assert line.interval.value == pytest.approx(line.auc)
        if group == "few":
            assert math.isnan(line.interval.low)
        else:
            assert line.interval.low < line.auc < line.interval.high
    assert found.attrs["auc"] == pytest.approx(roc_auc_score(task.labels, task.predictions))
