"""Sparse gradients of embedding tables: rows of the looked-up ids only, each id once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

# TensorFlow has no public way to ask whether a function is being compiled by XLA.
from tensorflow.python.ops.control_flow_util import GraphOrParentsInXlaContext

# Set on a tensor of indices that is known to hold each index once, so that nobody makes it unique again. Where the mark
# gets lost (on the way into a branch of tf.cond), that is done once too often, and nothing else changes.
_UNIQUE = "_tf_gradcraft_unique"


def sum_duplicate_rows(slices: tf.IndexedSlices) -> tf.IndexedSlices:
    """Returns the same sparse gradient with each index once, its rows added up.

    Args:
        slices: Values [N, ...] at indices [N], in which an index may stand several times.

    Returns:
        Values [U, ...] at U different indices.

    Example:
        >>> slices = tf.IndexedSlices(tf.constant([[1.0], [2.0], [4.0]]), tf.constant([7, 3, 7]))
        >>> unique = sum_duplicate_rows(slices)
        >>> unique.indices.numpy().tolist(), unique.values.numpy().tolist()
        ([7, 3], [[5.0], [2.0]])
    """
    if getattr(slices.indices, _UNIQUE, False):
        return slices
    indices, (rows,) = unify_rows([slices])
    return tf.IndexedSlices(rows, indices, slices.dense_shape)


def unify_rows(task_slices: Sequence[tf.IndexedSlices]) -> tuple[tf.Tensor, list[tf.Tensor]]:
    """Brings the sparse gradients of several tasks for one table to common, unique indices.

    Tasks whose gradients carry the same indices (the usual case: the same lookups) are recognised when the graph is
    built, so that indices are made unique once for all of them.

    Args:
        task_slices: For each task values [N_t, ...] at indices [N_t].

    Returns:
        Unique indices [U] and for each task its rows [U, ...], zero where it did not look.
    """
    distinct: list[tf.Tensor] = []
    which = []
    for slices in task_slices:
        found = next((i for i, indices in enumerate(distinct) if same_tensor(indices, slices.indices)), None)
        if found is None:
            found = len(distinct)
            distinct.append(slices.indices)
        which.append(found)
    unique, positions = _unique(tf.concat(distinct, axis=0) if len(distinct) > 1 else distinct[0])
    lengths = [tf.size(indices) for indices in distinct]
    positions_of = tf.split(positions, lengths) if len(distinct) > 1 else [positions]
    count = tf.size(unique)
    rows = [
        tf.math.unsorted_segment_sum(slices.values, positions_of[group], count)
        for slices, group in zip(task_slices, which, strict=True)
    ]
    setattr(unique, _UNIQUE, True)
    return unique, rows


def _unique(indices: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the different indices [U], and for each of the given [N] where it stands among them [N].

    Under XLA U = N, so that shapes stay static (XLA counts the padding of a result of `tf.unique` as indices when that
    is made unique once more). What fills up is the lowest integer: lookups clamp it, writes pass it over.
    """
    if tf.executing_eagerly() or not GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph()):
        return tf.unique(indices)
    order = tf.argsort(indices)
    ascending = tf.gather(indices, order)
    starts = tf.concat([tf.zeros_like(ascending[:1]), tf.cast(ascending[1:] != ascending[:-1], indices.dtype)], axis=0)
    segments = tf.cast(tf.cumsum(starts), tf.int32)
    unique = tf.math.unsorted_segment_max(ascending, segments, tf.size(indices))
    return unique, tf.gather(segments, tf.argsort(order))


def scale_gradient(gradient: tf.Tensor | tf.IndexedSlices, factor: tf.Tensor) -> tf.Tensor | tf.IndexedSlices:
    """Returns a dense or sparse gradient times a scalar."""
    if isinstance(gradient, tf.IndexedSlices):
        values = gradient.values * tf.cast(factor, gradient.values.dtype)
        return tf.IndexedSlices(values, gradient.indices, gradient.dense_shape)
    return gradient * tf.cast(factor, gradient.dtype)


