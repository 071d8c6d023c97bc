"""AUC and group AUC as functions, against scikit-learn and pandas."""

import math

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from tf_gradcraft.metrics import auc, group_auc


def group_auc_by_hand(labels, predictions, groups, weights=None):
    """A loop over the groups."""
    weights = np.ones(len(labels)) if weights is None else weights
    frame = pd.DataFrame({"label": labels, "prediction": predictions, "group": groups, "weight": weights})
    frame = frame[frame.weight > 0]
    area = impressions = 0.0
    for _, rows in frame.groupby("group"):
        if rows.label.nunique() == 2:
            of_group = roc_auc_score(rows.label, rows.prediction, sample_weight=rows.weight)
            area += of_group * rows.weight.sum()
            impressions += rows.weight.sum()
    return area / impressions if impressions else math.nan


def log_of(rows, seed=0, ties=True, groups=20):
    random = np.random.default_rng(seed)
    labels = random.integers(0, 2, rows).astype(float)
    predictions = (random.random(rows) + 0.3 * labels).astype("float32")
    return labels, predictions.round(1) if ties else predictions, random.integers(0, groups, rows)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_auc_equals_scikit_learn(ties, weighted):
    labels, predictions, _ = log_of(500, ties=ties)
    weights = np.random.default_rng(1).integers(0, 4, 500).astype(float) if weighted else None
    expected = roc_auc_score(labels, predictions, sample_weight=weights)
    assert float(auc(labels, predictions, weights)) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("keys", [lambda g: g, lambda g: np.array([f"user {k}" for k in g])], ids=["int", "string"])
def test_group_auc_equals_a_loop_over_the_groups(weighted, keys):
    labels, predictions, groups = log_of(400, groups=120)
    weights = np.random.default_rng(1).random(400) if weighted else None
    expected = group_auc_by_hand(labels, predictions, groups, weights)
    assert float(group_auc(labels, predictions, keys(groups), weights)) == pytest.approx(expected, abs=1e-12)


rows = st.lists(
    st.tuples(st.integers(0, 1), st.integers(-3, 3), st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=30
)


@settings(max_examples=60)
@given(rows)
def test_group_auc_equals_the_loop_on_any_rows(rows):
    labels, predictions, groups, weights = (np.array(column, float) for column in zip(*rows, strict=True))
    groups = groups.astype(int)
    value = float(group_auc(labels, predictions, groups, weights))
    expected = group_auc_by_hand(labels, predictions, groups, weights)
    assert value == pytest.approx(expected, abs=1e-12, nan_ok=True)


@settings(max_examples=60)
@given(rows)
def test_auc_is_the_share_of_ordered_pairs_on_any_rows(rows):
    labels, predictions, _, weights = (np.array(column, float) for column in zip(*rows, strict=True))
    ahead = np.sign(predictions[:, np.newaxis] - predictions) / 2 + 0.5
    pairs = np.outer(weights * (labels == 1), weights * (labels == 0))
    expected = (ahead * pairs).sum() / pairs.sum() if pairs.sum() else math.nan
    assert float(auc(labels, predictions, weights)) == pytest.approx(expected, abs=1e-12, nan_ok=True)


@settings(max_examples=30)
@given(rows)
def test_auc_turns_round_with_the_predictions(rows):
    labels, predictions, _, weights = (np.array(column, float) for column in zip(*rows, strict=True))
    turned = 1 - float(auc(labels, -predictions, weights))
    assert float(auc(labels, predictions, weights)) == pytest.approx(turned, abs=1e-12, nan_ok=True)


def test_only_the_order_of_predictions_counts():
    labels, predictions, groups = log_of(200)
    stretched = np.exp(5 * predictions.astype(float))
    assert float(auc(labels, stretched)) == float(auc(labels, predictions))
    assert float(group_auc(labels, stretched, groups)) == float(group_auc(labels, predictions, groups))


def test_one_group_of_all_rows_is_the_auc():
    labels, predictions, _ = log_of(200)
    assert float(group_auc(labels, predictions, np.zeros(200, int))) == pytest.approx(float(auc(labels, predictions)))


def test_groups_of_one_class_are_left_out():
    assert float(group_auc([0, 1, 1, 1, 0, 0], [0.9, 0.1, 0.2, 0.3, 0.4, 0.5], [1, 1, 2, 2, 3, 3])) == 0.0


def test_a_group_counts_with_its_impressions():
    # Group a: AUC 1 of 2 rows; group b: AUC 0 of 3 rows.
    assert float(group_auc([0, 1, 0, 1, 1], [0.1, 0.9, 0.9, 0.1, 0.2], list("aabbb"))) == pytest.approx(2 / 5)


@pytest.mark.parametrize(("labels", "predictions"), [([], []), ([1, 1], [0.1, 0.2]), ([0, 0], [0.1, 0.2])])
def test_what_is_not_defined_is_nan(labels, predictions):
    assert math.isnan(auc(np.array(labels, float), np.array(predictions, float)))
    assert math.isnan(group_auc(np.array(labels, float), np.array(predictions, float), np.arange(len(labels))))


def test_a_class_of_weight_zero_is_no_class():
    assert math.isnan(auc([1, 0], [0.1, 0.2], [1, 0]))


def test_columns_of_shape_n_1_are_taken():
    labels, predictions, groups = log_of(50)
    value = group_auc(labels[:, np.newaxis], predictions[:, np.newaxis], groups[:, np.newaxis], np.ones((50, 1)))
    assert float(value) == pytest.approx(group_auc_by_hand(labels, predictions, groups))


def test_they_work_in_a_graph():
    labels, predictions, groups = log_of(300)
    in_graph = tf.function(lambda *rows: (auc(*rows[:2]), group_auc(*rows)))
    area, by_group = in_graph(tf.constant(labels), tf.constant(predictions), tf.constant(groups))
    assert float(area) == pytest.approx(roc_auc_score(labels, predictions), abs=1e-12)
    assert float(by_group) == pytest.approx(group_auc_by_hand(labels, predictions, groups), abs=1e-12)


def test_predictions_beyond_float32_keep_their_order():
    predictions = 0.5 + np.array([0, 1, 2, 3]) * 1e-12
    assert float(auc([0, 0, 1, 1], predictions)) == 1.0


def test_many_rows_lose_no_pairs():
    # More pairs than float32 or int32 can count.
    labels = np.arange(200_000) % 2
    predictions = np.arange(200_000, dtype=float)
    assert float(auc(labels, predictions)) == pytest.approx(roc_auc_score(labels, predictions), abs=1e-12)
