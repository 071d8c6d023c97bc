"""NDCG, recall, precision and MAP at k by group, against scikit-learn and against all orders of tied rows."""

import math

import metric_oracles as oracles
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_rows import any_rows, columns, disturbed, random_rows
from sklearn.metrics import average_precision_score, ndcg_score

from tf_gradcraft import metrics

pytestmark = pytest.mark.in_turns

NAMES = tuple(oracles.AT_K)
every_metric = pytest.mark.parametrize("name", NAMES)


def value_of(name, frame, k):
    return float(getattr(metrics, f"{name}_at_k")(*columns(frame, grouped=True), k, frame.weight.to_numpy()))


@every_metric
@settings(max_examples=40)
@given(frame=any_rows(max_size=7, groups=2), k=st.integers(1, 8))
def test_it_is_the_mean_over_all_orders_of_tied_rows(name, frame, k):
    assert value_of(name, frame, k) == pytest.approx(oracles.at_k(frame, name, k), abs=1e-12, nan_ok=True)


@every_metric
@pytest.mark.parametrize("k", [1, 5, 100])
def test_it_equals_the_oracle_on_a_log_without_ties(name, k):
    frame = random_rows(300)
    assert value_of(name, frame, k) == pytest.approx(oracles.at_k(frame, name, k), abs=1e-12)


@every_metric
@settings(max_examples=20)
@given(frame=any_rows(), k=st.integers(1, 8), seed=st.integers(0, 9))
def test_neither_the_order_of_rows_nor_what_stands_in_rows_of_weight_0_counts(name, frame, k, seed):
    expected = value_of(name, frame, k)
    assert value_of(name, disturbed(frame, seed), k) == pytest.approx(expected, abs=1e-12, nan_ok=True)


@every_metric
@settings(max_examples=20)
@given(frame=any_rows(), k=st.integers(1, 8))
def test_groups_of_one_class_are_left_out_and_the_names_of_groups_do_not_count(name, frame, k):
    of_labelled = frame[frame.weight > 0].groupby("group").label
    mixed = frame[frame.group.map(of_labelled.nunique()) > 1]
    renamed = mixed.assign(group=[f"user {9 - group}" for group in mixed.group])
    assert value_of(name, renamed, k) == pytest.approx(value_of(name, frame, k), abs=1e-12, nan_ok=True)


@settings(max_examples=40)
@given(
    rows=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 5)), min_size=2, max_size=20),
    k=st.integers(1, 25),
)
def test_ndcg_of_graded_labels_equals_scikit_learn_with_ties(rows, k):
    labels, predictions = np.array(rows, float).T
    value = float(metrics.ndcg_at_k(labels, predictions, np.zeros(len(rows), int), k))
    expected = ndcg_score([labels], [predictions], k=k) if len(set(labels)) > 1 else math.nan
    assert value == pytest.approx(expected, abs=1e-12, nan_ok=True)


def test_map_of_whole_lists_is_the_average_precision_of_scikit_learn():
    frame = random_rows(200, groups=4)
    of_groups = [average_precision_score(rows.label, rows.prediction) for _, rows in frame.groupby("group")]
    value = float(metrics.map_at_k(*columns(frame, grouped=True), k=200))
    assert value == pytest.approx(np.mean(of_groups), abs=1e-12)


def test_a_group_counts_with_the_mean_weight_of_its_rows():
    # Group a: 0 of weight 3; group b: 1 of weight 1, though it has more rows.
    arguments = ([0, 1, 1, 0, 0], [0.9, 0.1, 0.9, 0.2, 0.1], list("aabbb"))
    assert float(metrics.recall_at_k(*arguments, k=1)) == 0.5
    assert float(metrics.recall_at_k(*arguments, k=1, sample_weight=[3, 3, 1, 1, 1])) == 0.25


def test_precision_divides_a_short_list_by_k_too():
    assert float(metrics.precision_at_k([1, 0], [0.9, 0.1], [7, 7], k=5)) == pytest.approx(0.2)


@every_metric
def test_large_logs_in_a_graph_keep_groups_apart(name):
    frame = random_rows(5000, groups=800).assign(weight=1.0)
    labels, predictions, groups = columns(frame, grouped=True)
    function = tf.function(getattr(metrics, f"{name}_at_k"))
    # Keys that float64 can't tell apart.
    value = function(tf.constant(labels), tf.constant(predictions), tf.constant(2**60 + groups), 3)
    assert float(value) == pytest.approx(oracles.at_k(frame, name, 3), abs=1e-12)


def test_what_is_wrong_is_said():
    for use in (lambda k: metrics.map_at_k([0, 1], [0.1, 0.2], [1, 1], k), lambda k: metrics.NDCGAtK(k)):
        with pytest.raises(ValueError, match="k=0 must be at least 1"):
            use(0)
    with pytest.raises(tf.errors.InvalidArgumentError, match="groups must have one value for each label"):
        metrics.ndcg_at_k([0, 1], [0.1, 0.2], [1])
