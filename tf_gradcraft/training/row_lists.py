"""Rows of a batch as lists: those that share a key."""

from __future__ import annotations

import tensorflow as tf

# TensorFlow has no public way to ask whether a function is being compiled by XLA.
from tensorflow.python.ops.control_flow_util import GraphOrParentsInXlaContext


def list_numbers(keys: tf.Tensor) -> tf.Tensor:
    """Returns the number of each row's list, int32 [B], below B: the same for rows of equal keys.

    Args:
        keys: Integers or strings [B].

    Example:
        >>> list_numbers(tf.constant([7, 3, 7])).numpy().tolist()
        [1, 0, 1]
    """
    order, segments = _sorted_segments(_integers(keys))
    return tf.gather(segments, tf.argsort(order))


def rows_of_lists(keys: tf.Tensor | None, labelled: tf.Tensor, size: int) -> tf.Tensor:
    """Returns for each list the positions of its labelled rows, int32 [L, size], filled up with -1.

    Args:
        keys: Integers or strings [B] that tell the lists apart; None if every `size` rows in a row are a list.
        labelled: Which rows count, bool [B].
        size: Most rows of a list; the first ones of the batch are taken.

    Returns:
        The positions; under XLA L = B, whose surplus lists are empty.

    Example:
        >>> rows_of_lists(tf.constant([8, 3, 8, 8]), tf.constant([True, True, False, True]), 2).numpy().tolist()
        [[1, -1], [0, 3]]
    """
    count = tf.size(labelled)
    if keys is None:
        lists = -(-count // size)
        rows = tf.range(lists * size)
        kept = tf.gather(labelled, tf.minimum(rows, count - 1)) & (rows < count)
        return tf.reshape(tf.where(kept, rows, -1), [lists, size])
    # Rows without label go last in their list, so that they take no place in it.
    last = tf.argsort(tf.cast(~labelled, tf.int32))
    order, segments = _sorted_segments(tf.gather(_integers(keys), last))
    order = tf.gather(last, order)
    place = tf.range(count)
    place -= tf.gather(tf.math.unsorted_segment_min(place, segments, count), segments)
    in_xla = not tf.executing_eagerly() and GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph())
    lists = count if in_xla else tf.reduce_max(segments) + 1
    kept = (place < size) & tf.gather(labelled, order)
    # What is left out goes to one more place behind the last list.
    target = tf.where(kept, segments * size + place, lists * size)
    filled = tf.tensor_scatter_nd_update(tf.fill([lists * size + 1], -1), target[:, tf.newaxis], order)
    return tf.reshape(filled[:-1], [lists, size])


def _integers(keys: tf.Tensor) -> tf.Tensor:
    keys = tf.reshape(tf.convert_to_tensor(keys), [-1])
    return tf.strings.to_hash_bucket_fast(keys, 2**63 - 1) if keys.dtype == tf.string else keys


def _sorted_segments(keys: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the order [B] that sorts keys, and in that order the number of each row's key [B]."""
    order = tf.argsort(keys)
    ascending = tf.gather(keys, order)
    starts = tf.concat([tf.zeros_like(ascending[:1], tf.bool), ascending[1:] != ascending[:-1]], axis=0)
    return order, tf.cumsum(tf.cast(starts, tf.int32))
