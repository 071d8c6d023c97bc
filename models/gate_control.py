"""Customised gate control: shared experts, experts of each task, and gates over them (one level of PLE)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from tensorflow import keras

from tf_gradcraft.models.gate import Gate
from tf_gradcraft.models.mlp import MLP
from tf_gradcraft.training import SharedRepresentation


@keras.utils.register_keras_serializable("tf_gradcraft")
class GateControl(keras.layers.Layer):
    """One level of progressive layered extraction (the CGC layer).

    Called with T + 1 tensors [B, D]: the input of each task, then the shared one. A task's gate mixes its own experts
    and the shared ones, looking at the task's input. Unless this is the last level, a shared gate mixes all experts for
    the next level. Experts are found by position, never by name.

    Marked as shared representation is what a task's private modules take from shared ones. On the last level these are
    the outputs of the shared experts; the tasks' gates of the level before are private too, so there it is all that
    they see. Where the first level is the last, mark the input of the tasks before you hand it in.

    Tang et al., "Progressive Layered Extraction (PLE): A Novel Multi-Task Learning Model for Personalized
    Recommendations", RecSys 2020.

    Args:
        num_tasks: Number of tasks T.
        units: Widths of each expert.
        specific_experts: Number of experts of each task.
        shared_experts: Number of shared experts.
        last: Whether this is the last level, which has no shared output.
        feeds_last: Whether the next level is the last.
        dropout: Dropout in the experts.
        l2: Factor of the L2 penalty on the experts' kernels.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> level = GateControl(num_tasks=2, units=[8, 4])
        >>> [h.shape.as_list() for h in level([tf.ones([5, 6])] * 3)]
        [[5, 4], [5, 4]]
    """

    def __init__(
        self,
        num_tasks: int,
        units: Sequence[int],
        specific_experts: int = 1,
        shared_experts: int = 1,
        last: bool = True,
        feeds_last: bool = False,
        dropout: float = 0.0,
        l2: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if specific_experts < 0 or shared_experts < 1:
            raise ValueError(
                f"GateControl: needs shared_experts >= 1 and specific_experts >= 0, got {shared_experts} and "
                f"{specific_experts}"
            )
        self.num_tasks, self.last, self.feeds_last = num_tasks, last, feeds_last
        self.specific_experts, self.shared_experts = specific_experts, shared_experts
        self.units, self.dropout, self.l2 = [int(width) for width in units], dropout, l2
        self.of_tasks = [
            [MLP(units, dropout=dropout, l2=l2, name=f"task_{t}_expert_{e}") for e in range(specific_experts)]
            for t in range(num_tasks)
        ]
        self.shared = [MLP(units, dropout=dropout, l2=l2, name=f"shared_expert_{e}") for e in range(shared_experts)]
        self.gates = [Gate(specific_experts + shared_experts, name=f"gate_{task}") for task in range(num_tasks)]
        total = num_tasks * specific_experts + shared_experts
        self.shared_gate = None if last else Gate(total, name="shared_gate")
        self.mark = SharedRepresentation(name="representation")

    def build(self, input_shape: Any) -> None:
        """Makes the variables for T + 1 inputs [B, D]."""
        shapes = [tuple(shape) for shape in input_shape]
        expert_shape = (shapes[0][0], self.units[-1])
        for experts, shape in zip([*self.of_tasks, self.shared], shapes, strict=True):
            for expert in experts:
                expert.build(shape)
        for gate, shape in zip(self.gates, shapes, strict=False):
            gate.build((shape, [expert_shape] * gate.num_experts))
        if self.shared_gate is not None:
            self.shared_gate.build((shapes[-1], [expert_shape] * self.shared_gate.num_experts))
        super().build(input_shape)

    def call(self, inputs: Sequence[tf.Tensor], training: bool | None = None) -> list[tf.Tensor]:
        """Maps T + 1 inputs [B, D] to T, or before the last level T + 1, tensors [B, units[-1]]."""
        *of_tasks, shared_input = inputs
        shared = [expert(shared_input, training=training) for expert in self.shared]
        specific = [
            [expert(task_input, training=training) for expert in experts]
            for task_input, experts in zip(of_tasks, self.of_tasks, strict=True)
        ]
        seen_inputs, seen_specific, seen_shared = of_tasks, specific, shared
        if self.last:
            seen_shared = self.mark(shared)
        elif self.feeds_last:
            seen_inputs, seen_specific, seen_shared = self.mark([of_tasks, specific, shared])
        outputs = [
            gate((task_input, [*own, *seen_shared]))
            for gate, task_input, own in zip(self.gates, seen_inputs, seen_specific, strict=True)
        ]
        if self.shared_gate is not None:
            everything = [expert for own in specific for expert in own]
            outputs.append(self.shared_gate((shared_input, [*everything, *shared])))
        return outputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        """See Keras."""
        return [(*tuple(input_shape[0])[:1], self.units[-1])] * (self.num_tasks + (not self.last))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "num_tasks": self.num_tasks,
            "units": self.units,
            "specific_experts": self.specific_experts,
            "shared_experts": self.shared_experts,
            "last": self.last,
            "feeds_last": self.feeds_last,
            "dropout": self.dropout,
            "l2": self.l2,
        }
