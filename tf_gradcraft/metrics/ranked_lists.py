"""Rows in long format as one ranked list a group, ties included."""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf

from tf_gradcraft.metrics.columns import labelled_rows
from tf_gradcraft.metrics.ties import starts_of_runs


class RankedLists(NamedTuple):
    """Rows ordered by group, and within a group by falling prediction; columns [N], those of groups [G].

    Equal predictions have no order of their own. A metric is taken in expectation over all orders of tied rows, from
    what is known of the tie that holds a position.

    Attributes:
        group: Number of the row's group, int32, rising.
        labels: Labels, float64. Among tied rows their order means nothing.
        position: Position in the group's list, float64 from 1.
        tie_position: Position within the tie, float64 from 1.
        tie_size: Number of rows in the tie, float64.
        tie_labels: Sum of the labels in the tie, float64.
        labels_above: Sum of the labels in the group above the tie, float64.
        weight: Mean weight of the group's rows [G], float64.
    """

    group: tf.Tensor
    labels: tf.Tensor
    position: tf.Tensor
    tie_position: tf.Tensor
    tie_size: tf.Tensor
    tie_labels: tf.Tensor
    labels_above: tf.Tensor
    weight: tf.Tensor

    def sum(self, values: tf.Tensor) -> tf.Tensor:
        """Returns the sums [G] of values [N] over the groups."""
        return tf.math.segment_sum(values, self.group)

    def differ(self) -> tf.Tensor:
        """Returns for each group whether its rows have different labels [G]."""
        return tf.math.segment_max(self.labels, self.group) > tf.math.segment_min(self.labels, self.group)

    def mean(self, values: tf.Tensor) -> tf.Tensor:
        """Returns the weighted mean of values [G]; groups whose rows all have the same label are left out."""
        differ = self.differ()
        values, weight = tf.boolean_mask(values, differ), tf.boolean_mask(self.weight, differ)
        # Without such a group this is 0 / 0: NaN.
        return tf.reduce_sum(values * weight) / tf.reduce_sum(weight)


def ranked_lists(
    labels: Any, predictions: Any, groups: Any, sample_weight: Any = None, binary: bool = False
) -> RankedLists:
    """Returns the ranked list of each group.

    Args:
        labels: Labels [N], not negative.
        predictions: Predictions [N]; only their order within a group counts.
        groups: Group key [N] of each row, integers or strings.
        sample_weight: Weights [N] of the rows, all 1 by default; rows of weight 0 are in no list.
        binary: Whether any label above 0 counts as 1.
    """
    rows = labelled_rows(labels, predictions, sample_weight, groups)
    order = tf.argsort(rows.predictions, direction="DESCENDING", stable=True)
    order = tf.gather(order, tf.argsort(tf.gather(rows.groups, order), stable=True))
    labels, predictions, weights, group = (tf.gather(column, order) for column in rows)
    if binary:
        labels = tf.cast(labels > 0, tf.float64)

    tie = tf.cumsum(tf.cast(starts_of_runs(group, predictions), tf.int32))
    index = tf.cast(tf.range(tf.size(labels)), tf.float64)
    before = tf.cumsum(labels, exclusive=True)

    def of_first(values: tf.Tensor, segment: tf.Tensor) -> tf.Tensor:
        """Returns for each row the value of its segment's first row; values rise."""
        return tf.gather(tf.math.segment_min(values, segment), segment)

    return RankedLists(
        group=group,
        labels=labels,
        position=index - of_first(index, group) + 1,
        tie_position=index - of_first(index, tie) + 1,
        tie_size=tf.gather(tf.math.segment_sum(tf.ones_like(labels), tie), tie),
        tie_labels=tf.gather(tf.math.segment_sum(labels, tie), tie),
        labels_above=of_first(before, tie) - of_first(before, group),
        weight=tf.math.segment_mean(weights, group),
    )
