"""Gradients of several losses by the same variables, kept apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import tensorflow as tf

from tf_gradcraft.gradients.parts import Parts, assign_parts
from tf_gradcraft.gradients.products import StackedGradients
from tf_gradcraft.gradients.replicas import gather_rows, replica_count, sum_over_replicas
from tf_gradcraft.gradients.rows import unify_rows

Gradient: TypeAlias = Any
"""A tensor, `tf.IndexedSlices`, or None where a loss does not depend on the variable."""


def task_gradients(
    tape: tf.GradientTape, losses: Mapping[str, tf.Tensor] | Sequence[tf.Tensor], variables: Sequence[Any]
) -> TaskGradients:
    """Takes the gradient of each task's loss, one backward pass a task.

    A variable whose gradient is None for all tasks but one is private to that task; one that several tasks touch is
    shared. Gradients of embedding tables stay sparse; nothing of the size of a table is made.

    Args:
        tape: A *persistent* tape that recorded the losses.
        losses: Scalar losses: `{task: loss}`, or a sequence.
        variables: Variables to differentiate by.

    Raises:
        ValueError: If there is no loss, or no variable that any loss depends on.

    Example:
        >>> shared, private = tf.Variable([1.0, 2.0]), tf.Variable(3.0)
        >>> with tf.GradientTape(persistent=True) as tape:
        ...     losses = {"a": tf.reduce_sum(shared), "b": shared[0] * private}
        >>> gradients = task_gradients(tape, losses, [shared, private])
        >>> gradients.gram().numpy().tolist()
        [[[2.0, 3.0], [3.0, 9.0]]]
        >>> [g.numpy().tolist() for g in gradients.combine(tf.constant([[1.0, 2.0]]))]
        [[7.0, 1.0], 1.0]
    """
    tasks = tuple(losses) if isinstance(losses, Mapping) else tuple(str(i) for i in range(len(losses)))
    values = list(losses.values()) if isinstance(losses, Mapping) else list(losses)
    if not values:
        raise ValueError("task_gradients needs at least one loss")
    return TaskGradients(tasks, variables, [tape.gradient(loss, list(variables)) for loss in values])


class TaskGradients:
    """Per-task gradients of shared and private variables.

    Args:
        tasks: Names of the T tasks.
        variables: The variables.
        gradients: For each task the gradient of each variable: a tensor, `tf.IndexedSlices`, or None.

    Attributes:
        tasks: Names of the tasks.
        shared: Positions of the variables that two or more tasks touch.
        private: `{position: task position}` of the variables that one task touches.

    Raises:
        ValueError: If no task touches any variable.
    """

    def __init__(self, tasks: Sequence[str], variables: Sequence[Any], gradients: Sequence[Sequence[Gradient]]) -> None:
        self.tasks = tuple(tasks)
        self._paths = [str(getattr(variable, "path", variable.name)) for variable in variables]
        self._own: dict[int, Gradient] = {}
        self.private: dict[int, int] = {}
        self._shared: dict[int, _SharedGradient] = {}
        for position, by_task in enumerate(zip(*gradients, strict=True)):
            touching = [task for task, gradient in enumerate(by_task) if gradient is not None]
            if len(touching) == 1:
                self.private[position] = touching[0]
                self._own[position] = by_task[touching[0]]
            elif touching:
                self._shared[position] = _SharedGradient(touching, [by_task[task] for task in touching], len(tasks))
        if not self.private and not self._shared:
            raise ValueError("no loss depends on any of the variables: every gradient is None")
        self.shared = tuple(self._shared)
        self._size = len(variables)
        self._parts: Parts | None = None

    def parts(self, parts: str | Mapping[str, str] = "all") -> Parts:
        """Returns which part each *shared* variable belongs to, see `assign_parts`."""
        return assign_parts(parts, [self._paths[position] for position in self.shared])

    def gram(self, parts: str | Mapping[str, str] = "all") -> tf.Tensor:
        """Returns the Gram matrices of the task gradients on the shared variables.

        Args:
            parts: How the shared variables are grouped: `"all"`, `"variable"` or `{name: regex}`.

        Returns:
            float64 [P, T, T]: for each part the products of the task gradients, summed over its variables.

        Raises:
            ValueError: If a regex matches no shared variable.
        """
        self._parts = self.parts(parts)
        num_tasks = len(self.tasks)
        if not self._shared:
            return tf.zeros([max(1, len(self._parts.names)), num_tasks, num_tasks], tf.float64)
        of_part: list[list[tf.Tensor]] = [[] for _ in self._parts.names]
        for part, shared in zip(self._parts.of_variable, self._shared.values(), strict=True):
            of_part[part].append(shared.gram())
        return tf.stack([tf.add_n(grams) for grams in of_part])

    def combine(self, weights: tf.Tensor, parts: str | Mapping[str, str] | None = None) -> list[Gradient]:
        """Returns the update direction of each variable.

        Args:
            weights: Weights [P, T] of the tasks, a row a part.
            parts: How the shared variables are grouped; as in the last call of `gram` by default.

        Returns:
            For each variable: the weighted sum of the task gradients if it is shared, its task's plain gradient if it
            is private, None if no task touches it. Sparse gradients have unique indices.
        """
        combined: list[Gradient] = [None] * self._size
        for position, gradient in self._own.items():
            if isinstance(gradient, tf.IndexedSlices):
                indices, (rows,) = unify_rows([gradient])
                gradient = tf.IndexedSlices(rows, indices, gradient.dense_shape)
            combined[position] = gradient
        grouped = (self._parts or self.parts()) if parts is None else self.parts(parts)
        for (position, shared), part in zip(self._shared.items(), grouped.of_variable, strict=True):
            combined[position] = shared.combine(weights[part])
        return combined


class _SharedGradient:
    """Gradients of the tasks that touch one shared variable."""

    def __init__(self, touching: list[int], gradients: Sequence[Any], num_tasks: int) -> None:
        self._indices = None
        self._dense_shape = None
        if all(isinstance(gradient, tf.IndexedSlices) for gradient in gradients):
            self._dense_shape = gradients[0].dense_shape
            self._indices, gradients = gather_rows(*unify_rows(gradients))
        # A dense gradient among sparse ones (a table that is also a matrix) has the table's size already.
        self._stacked = StackedGradients([tf.convert_to_tensor(g) for g in gradients], touching, num_tasks)
        if self._indices is None:
            self._stacked.blocks = sum_over_replicas(self._stacked.blocks)

    def gram(self) -> tf.Tensor:
        return self._stacked.gram()

    def combine(self, weights: tf.Tensor) -> Gradient:
        # The optimizer adds the replicas' updates up, and here each replica has that of all.
        combined = self._stacked.combine(weights / replica_count())
        if self._indices is None:
            return combined
        return tf.IndexedSlices(combined, self._indices, self._dense_shape)
