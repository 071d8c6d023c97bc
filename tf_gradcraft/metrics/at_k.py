"""NDCG, recall, precision and average precision of the first k rows of each group's ranked list."""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf

from tf_gradcraft.metrics.ranked_lists import RankedLists, ranked_lists


def ndcg_at_k(labels: Any, predictions: Any, groups: Any, k: int = 10, sample_weight: Any = None) -> tf.Tensor:
    r"""Returns the mean over groups of the normalised discounted cumulative gain of the first k rows.

    $$NDCG@k = \frac{DCG@k}{\max DCG@k}, \quad DCG@k = \sum_{i=1}^{k} \frac{y_i}{\log_2 (i + 1)}$$

    with $y_i$ the label at position i by falling prediction; the maximum is that of the rows ordered by label. The gain
    is the label itself; for gains of $2^y - 1$ pass those as labels. Järvelin and Kekäläinen, "Cumulated Gain-Based
    Evaluation of IR Techniques", TOIS 2002.

    Rows with equal predictions are taken in expectation over all their orders: McSherry and Najork, "Computing
    Information Retrieval Performance Measures Efficiently in the Presence of Tied Scores", ECIR 2008. Groups whose rows
    all have the same label are left out, since every order of them is right.

    Args:
        labels: Labels [N], not negative; 0 and 1, or grades.
        predictions: Predictions [N]; only their order within a group counts.
        groups: Group key [N] of each row (integers or strings), most often the user.
        k: Number of first rows that count, from 1.
        sample_weight: Weights [N] of the rows, all 1 by default. Rows of weight 0 are in no list; a group counts with
            the mean weight of its rows, so that without weights every group counts the same.

    Returns:
        float64 scalar; NaN if no group has rows with different labels.

    Raises:
        ValueError: If `k` is below 1.

    Example:
        >>> round(float(ndcg_at_k([0, 1, 1, 0], [0.9, 0.8, 0.7, 0.1], ["a", "a", "b", "b"], k=2)), 4)
        0.8155
    """
    lists = ranked_lists(labels, predictions, groups, sample_weight)
    return lists.mean(ndcg_of_lists(lists, checked_k(k)))


def ndcg_of_lists(lists: RankedLists, k: int) -> tf.Tensor:
    """Returns the NDCG of the first k rows of each list [G], see `ndcg_at_k`; 0 of a list without any gain."""
    discount = math.log(2) / tf.math.log1p(lists.position) * tf.cast(lists.position <= k, tf.float64)
    best_first = tf.argsort(lists.labels, direction="DESCENDING", stable=True)
    best_first = tf.gather(best_first, tf.argsort(tf.gather(lists.group, best_first), stable=True))
    gain = lists.sum(discount * lists.tie_labels / lists.tie_size)
    return tf.math.divide_no_nan(gain, lists.sum(discount * tf.gather(lists.labels, best_first)))


def recall_at_k(labels: Any, predictions: Any, groups: Any, k: int = 10, sample_weight: Any = None) -> tf.Tensor:
    r"""Returns the mean over groups of the share of the relevant rows that stand among the first k.

    $$Recall@k = \frac{\sum_{i=1}^{k} y_i}{\sum_i y_i}$$

    A label above 0 is relevant. Ties, groups with one class and weights: as in `ndcg_at_k`.

    Args:
        labels: Labels [N].
        predictions: Predictions [N]; only their order within a group counts.
        groups: Group key [N] of each row (integers or strings), most often the user.
        k: Number of first rows that count, from 1.
        sample_weight: Weights [N] of the rows, see `ndcg_at_k`.

    Returns:
        float64 scalar; NaN if no group has rows of both classes.

    Raises:
        ValueError: If `k` is below 1.

    Example:
        >>> float(recall_at_k([1, 0, 1, 1, 0], [0.9, 0.8, 0.7, 0.2, 0.1], ["a", "a", "a", "b", "b"], k=1))
        0.75
    """
    k = checked_k(k)
    lists = ranked_lists(labels, predictions, groups, sample_weight, binary=True)
    hits = lists.sum(tf.cast(lists.position <= k, tf.float64) * lists.tie_labels / lists.tie_size)
    return lists.mean(tf.math.divide_no_nan(hits, lists.sum(lists.labels)))


def precision_at_k(labels: Any, predictions: Any, groups: Any, k: int = 10, sample_weight: Any = None) -> tf.Tensor:
    r"""Returns the mean over groups of the share of relevant rows among the first k.

    $$Precision@k = \frac{1}{k} \sum_{i=1}^{k} y_i$$

    A label above 0 is relevant. The divisor is k for a shorter list too, which then can't reach 1. Ties, groups with
    one class and weights: as in `ndcg_at_k`.

    Args:
        labels: Labels [N].
        predictions: Predictions [N]; only their order within a group counts.
        groups: Group key [N] of each row (integers or strings), most often the user.
        k: Number of first rows that count, from 1.
        sample_weight: Weights [N] of the rows, see `ndcg_at_k`.

    Returns:
        float64 scalar; NaN if no group has rows of both classes.

    Raises:
        ValueError: If `k` is below 1.

    Example:
        >>> float(precision_at_k([1, 0, 1, 1, 0], [0.9, 0.8, 0.7, 0.2, 0.1], ["a", "a", "a", "b", "b"], k=2))
        0.5
    """
    k = checked_k(k)
    lists = ranked_lists(labels, predictions, groups, sample_weight, binary=True)
    return lists.mean(lists.sum(tf.cast(lists.position <= k, tf.float64) * lists.tie_labels / lists.tie_size) / k)


def map_at_k(labels: Any, predictions: Any, groups: Any, k: int = 10, sample_weight: Any = None) -> tf.Tensor:
    r"""Returns the mean over groups of the average precision of the first k rows.

    $$AP@k = \frac{1}{\min(k, R)} \sum_{i=1}^{k} y_i \frac{1}{i} \sum_{j=1}^{i} y_j, \quad R = \sum_i y_i$$

    A label above 0 is relevant. Ties, groups with one class and weights: as in `ndcg_at_k`. In a tie of n rows, r of
    them relevant, a position is relevant with probability r/n, and then each row of the tie before it with
    (r-1)/(n-1).

    Args:
        labels: Labels [N].
        predictions: Predictions [N]; only their order within a group counts.
        groups: Group key [N] of each row (integers or strings), most often the user.
        k: Number of first rows that count, from 1.
        sample_weight: Weights [N] of the rows, see `ndcg_at_k`.

    Returns:
        float64 scalar; NaN if no group has rows of both classes.

    Raises:
        ValueError: If `k` is below 1.

    Example:
        >>> round(float(map_at_k([1, 0, 1], [0.9, 0.8, 0.7], ["a", "a", "a"], k=3)), 4)
        0.8333
    """
    k = checked_k(k)
    lists = ranked_lists(labels, predictions, groups, sample_weight, binary=True)
    before_in_tie = tf.math.divide_no_nan((lists.tie_position - 1) * (lists.tie_labels - 1), lists.tie_size - 1)
    precision = (lists.labels_above + 1 + before_in_tie) / lists.position
    found = tf.cast(lists.position <= k, tf.float64) * lists.tie_labels / lists.tie_size * precision
    most = tf.minimum(lists.sum(lists.labels), tf.constant(k, tf.float64))
    return lists.mean(tf.math.divide_no_nan(lists.sum(found), most))


def checked_k(k: int) -> int:
    """Returns `k` if a list can have so many first rows."""
    if k < 1:
        raise ValueError(f"k={k!r} must be at least 1")
    return k
