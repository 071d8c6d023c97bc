"""Scalar products and weighted sums of the gradients that several tasks have by one variable or tensor."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

BLOCK = 4096
"""How many products are added up in float32 before float64 takes over."""


class StackedGradients:
    """Gradients of some tasks by one variable or tensor, side by side.

    They are kept as blocks [K, N, C] of N tasks, the last block filled up with zeros: one matrix product a block gives
    their scalar products, another their weighted sum. Products are added up in float32 over the up to 4,096 numbers of
    a block and in float64 over blocks, which is as exact as float32 gradients are and several times faster than float64
    throughout.

    Args:
        gradients: Gradients of N tasks, all of one shape.
        touching: Positions of these tasks.
        num_tasks: Number of all tasks T.

    Attributes:
        touching: Positions of these tasks.

    Example:
        >>> stacked = StackedGradients([tf.constant([1.0, 2.0]), tf.constant([3.0, 0.0])], [0, 2], num_tasks=3)
        >>> stacked.gram().numpy().tolist()
        [[5.0, 0.0, 3.0], [0.0, 0.0, 0.0], [3.0, 0.0, 9.0]]
        >>> stacked.combine(tf.constant([2.0, 7.0, 1.0])).numpy().tolist()
        [5.0, 4.0]
    """

    def __init__(self, gradients: Sequence[tf.Tensor], touching: Sequence[int], num_tasks: int) -> None:
        self.touching = list(touching)
        self._num_tasks = num_tasks
        self._dtype = gradients[0].dtype
        static = gradients[0].shape
        for gradient in gradients[1:]:
            # The graph may know more of one task's gradient than of another's.
            static = static.merge_with(gradient.shape)
        size = static.num_elements()
        self._shape = tf.shape(gradients[0]) if size is None else static
        self._size = tf.size(gradients[0]) if size is None else size
        # Half precision has neither the range nor the digits for squares and sums.
        wide = self._dtype if self._dtype == tf.float64 else tf.float32
        self.blocks = tf.cast(tf.stack([_in_blocks(gradient, size) for gradient in gradients], axis=1), wide)

    def gram(self) -> tf.Tensor:
        """Returns the Gram matrix [T, T], float64, zero for the tasks that do not touch the variable."""
        # A single short block is cheap enough for float64.
        blocks = tf.cast(self.blocks, tf.float64) if self.blocks.shape[0] == 1 else self.blocks
        products = tf.matmul(blocks, blocks, transpose_b=True)
        gram = tf.reduce_sum(tf.cast(products, tf.float64), axis=0)
        if len(self.touching) == self._num_tasks:
            return gram
        place = np.eye(self._num_tasks)[self.touching]
        return tf.matmul(place, tf.matmul(gram, place), transpose_a=True)

    def combine(self, weights: tf.Tensor) -> tf.Tensor:
        """Returns the sum of the gradients weighted by `weights` [T]."""
        if len(self.touching) < self._num_tasks:
            weights = tf.gather(weights, self.touching)
        weights = tf.cast(weights, self.blocks.dtype)[tf.newaxis, tf.newaxis]
        flat = tf.reshape(tf.matmul(weights, self.blocks), [-1])
        return tf.cast(tf.reshape(flat[: self._size], self._shape), self._dtype)


def _in_blocks(gradient: tf.Tensor, size: int | None) -> tf.Tensor:
    """Returns a gradient as [K, C], C being at most `BLOCK`; `size` is None where the graph does not know it."""
    flat = tf.reshape(gradient, [-1 if size is None else size])
    if size is not None and size <= BLOCK:
        return flat[tf.newaxis]
    missing = -tf.size(flat) % BLOCK if size is None else -size % BLOCK
    if size is None or missing:
        flat = tf.pad(flat, [[0, missing]])
    return tf.reshape(flat, [-1, BLOCK])
