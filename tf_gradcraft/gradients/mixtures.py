"""Task gradients by experts that the tasks take in mixtures only, without writing them out."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import tensorflow as tf


@dataclasses.dataclass
class Mixtures:
    r"""Mixtures $m_j = \sum_e p_{j,e} h_e$ of the same experts, and the task gradients by the experts.

    The gradient of task t by expert e is $\sum_j p_{j,e} D_{t,j}$, with $D_{t,j}$ its gradient by mixture j. So the
    scalar product of two tasks, over all experts, is $\sum_b \sum_{j,k} \langle p_j, p_k \rangle_b \langle D_{s,j},
    D_{t,k} \rangle_b$ over the rows b of the batch: the E times larger gradients by the experts are never made.

    Attributes:
        shares: For each mixture the experts' shares $p_j$ [E, B].
        outputs: The mixtures [B, H].
        tasks: For each pair of a task and a mixture that it touches the position of the task,
        which: that of the mixture,
        gradients: and the task's gradient by the mixture [B, H].
        num_tasks: Number of all tasks T.
    """

    shares: list[tf.Tensor]
    outputs: list[tf.Tensor]
    tasks: list[int] = dataclasses.field(default_factory=list)
    which: list[int] = dataclasses.field(default_factory=list)
    gradients: list[tf.Tensor] = dataclasses.field(default_factory=list)
    num_tasks: int = 0

    def with_gradients(self, by_task: Sequence[Sequence[tf.Tensor | None]]) -> Mixtures:
        """Returns the same mixtures with each task's gradients by them, None where it does not take one."""
        pairs = [(t, j, g) for t, of in enumerate(by_task) for j, g in enumerate(of) if g is not None]
        tasks, which, gradients = ([pair[i] for pair in pairs] for i in range(3))
        return dataclasses.replace(self, tasks=tasks, which=which, gradients=gradients, num_tasks=len(by_task))

    @property
    def touching(self) -> list[int]:
        """Positions of the tasks that take any of the mixtures."""
        return sorted(set(self.tasks))

    def gram(self) -> tf.Tensor:
        """Returns the Gram matrix [T, T] of the task gradients by the experts, float64."""
        by_row = tf.cast(tf.stack(self.gradients, axis=1), tf.float32)
        shares = tf.transpose(tf.cast(tf.stack([self.shares[j] for j in self.which]), tf.float32), [2, 0, 1])
        products = tf.matmul(by_row, by_row, transpose_b=True) * tf.matmul(shares, shares, transpose_b=True)
        of_pairs = tf.reduce_sum(tf.cast(products, tf.float64), axis=0)
        place = tf.one_hot(self.tasks, self.num_tasks, dtype=tf.float64)
        return tf.matmul(place, tf.matmul(of_pairs, place), transpose_a=True)

    def combine(self, weights: tf.Tensor) -> tf.Tensor:
        """Returns the gradient by the experts [E, B, H] of the weighted sum of the tasks, for weights [T]."""
        # One small matrix product a row; a product of each pair, written out and added up, takes four times as long.
        weights = tf.gather(tf.cast(weights, tf.float32), self.tasks)[:, tf.newaxis, tf.newaxis]
        shares = weights * tf.cast(tf.stack([self.shares[j] for j in self.which]), tf.float32)
        by_row = tf.cast(tf.stack(self.gradients, axis=1), tf.float32)
        combined = tf.matmul(tf.transpose(shares, [2, 1, 0]), by_row)
        return tf.cast(tf.transpose(combined, [1, 0, 2]), self.gradients[0].dtype)
