"""Multi-gate mixture of experts: every task mixes the same experts with a gate of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from tensorflow import keras

from tf_gradcraft.models.gate import Gate, mix
from tf_gradcraft.models.mlp import MLP
from tf_gradcraft.models.selecting_gate import SelectingGate
from tf_gradcraft.training.shared_representation import SharedRepresentation, current_representation


@keras.utils.register_keras_serializable("tf_gradcraft")
class MultiGateMixture(keras.layers.Layer):
    """E shared experts, and for each of T tasks a gate that mixes them (the MMoE layer).

    Ma et al., "Modeling Task Relationships in Multi-task Learning with Multi-gate Mixture-of-Experts", KDD 2018.
    The experts are shared; the gate of a task is private to it. Marked as shared representation are the experts'
    outputs, and the input as the gates see it.

    Args:
        num_tasks: Number of tasks T.
        num_experts: Number of experts E.
        units: Widths of each expert.
        dropout: Dropout in the experts.
        l2: Factor of the L2 penalty on the experts' kernels.
        num_selected: Number of experts that a gate selects at most, see `SelectingGate`; None: softmax gates.
        entropy: Factor of the penalty of gates that select.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> [h.shape.as_list() for h in MultiGateMixture(num_tasks=2, num_experts=3, units=[8, 4])(tf.ones([5, 6]))]
        [[5, 4], [5, 4]]
    """

    def __init__(
        self,
        num_tasks: int,
        num_experts: int,
        units: Sequence[int],
        dropout: float = 0.0,
        l2: float = 0.0,
        num_selected: int | None = None,
        entropy: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.num_tasks, self.num_experts = num_tasks, num_experts
        self.units, self.dropout, self.l2 = [int(width) for width in units], dropout, l2
        self.experts = [MLP(units, dropout=dropout, l2=l2, name=f"expert_{e}") for e in range(num_experts)]
        self.num_selected, self.entropy = num_selected, entropy
        self.gates = [self._gate(f"gate_{task}") for task in range(num_tasks)]
        self.mark = SharedRepresentation(name="representation")

    def _gate(self, name: str) -> Gate | SelectingGate:
        if self.num_selected is None:
            return Gate(self.num_experts, name=name)
        return SelectingGate(self.num_experts, self.num_selected, entropy=self.entropy, name=name)

    def build(self, input_shape: Any) -> None:
        """Makes the variables for inputs [B, D]."""
        shape = tuple(input_shape)
        for expert in self.experts:
            expert.build(shape)
        for gate in self.gates:
            gate.build((shape, [(shape[0], self.units[-1])] * self.num_experts))
        super().build(input_shape)

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> list[tf.Tensor]:
        """Maps [B, D] to T tensors [B, units[-1]]."""
        experts = self.mark(tf.stack([expert(inputs, training=training) for expert in self.experts]))
        looked_at = self.mark(inputs)
        shares = [gate.shares(looked_at) for gate in self.gates]
        mixtures = [mix(of_task, experts) for of_task in shares]
        representation = (
            current_representation()
        )  # no walrus: AutoGraph, by which Keras 2 runs layers, does not know it
        if representation is not None:
            representation.only_mixed(experts, shares, mixtures)
        return mixtures

    def compute_output_shape(self, input_shape: Any) -> Any:
        """See Keras."""
        return [(*tuple(input_shape)[:1], self.units[-1])] * self.num_tasks

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "num_tasks": self.num_tasks,
            "num_experts": self.num_experts,
            "units": self.units,
            "dropout": self.dropout,
            "l2": self.l2,
            "num_selected": self.num_selected,
            "entropy": self.entropy,
        }
