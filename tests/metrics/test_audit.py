"""The report by group, against a loop over the groups with scikit-learn."""

import math

import metric_oracles as oracles
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_rows import any_rows, columns, disturbed, random_rows
from sklearn.metrics import roc_auc_score

from tf_gradcraft.metrics import group_auc, group_report

COLUMNS = ["rows", "weight", "base_rate", "mean_prediction", "auc", "pcoc", "ece"]


def report_of(frame, **arguments):
    return group_report(*columns(frame, grouped=True), frame.weight.to_numpy(), **arguments)


def report_by_hand(frame, bins=10):
    lines = {}
    for group, rows in frame[frame.weight > 0].groupby("group"):
        both = rows.label.nunique() == 2
        lines[group] = {
            "rows": len(rows),
            "weight": rows.weight.sum(),
            "base_rate": np.average(rows.label, weights=rows.weight),
            "mean_prediction": np.average(rows.prediction, weights=rows.weight),
            "auc": roc_auc_score(rows.label, rows.prediction, sample_weight=rows.weight) if both else math.nan,
            "pcoc": oracles.pcoc(rows),
            "ece": oracles.ece(rows, bins),
        }
    report = pd.DataFrame.from_dict(lines, orient="index", columns=COLUMNS)
    return report.rename_axis("group").sort_index()


def assert_equal(found, expected):
    pd.testing.assert_frame_equal(
        found, expected, check_dtype=False, check_index_type=False, rtol=1e-12, atol=1e-12, check_column_type=False
    )


@settings(max_examples=40)
@given(frame=any_rows(), bins=st.integers(1, 12))
def test_it_equals_a_loop_over_the_groups_on_any_rows(frame, bins):
    assert_equal(report_of(frame, bins=bins), report_by_hand(frame, bins))


@settings(max_examples=20)
@given(frame=any_rows(), seed=st.integers(0, 9))
def test_neither_the_order_of_rows_nor_what_stands_in_rows_of_weight_0_counts(frame, seed):
    assert_equal(report_of(disturbed(frame, seed)), report_of(frame))


def test_many_groups_of_strings():
    frame = random_rows(2000, groups=90)
    frame["group"] = [f"city {group}" for group in frame.group]
    assert_equal(report_of(frame), report_by_hand(frame))


def test_its_aucs_make_the_group_auc():
    frame = random_rows(500, groups=100)
    report = report_of(frame).dropna(subset="auc")
    expected = group_auc(*columns(frame, grouped=True), frame.weight.to_numpy())
    assert np.average(report.auc, weights=report.weight) == pytest.approx(float(expected), abs=1e-12)


@pytest.mark.parametrize("missing", [None, math.nan])
def test_rows_of_unknown_group_are_a_group(missing):
    report = group_report([0, 1, 1], [0.5, 0.5, 0.25], ["a", missing, missing])
    assert report.rows.tolist() == [1, 2]
    assert report.index[0] == "a"
    assert pd.isna(report.index[1])


def test_columns_may_be_tensors_series_or_of_shape_n_1():
    labels, predictions, groups = columns(random_rows(60), grouped=True)
    expected = group_report(labels, predictions, groups)
    given = (
        tf.constant(labels),
        pd.Series(predictions, index=range(60)[::-1]),
        pd.Series(groups, index=range(60)[::-1]),
    )
    assert_equal(group_report(*given), expected)
    assert_equal(group_report(*(column[:, np.newaxis] for column in (labels, predictions, groups))), expected)


def test_without_rows_it_has_its_columns():
    report = group_report([], [], [])
    assert report.empty
    assert report.columns.tolist() == COLUMNS


def test_what_is_wrong_is_said():
    with pytest.raises(ValueError, match=r"as many rows as there are labels; got .*'group': 1"):
        group_report([0, 1], [0.5, 0.5], ["a"])
    for labels, predictions in (([0, math.nan], [0.5, 0.5]), ([0, 1], [0.5, math.nan])):
        with pytest.raises(ValueError, match="there is a NaN in a labelled row"):
            group_report(labels, predictions, ["a", "b"])
    with pytest.raises(ValueError, match="bins=0 must be at least 1"):
        group_report([0, 1], [0.5, 0.5], ["a", "b"], bins=0)
    with pytest.raises(tf.errors.InvalidArgumentError, match="group_report takes probabilities"):
        group_report([0, 1], [0.5, 3.0], ["a", "b"])
