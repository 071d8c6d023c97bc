"""Pooling of lists of embeddings that are filled up to one length."""

from __future__ import annotations

import tensorflow as tf

from tf_gradcraft.data_pipelines.feature import POOLINGS
from tf_gradcraft.suggestions import unknown_name


def pool(rows: tf.Tensor, known: tf.Tensor, pooling: str) -> tf.Tensor:
    """Returns mean, sum or maximum over the entries of each list; zero for an empty one.

    Args:
        rows: Embeddings [B, L, D], zero where not known.
        known: Which entries are there and do not only fill up, bool [B, L].
        pooling: `"mean"` (over the entries that are there), `"sum"` or `"max"`.

    Returns:
        [B, D].

    Raises:
        ValueError: If the pooling is not known.

    Example:
        >>> rows = tf.constant([[[1.0, -4.0], [3.0, -2.0], [0.0, 0.0]]])
        >>> known = tf.constant([[True, True, False]])
        >>> [pool(rows, known, pooling).numpy().tolist() for pooling in ("mean", "sum", "max")]
        [[[2.0, -3.0]], [[4.0, -6.0]], [[3.0, -2.0]]]
    """
    if pooling == "sum":
        return tf.reduce_sum(rows, axis=1)
    if pooling == "mean":
        count = tf.reduce_sum(tf.cast(known, rows.dtype), axis=1, keepdims=True)
        return tf.reduce_sum(rows, axis=1) / tf.maximum(count, 1)
    if pooling != "max":
        raise ValueError(unknown_name("pooling", pooling, POOLINGS))
    largest = tf.reduce_max(tf.where(known[..., tf.newaxis], rows, rows.dtype.min), axis=1)
    return tf.where(tf.reduce_any(known, axis=1, keepdims=True), largest, tf.zeros_like(largest))
