"""A training step that someone watches: what of it goes into the notes."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from tf_gradcraft.gradients import MarksError, RepresentationGradients, TaskGradients, replica_count, task_gradients
from tf_gradcraft.training.balanced_step import BalancedGradients
from tf_gradcraft.training.gate_shares import Shares, describe_gates, recording_shares, share_means
from tf_gradcraft.training.look_back import state_before
from tf_gradcraft.training.shared_representation import recording_representation
from tf_gradcraft.training.telemetry import Layout, Telemetry


class Measured(NamedTuple):
    """Task gradients that were measured beside the step.

    Attributes:
        layout: What the numbers are about.
        gram: Gram matrices [P, T, T].
        gates: `share_means` of the gates.
    """

    layout: Layout
    gram: tf.Tensor
    gates: tf.Tensor


class ObservedStep:
    """One training step, as seen by the telemetry of its model; without telemetry, nothing is done.

    Where the balancer looks at gradients, the step's own Gram matrix and weights are noted. For the plain sum, and for
    methods that look at losses only, there is none. It is measured beside the step, in the steps that are noted alone,
    before the update: the model runs once more on the batch, from the same seeds, and leaves no trace. So the step
    itself is the same with and without telemetry.

    Args:
        model: The `MultiTaskModel`.
        data: Inputs, labels and weights of the batch.
    """

    def __init__(self, model: Any, data: tuple[Any, Any, Any]) -> None:
        self._model = model
        self._telemetry: Telemetry | None = model.telemetry
        self._seen: list[Shares] = []
        self._measured: Measured | None = None
        if self._telemetry is None:
            return
        self._due = self._telemetry.due()
        balancer = model.balancing
        # Replicas can't talk to each other in a branch: there these methods are not looked at.
        if (balancer is None or balancer.needs == "losses") and replica_count() == 1:
            self._measured = _measured_aside(model, data, self._due)
        if balancer is None:
            if self._measured is not None:
                ones = tf.ones([1, len(self._measured.layout.tasks)], tf.float64)
                self._record(self._measured.layout, self._measured.gram, ones)
            self._telemetry.end_step()

    def forward_pass(self) -> contextlib.AbstractContextManager[Any]:
        """The forward pass belongs into this context."""

        @contextlib.contextmanager
        def recording() -> Any:
            with recording_shares() as self._seen:
                yield

        return contextlib.nullcontext() if self._telemetry is None else recording()

    def note(self, tasks: Sequence[str], balanced: BalancedGradients) -> None:
        """Notes what the balancer made of the batch."""
        if self._telemetry is None:
            return
        if self._measured is not None:
            self._record(self._measured.layout, self._measured.gram, balanced.weights)
        elif balanced.gram is not None:
            gates = tuple(describe_gates(self._model, self._seen))
            over = "representation" if balanced.over_representation else "parameters"
            layout = Layout(tuple(tasks), balanced.parts, over, aside=False, gates=gates)
            self._record(layout, balanced.gram, balanced.weights)
        self._telemetry.end_step()

    def _record(self, layout: Layout, gram: tf.Tensor, weights: tf.Tensor) -> None:
        assert self._telemetry is not None
        measured, seen = self._measured, self._seen
        self._telemetry.record(
            self._due, layout, gram, weights, lambda: share_means(seen) if measured is None else measured.gates
        )


def _measured_aside(model: Any, data: tuple[Any, Any, Any], due: tf.Tensor) -> Measured | None:
    """Measures the task gradients of a batch if that is due, in a branch of the graph that is taken only then."""
    layouts: list[Layout] = []

    def measure() -> tuple[tf.Tensor, tf.Tensor]:
        layout, gram, gates = _measure(model, data)
        layouts.append(layout)
        return gram, gates

    def nothing() -> tuple[tf.Tensor, tf.Tensor]:
        layout = layouts[0]
        sizes = [gate["experts"] + 1 for gate in layout.gates]
        return tf.zeros([len(layout.parts), *[len(layout.tasks)] * 2], tf.float64), tf.zeros([sum(sizes)])

    if tf.executing_eagerly() and not due:
        return None
    gram, gates = tf.cond(due, measure, nothing)
    return Measured(layouts[0], gram, gates)


def _measure(model: Any, data: tuple[Any, Any, Any]) -> Measured:
    x, y, sample_weight = data
    variables = model.trainable_variables
    tape = tf.GradientTape(persistent=True)
    apart = keras.StatelessScope(state_before(model))  # drops what the model would assign to variables of Keras
    with apart, tape, recording_representation() as marks, recording_shares() as seen:
        y_pred = model(x, training=True) if model._call_has_training_arg else model(x)
        losses = model.compute_task_losses(x, y, y_pred, sample_weight, training=True)
        # Half precision needs the factor, as in the step itself.
        scaled = {task: model.optimizer.scale_loss(loss) for task, loss in losses.items()}
        scale = tf.cast(model.optimizer.scale_loss(tf.ones([])), tf.float64)
    gradients: TaskGradients | RepresentationGradients
    try:
        gradients, over = RepresentationGradients(tape, scaled, variables, marks), "representation"
    except MarksError:  # the model marks nothing, or marks do not cut all tasks from what they share
        gradients, over = task_gradients(tape, scaled, variables), "parameters"
    parts = "all" if model.balancing is None else model.balancing.parts
    names = gradients.parts(parts).names or ("all",)
    gates = tuple(describe_gates(model, seen))
    layout = Layout(tuple(losses), names, over, aside=True, gates=gates)
    return Measured(layout, gradients.gram(parts) / tf.square(scale), share_means(seen))
