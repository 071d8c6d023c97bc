"""Task gradients measured on a shared representation: tensors of the forward pass instead of variables."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import tensorflow as tf

from tf_gradcraft.gradients.mixtures import Mixtures
from tf_gradcraft.gradients.parts import Parts
from tf_gradcraft.gradients.products import StackedGradients
from tf_gradcraft.gradients.replicas import sum_over_replicas
from tf_gradcraft.gradients.rows import add_gradients, scale_gradient, sum_duplicate_rows
from tf_gradcraft.gradients.task_gradients import Gradient


class MarksError(ValueError):
    """What a model marks can't serve to compare its tasks; the message says why and what to mark."""

    # AutoGraph raises an error as what it is only if its type is made like this.
    __init__ = Exception.__init__


@dataclasses.dataclass
class Representation:
    """What a forward pass has marked.

    Attributes:
        tape: Records what happens above the marks only: for it a marked tensor depends on nothing.
        tensors: The marked tensors.
        mixtures: Of a marked tensor, by its position, what is known about all that takes it.
    """

    tape: tf.GradientTape
    tensors: list[tf.Tensor] = dataclasses.field(default_factory=list)
    mixtures: dict[int, Mixtures] = dataclasses.field(default_factory=dict)

    @classmethod
    @contextmanager
    def recording(cls) -> Iterator[Representation]:
        """Records a forward pass: call `mark` and compute the losses in this block."""
        with tf.GradientTape(persistent=True) as tape:
            yield cls(tape)

    def mark(self, tensor: tf.Tensor) -> tf.Tensor:
        """Returns the same values, marked: the gradients by the returned tensor are what is measured."""
        with self.tape.stop_recording():
            marked = tf.identity(tensor)
        self.tape.watch(marked)
        self.tensors.append(marked)
        return marked

    def only_mixed(self, marked: tf.Tensor, shares: Sequence[tf.Tensor], mixtures: Sequence[tf.Tensor]) -> None:
        """Says that all that takes a marked tensor of experts [E, B, H] is mixtures [B, H] with shares [E, B].

        Their gradients are then kept as products of two smaller things, see `Mixtures`.
        """
        position = [tensor is marked for tensor in self.tensors].index(True)
        self.mixtures[position] = Mixtures(list(shares), list(mixtures))


