"""Exact area under the ROC curve, over all rows and within groups."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tf_gradcraft.metrics.ties import starts_of_runs


def auc(labels: Any, predictions: Any, sample_weight: Any = None) -> tf.Tensor:
    """Returns the exact area under the ROC curve.

    The share of pairs of a positive and a negative row in which the positive is predicted higher; ties count half.

    Args:
        labels: Labels [N] in {0, 1}.
        predictions: Predictions [N]; only their order counts.
        sample_weight: Weights [N] of the rows, all 1 by default.

    Returns:
        float64 scalar; NaN if one of the classes has no row.

    Example:
        >>> float(auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]))
        0.75
    """
    labels = tf.reshape(tf.convert_to_tensor(labels), [-1])
    area, _, valid = areas_by_group(labels, predictions, tf.zeros(tf.shape(labels), tf.int64), sample_weight)
    return tf.where(tf.reduce_any(valid), tf.reduce_sum(area), tf.constant(float("nan"), tf.float64))


def group_auc(labels: Any, predictions: Any, groups: Any, sample_weight: Any = None) -> tf.Tensor:
    """Returns the mean of the groups' exact AUCs, weighted by their impressions (GAUC).

    Groups whose rows are all positive or all negative are left out. Zhu et al., "Optimized Cost per Click in Taobao
    Display Advertising", KDD 2017.

    Args:
        labels: Labels [N] in {0, 1}.
        predictions: Predictions [N]; only their order within a group counts.
        groups: Group key [N] of each row (integers or strings), most often the user.
        sample_weight: Weights [N] of the rows, all 1 by default; a group counts with the sum of its rows' weights.

    Returns:
        float64 scalar; NaN if no group has rows of both classes.

    Example:
        >>> float(group_auc([0, 1, 1, 0, 1], [0.2, 0.9, 0.1, 0.3, 0.5], ["a", "a", "b", "b", "c"]))
        0.5
    """
    area, impressions, valid = areas_by_group(labels, predictions, groups, sample_weight)
    counted = tf.where(valid, impressions, tf.zeros_like(impressions))
    total = tf.reduce_sum(counted)
    return tf.where(total > 0, tf.reduce_sum(area * counted) / total, tf.constant(float("nan"), tf.float64))


def areas_by_group(
    labels: Any, predictions: Any, groups: Any, sample_weight: Any
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Returns for each group its AUC (0 where it has none), its weight, and whether it has an AUC; all [G].

    Groups stand in the order of their first rows.
    """
    labels = tf.reshape(tf.cast(labels, tf.float64), [-1])
    predictions = tf.reshape(tf.convert_to_tensor(predictions), [-1])
    weights = tf.ones_like(labels) if sample_weight is None else tf.reshape(tf.cast(sample_weight, tf.float64), [-1])
    group = tf.unique(tf.reshape(tf.convert_to_tensor(groups), [-1])).idx

    order = tf.argsort(predictions, stable=True)
    order = tf.gather(order, tf.argsort(tf.gather(group, order), stable=True))
    labels, predictions, weights, group = (tf.gather(v, order) for v in (labels, predictions, weights, group))

    tie = tf.cumsum(tf.cast(starts_of_runs(group, predictions), tf.int32))
    positive = tf.math.segment_sum(weights * labels, tie)
    negative = tf.math.segment_sum(weights * (1 - labels), tie)
    group_of_tie = tf.math.segment_max(group, tie)

    positives, negatives = tf.math.segment_sum(positive, group_of_tie), tf.math.segment_sum(negative, group_of_tie)
    before_group = tf.gather(tf.cumsum(negatives, exclusive=True), group_of_tie)
    below = tf.cumsum(negative, exclusive=True) - before_group
    credit = tf.math.segment_sum(positive * (below + negative / 2), group_of_tie)
    return tf.math.divide_no_nan(credit, positives * negatives), positives + negatives, positives * negatives > 0
