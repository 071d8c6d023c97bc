"""Labels, predictions and weights as float64 columns in which rows without label do no harm."""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf


class Rows(NamedTuple):
    """Labelled rows: float64 columns [N], and the number [N] of each row's group, int32."""

    labels: tf.Tensor
    predictions: tf.Tensor
    weights: tf.Tensor
    groups: tf.Tensor


def masked_columns(labels: Any, predictions: Any, sample_weight: Any = None) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Returns labels, predictions and weights, float64 [N]; of rows of weight 0 all three are 0.

    What stands in a row of weight 0 may be anything, NaN too, which a product with 0 would keep.

    Raises:
        ValueError: If the columns differ in their number of rows (in a graph `tf.errors.InvalidArgumentError`).
    """
    labels, predictions, weights = _columns(labels, predictions, sample_weight)
    labelled = weights != 0
    zeros = tf.zeros_like(weights)
    return tf.where(labelled, labels, zeros), tf.where(labelled, predictions, zeros), weights


def labelled_rows(labels: Any, predictions: Any, sample_weight: Any = None, groups: Any = None) -> Rows:
    """Returns the rows whose weight is not 0; all are of one group if none is given.

    Raises:
        ValueError: If the columns differ in their number of rows (in a graph `tf.errors.InvalidArgumentError`).
    """
    columns = _columns(labels, predictions, sample_weight)
    size = tf.size(columns[0])
    keys = tf.zeros([size], tf.int32) if groups is None else tf.reshape(tf.convert_to_tensor(groups), [-1])
    _check_rows(tf.size(keys), size, "groups")
    labelled = columns[2] != 0
    kept = [tf.boolean_mask(column, labelled) for column in (*columns, keys)]
    return Rows(kept[0], kept[1], kept[2], tf.unique(kept[3]).idx)


def ratio(numerator: tf.Tensor, denominator: tf.Tensor) -> tf.Tensor:
    """Returns numerator / denominator, NaN where the denominator is 0."""
    return tf.where(denominator == 0, tf.constant(float("nan"), tf.float64), numerator / denominator)


def checked_probabilities(predictions: tf.Tensor, what: str) -> tf.Tensor:
    """Returns the predictions if they are probabilities; NaN passes, and makes the metric NaN.

    Raises:
        tf.errors.InvalidArgumentError: If one is outside of [0, 1] (not under XLA, where nothing can be raised).
    """
    check = tf.debugging.Assert(
        ~tf.reduce_any((predictions < 0) | (predictions > 1)),
        [
            f"{what} takes probabilities, in [0, 1]; got predictions from",
            tf.reduce_min(predictions),
            "to",
            tf.reduce_max(predictions),
            ". If they are logits, put a sigmoid on them.",
        ],
    )
    with tf.control_dependencies([] if check is None else [check]):
        return tf.identity(predictions)


def _columns(labels: Any, predictions: Any, sample_weight: Any) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    labels = tf.reshape(tf.cast(labels, tf.float64), [-1])
    predictions = tf.reshape(tf.cast(predictions, tf.float64), [-1])
    weights = tf.ones_like(labels) if sample_weight is None else tf.reshape(tf.cast(sample_weight, tf.float64), [-1])
    _check_rows(tf.size(predictions), tf.size(labels), "predictions")
    _check_rows(tf.size(weights), tf.size(labels), "sample_weight")
    return labels, predictions, weights


def _check_rows(found: tf.Tensor, expected: tf.Tensor, what: str) -> None:
    tf.debugging.assert_equal(found, expected, f"{what} must have one value for each label")