class RepresentationGradients:
    r"""Per-task gradients by a shared representation, and the update of all variables from them.

    Each task is taken back to the marks only. With $G_{t,m}$ the gradient of task t by mark m, where what passes
    through other marks above it is left out, the Gram matrix is $\sum_m \langle G_{s,m}, G_{t,m} \rangle$. The update
    then takes $\sum_t w_t G_{t,m}$ down from all marks in one backward pass, and adds, for variables that tasks reach
    beside the marks, their gradients on that way: it is the gradient of $\sum_t w_t L_t$, wherever the marks are
    placed. Variables that one task touches are private and get its plain gradient.

    Across the replicas of a `tf.distribute` strategy the representation of the whole batch is that of the replicas, one
    below the other, so that its Gram matrix is the sum of theirs.

    Args:
        tape: A persistent tape that recorded the whole forward pass.
        losses: `{task: loss}`.
        variables: The variables.
        representation: What the forward pass has marked.

    Attributes:
        private: `{position: task position}` of the variables that one task touches.

    Raises:
        MarksError: If nothing is marked, or nothing that two tasks depend on; if a task shares variables beside the
            marks only; or if a mark can't be reached.

    Example:
        >>> x = tf.Variable([1.0, 2.0])
        >>> with tf.GradientTape(persistent=True) as tape, Representation.recording() as representation:
        ...     hidden = representation.mark(x * x)
        ...     losses = {"a": tf.reduce_sum(hidden), "b": 3.0 * hidden[0]}
        >>> gradients = RepresentationGradients(tape, losses, [x], representation)
        >>> gradients.gram().numpy().tolist()
        [[[2.0, 3.0], [3.0, 9.0]]]
        >>> gradients.combine(tf.constant([[1.0, 2.0]]))[0].numpy().tolist()
        [14.0, 4.0]
    """

    def __init__(
        self,
        tape: tf.GradientTape,
        losses: Mapping[str, tf.Tensor],
        variables: Sequence[Any],
        representation: Representation,
    ) -> None:
        _check_marks(representation.tensors)
        self._tape, self._variables = tape, list(variables)
        self._num_tasks = len(losses)
        self._marks: list[tuple[tf.Tensor, StackedGradients | Mixtures]] = []
        plain = [m for i, m in enumerate(representation.tensors) if i not in representation.mixtures]
        mixed = [mixture for group in representation.mixtures.values() for mixture in group.outputs]
        by_task = [representation.tape.gradient(loss, [plain, mixed, self._variables]) for loss in losses.values()]
        below: list[tuple[tf.Tensor, list[int]]] = []
        for position, mark in enumerate(plain):
            gradients = {t: of[0][position] for t, of in enumerate(by_task) if of[0][position] is not None}
            if gradients:
                dense = [tf.convert_to_tensor(gradient) for gradient in gradients.values()]
                self._marks.append((mark, StackedGradients(dense, list(gradients), self._num_tasks)))
                below.append((mark, list(gradients)))
        start = 0
        for position, group in representation.mixtures.items():
            span = slice(start, start + len(group.outputs))
            start = span.stop
            group = group.with_gradients([of[1][span] for of in by_task])
            if group.touching:
                self._marks.append((representation.tensors[position], group))
                below.append((representation.tensors[position], group.touching))
        if max((len(tasks) for _, tasks in below), default=0) < 2:
            raise MarksError(
                "no two tasks depend on what the model's SharedRepresentation layers mark: the tasks must take what "
                "such a layer returns"
            )
        self._beside = [of[2] for of in by_task]
        self._find_private(below)
        measured = {task for _, tasks in below for task in tasks}
        for task, name in enumerate(losses):
            if task not in measured and any(
                gradient is not None and position not in self.private
                for position, gradient in enumerate(self._beside[task])
            ):
                raise MarksError(
                    f"task {name} shares variables with other tasks, but takes nothing that the model's "
                    "SharedRepresentation layers mark, so it can't be measured: mark what it takes too"
                )

    def _find_private(self, below: Sequence[tuple[tf.Tensor, list[int]]]) -> None:
        """Finds which variables one task touches, beside the marks or through them."""
        touching: list[set[int]] = [set() for _ in self._variables]
        reached = set()
        for task, gradients in enumerate(self._beside):
            for position, gradient in enumerate(gradients):
                if gradient is not None:
                    touching[position].add(task)
        groups: dict[tuple[int, ...], list[tf.Tensor]] = {}
        for mark, tasks in below:
            groups.setdefault(tuple(tasks), []).append(mark)
        for together, marks in groups.items():
            # Only whether there is a gradient is looked at, so that the compiled step does not compute it.
            for position, gradient in enumerate(self._tape.gradient(marks, self._variables)):
                if gradient is not None:
                    touching[position].update(together)
                    reached.add(position)
        self.private = {position: min(tasks) for position, tasks in enumerate(touching) if len(tasks) == 1}
        self._below = sorted(reached)

    def parts(self, parts: Any = "all") -> Parts:
        """Returns the one part that the representation is, whatever is asked for."""
        return Parts(("representation",), ())

    def gram(self, parts: Any = "all") -> tf.Tensor:
        """Returns the Gram matrix [1, T, T] of the task gradients, float64; `parts` makes no difference."""
        return sum_over_replicas(tf.add_n([gradients.gram() for _, gradients in self._marks]))[tf.newaxis]

    def combine(self, weights: tf.Tensor, parts: Any = "all") -> list[Gradient]:
        """Returns the update direction of each variable for weights [1, T]; sparse ones have unique indices."""
        updates: list[Gradient] = [None] * len(self._variables)
        shared = [position for position in self._below if position not in self.private]
        self._take_down(weights[0], self._marks, shared, updates)
        # A weight may be zero, or so small that half precision loses it: what is private gets a pass of its own, which
        # starts at marks that a single task takes, as only they lie above it.
        own = [(mark, gradients) for mark, gradients in self._marks if len(gradients.touching) == 1]
        self._take_down(tf.ones_like(weights[0]), own, [i for i in self._below if i in self.private], updates)
        for task, gradients in enumerate(self._beside):
            for position, part in enumerate(gradients):
                if part is not None:
                    part = part if position in self.private else scale_gradient(part, weights[0][task])
                    updates[position] = add_gradients(updates[position], part)
        return [sum_duplicate_rows(u) if isinstance(u, tf.IndexedSlices) else u for u in updates]

    def _take_down(
        self,
        weights: tf.Tensor,
        marks: Sequence[tuple[tf.Tensor, StackedGradients | Mixtures]],
        positions: Sequence[int],
        updates: list[Gradient],
    ) -> None:
        """Takes the weighted sum of the task gradients down from marks, into the updates of variables below them."""
        if positions:
            gradients = self._tape.gradient(
                [mark for mark, _ in marks],
                [self._variables[position] for position in positions],
                output_gradients=[gradients.combine(weights) for _, gradients in marks],
            )
            for position, gradient in zip(positions, gradients, strict=True):
                updates[position] = gradient


def _check_marks(tensors: Sequence[tf.Tensor]) -> None:
    if not tensors:
        raise MarksError(
            "balance_over='representation', but the model marks no shared representation: place a "
            "tf_gradcraft.SharedRepresentation layer where the tasks part"
        )
    graph = tf.compat.v1.get_default_graph()
    if any(tf.is_symbolic_tensor(tensor) and not _reachable(tensor, graph) for tensor in tensors):
        raise MarksError(
            "a SharedRepresentation layer was called inside a tf.function, loop or condition of its own: its tensor "
            "can't be reached from the training step; call it outside"
        )


def _reachable(tensor: tf.Tensor, graph: tf.Graph) -> bool:
    """Whether a tensor belongs to a graph or to one of those around it."""
    while graph is not None:
        if tensor.graph is graph:
            return True
        graph = getattr(graph, "outer_graph", None)
    return False