def add_gradients(
    one: tf.Tensor | tf.IndexedSlices | None, other: tf.Tensor | tf.IndexedSlices | None
) -> tf.Tensor | tf.IndexedSlices | None:
    """Returns the sum of two gradients of one variable; sparse with unique indices if both are sparse.

    Example:
        >>> one = tf.IndexedSlices(tf.ones([1, 2]), tf.constant([4]))
        >>> add_gradients(one, one).values.numpy().tolist()
        [[2.0, 2.0]]
    """
    if one is None or other is None:
        return other if one is None else one
    if isinstance(one, tf.IndexedSlices) and isinstance(other, tf.IndexedSlices):
        indices, rows = unify_rows([one, other])
        return tf.IndexedSlices(tf.add_n(rows), indices, one.dense_shape)
    return tf.convert_to_tensor(one) + tf.convert_to_tensor(other)


def split_gradients(gradients: Sequence[tf.Tensor | tf.IndexedSlices | None]) -> dict[int, tuple[tf.Tensor, ...]]:
    """Returns the tensors of gradients by position: a dense one's, or a sparse one's values and unique indices.

    In this form two branches of a condition can return gradients; `join_gradients` puts them together again.
    """
    unique = {i: sum_duplicate_rows(g) if isinstance(g, tf.IndexedSlices) else g for i, g in enumerate(gradients)}
    return {
        position: (gradient.values, gradient.indices) if isinstance(gradient, tf.IndexedSlices) else (gradient,)
        for position, gradient in unique.items()
        if gradient is not None
    }


def join_gradients(
    tensors: Mapping[int, tuple[tf.Tensor, ...]], variables: Sequence[Any]
) -> list[tf.Tensor | tf.IndexedSlices | None]:
    """Inverse of `split_gradients` for the gradients of these variables.

    Example:
        >>> table, bias = tf.Variable(tf.ones([9, 2])), tf.Variable(1.0)
        >>> sparse = tf.IndexedSlices(tf.ones([1, 2]), tf.constant([4]))
        >>> gradients = join_gradients(split_gradients([sparse, None]), [table, bias])
        >>> gradients[0].indices.numpy().tolist(), gradients[0].dense_shape.numpy().tolist(), gradients[1]
        ([4], [9, 2], None)
    """
    gradients: list[tf.Tensor | tf.IndexedSlices | None] = [None] * len(variables)
    for position, parts in tensors.items():
        if len(parts) == 1:
            gradients[position] = parts[0]
        else:
            values, indices = parts
            setattr(indices, _UNIQUE, True)
            shape = tf.constant(list(variables[position].shape), indices.dtype)
            gradients[position] = tf.IndexedSlices(values, indices, shape)
    return gradients


def same_tensor(one: tf.Tensor, other: tf.Tensor, depth: int = 8) -> bool:
    """Whether two tensors surely hold the same values.

    In a graph two tensors are the same if they are one tensor, or outputs of equal stateless operations on the same
    tensors (each task's backward pass makes its own copy of the index arithmetic). In eager mode values are compared.

    Args:
        one: A tensor.
        other: Another one.
        depth: How many operations upstream are looked at; index arithmetic is shorter than the default.
    """
    if one is other:
        return True
    if tf.executing_eagerly():
        return one.shape == other.shape and bool(tf.reduce_all(one == other))
    if depth == 0 or not (tf.is_symbolic_tensor(one) and tf.is_symbolic_tensor(other)):
        return False
    a, b = one.op, other.op
    if a is b:
        return one.value_index == other.value_index
    if a.type != b.type or a.graph is not b.graph or one.value_index != other.value_index:
        return False
    if a.op_def.is_stateful or len(a.inputs) != len(b.inputs) or (not a.inputs and a.type != "Const"):
        return False
    if a.node_def.attr != b.node_def.attr:
        return False
    return all(same_tensor(x, y, depth - 1) for x, y in zip(a.inputs, b.inputs, strict=True))
