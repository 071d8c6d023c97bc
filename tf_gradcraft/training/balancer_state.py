"""What a balancer remembers between steps, as variables that are saved with the model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

KEY_PREFIX = "balancer_"


class BalancerState(tf.Module):
    """Variables for the state of a balancer.

    They are made when the number of parts is known: in the first training step, or when a saved model is read. A
    `tf.train.Checkpoint` finds them here; Keras files get them through `save` and `load`.
    """

    def __init__(self) -> None:
        super().__init__(name="balancer_state")
        self.variables_by_name: dict[str, tf.Variable] = {}

    def ensure(self, initial: Mapping[str, tf.Tensor]) -> None:
        """Makes the variables, unless variables of these names and shapes are there already.

        Args:
            initial: What `Balancer.init` returned.
        """
        wanted = {name: (tuple(value.shape), value.dtype) for name, value in initial.items()}
        present = {name: (tuple(value.shape), value.dtype) for name, value in self.variables_by_name.items()}
        if wanted != present:
            self._make(initial)

    def tensors(self) -> dict[str, tf.Tensor]:
        """Returns the state as `Balancer.weights` takes it."""
        return {name: tf.convert_to_tensor(variable) for name, variable in self.variables_by_name.items()}

    def assign(self, state: Mapping[str, tf.Tensor], keep: tf.Tensor) -> None:
        """Takes over a new state, or the part of it that is given, where `keep` (a bool scalar) is true."""
        for name, value in state.items():
            variable = self.variables_by_name[name]
            variable.assign(tf.where(keep, value, variable))

    def save(self, store: Any) -> None:
        """Writes the state into a Keras variable store."""
        for name, variable in self.variables_by_name.items():
            store[KEY_PREFIX + name] = variable.numpy()

    def load(self, store: Any) -> dict[str, Any]:
        """Reads the state from a Keras variable store and returns the entries that are not the balancer's."""
        keys = [key for key in store.keys() if key.startswith(KEY_PREFIX)]  # noqa: SIM118 (an H5 entry has only keys())
        if keys:
            self._make({key.removeprefix(KEY_PREFIX): np.asarray(store[key]) for key in keys})
        return {key: store[key] for key in store.keys() if key not in keys}  # noqa: SIM118

    def _make(self, values: Mapping[str, Any]) -> None:
        aggregation = tf.VariableAggregation.ONLY_FIRST_REPLICA
        if self.variables_by_name:
            self.variables_by_name = {}
        # Put into the dict that is there: a restored checkpoint waits for its variables.
        for name, value in values.items():
            self.variables_by_name[name] = tf.Variable(value, trainable=False, name=name, aggregation=aggregation)
