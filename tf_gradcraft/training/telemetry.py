"""What is noted of every n-th training step, inside the compiled step, for those who watch a training."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tf_gradcraft.gradients import replica_count

CAPACITY = 100
"""How many steps are kept until they are read: at most so many are noted in an epoch."""


@dataclasses.dataclass(frozen=True)
class Layout:
    """What the noted numbers are about; known when the step is traced.

    Attributes:
        tasks: Names of the T tasks.
        parts: Names of the P parts on which task gradients were measured.
        over: What they were measured on: `"parameters"` or `"representation"`.
        aside: Whether they were measured for the record alone, the method taking no look at gradients.
        gates: Name, task and number of experts of each gate.
    """

    tasks: tuple[str, ...]
    parts: tuple[str, ...]
    over: str
    aside: bool
    gates: tuple[Mapping[str, Any], ...]

    @property
    def usual_interval(self) -> int:
        """Steps from one note to the next by default: more where a note costs backward passes of its own."""
        if not self.aside:
            return 10
        return 100 if self.over == "representation" else 50 * len(self.tasks)


class Telemetry:
    """Notes of training steps, in variables that no model keeps.

    The step writes Gram matrices, weights and gate shares into variables, and nobody waits for them; `read` fetches
    them, say after an epoch. It is no `tf.Module`, so that neither Keras nor a checkpoint finds it in a model.

    Args:
        every: Steps from one note to the next; by default as `Layout.usual_interval` says.

    Attributes:
        layout: What the numbers are about, None before the first step was traced.
    """

    def __init__(self, every: int | None = None) -> None:
        self.every = every
        self.layout: Layout | None = None
        self._counters: dict[str, tf.Variable] = {}
        self._rings: dict[str, tf.Variable] = {}
        self._steps_per_epoch = 0

    def due(self) -> tf.Tensor:
        """Returns whether this step is to be noted, a bool scalar."""
        if not self._counters:
            with tf.init_scope():
                self._counters = {
                    name: _variable(tf.constant(value, tf.int64), name)
                    for name, value in (("steps", 0), ("next", 0), ("count", 0), ("least", self._least()))
                }
        return self._counters["steps"] >= self._counters["next"]

    def spread(self, steps_per_epoch: int) -> None:
        """Says how many steps an epoch has, so that what is kept is spread over all of it."""
        self._steps_per_epoch = steps_per_epoch
        if self._counters:
            self._counters["least"].assign(self._least())

    def _least(self) -> int:
        return max(1, -(-self._steps_per_epoch // CAPACITY))

    def record(
        self, due: tf.Tensor, layout: Layout, gram: tf.Tensor, weights: tf.Tensor, gates: Callable[[], tf.Tensor]
    ) -> None:
        """Notes a step if it is due and gradients were measured in it; call `end_step` after it.

        Args:
            due: What `due` returned in this step.
            layout: What the numbers are about.
            gram: Gram matrices [P, T, T] of the task gradients; 0 in a step without measurement.
            weights: Weights [P, T], or [1, T], of the tasks.
            gates: Returns `share_means` of the step's gates.
        """
        self.layout = layout
        experts = sum(gate["experts"] + 1 for gate in layout.gates)
        shapes: dict[str, tuple[tuple[int, ...], tf.DType]] = {
            "step": ((), tf.int64),
            "gram": (tuple(gram.shape), tf.float64),
            "weights": (tuple(weights.shape), tf.float64),
            "gates": ((experts,), tf.float32),
        }
        if {name: (tuple(ring.shape[1:]), ring.dtype) for name, ring in self._rings.items()} != shapes:
            with tf.init_scope():
                self._rings = {
                    name: _variable(tf.zeros([CAPACITY, *shape], dtype), name)
                    for name, (shape, dtype) in shapes.items()
                }
        measured = tf.reduce_any(tf.linalg.diag_part(gram) > 0) & tf.reduce_all(tf.math.is_finite(gram))
        keep = due & measured & tf.reduce_all(tf.math.is_finite(weights))
        # With a method that measures only every k-th step, what is due waits for it.
        taken = due if layout.aside else keep

        def write() -> tf.Tensor:
            steps, count = self._counters["steps"], self._counters["count"]
            values = {"step": steps, "gram": gram, "weights": weights, "gates": gates()}
            slot = tf.range(CAPACITY, dtype=tf.int64) == count % CAPACITY
            for name, ring in self._rings.items():
                here = tf.reshape(slot & keep, [CAPACITY] + [1] * (len(ring.shape) - 1))
                ring.assign(tf.where(here, tf.cast(values[name], ring.dtype)[tf.newaxis], ring))
            count.assign_add(tf.cast(keep, tf.int64))
            interval = tf.maximum(self._counters["least"], self.every or layout.usual_interval)
            self._counters["next"].assign(tf.where(taken, steps + interval, self._counters["next"]))
            return taken

        if replica_count() > 1:
            write()  # replicas can't assign in a branch
        else:
            tf.cond(taken, write, lambda: taken)

    def end_step(self) -> None:
        """Counts a step."""
        self._counters["steps"].assign_add(1)

    @property
    def steps(self) -> int:
        """How many steps were counted."""
        return int(self._counters["steps"].numpy()) if self._counters else 0

    def read(self) -> dict[str, np.ndarray]:
        """Returns what was noted since the last reading, oldest first, and forgets it.

        Returns:
            `step` [S], `gram` [S, P, T, T], `weights` [S, P or 1, T] and `gates` [S, .]; empty if nothing was noted.
        """
        if not self._rings:
            return {}
        count = int(self._counters["count"].numpy())
        self._counters["count"].assign(0)
        kept = min(count, CAPACITY)
        order = (count - kept + np.arange(kept)) % CAPACITY
        return {name: ring.numpy()[order] for name, ring in self._rings.items()} if kept else {}


def watching_first(callbacks: Any) -> Any:
    """Returns the callbacks of `fit`, those that want notes of the steps first: what they log is then seen by all.

    Args:
        callbacks: None, a callback, a list of them, or a `keras.callbacks.CallbackList`, which stays as it is.
    """
    if callbacks is None or hasattr(callbacks, "callbacks"):
        return callbacks
    return sorted(tf.nest.flatten(callbacks), key=lambda callback: not _watches(callback))


def telemetry_for(model: Any, callbacks: Any) -> Telemetry | None:
    """Returns what the callback among those of `fit` that wants notes of the steps gives for a model, if there is one.

    Such a callback has a method `telemetry_for(model)`.

    Raises:
        ValueError: If there are several.
    """
    given = getattr(callbacks, "callbacks", callbacks)
    watching = [callback for callback in tf.nest.flatten(given or []) if _watches(callback)]
    if len(watching) > 1:
        raise ValueError("several callbacks want notes of the training steps; give fit() one GradientMonitor")
    return watching[0].telemetry_for(model) if watching else None


def _watches(callback: Any) -> bool:
    return hasattr(callback, "telemetry_for")


def _variable(value: tf.Tensor, name: str) -> tf.Variable:
    aggregation = tf.VariableAggregation.ONLY_FIRST_REPLICA
    return tf.Variable(value, trainable=False, name=f"telemetry_{name}", aggregation=aggregation)
