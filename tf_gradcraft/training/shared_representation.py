"""The layer that marks the shared representation of a model, and what finds it in a training step."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import tensorflow as tf
from tensorflow import keras

from tf_gradcraft.gradients import Representation

# Replicas of `tf.distribute` trace their steps in threads of their own.
_forward_pass = threading.local()


@keras.utils.register_keras_serializable("tf_gradcraft")
class SharedRepresentation(keras.layers.Layer):
    """Marks a tensor as shared representation, or as a part of it; hands it on as it is.

    With `compile(balance_over="representation")` the training step takes the Gram matrix of the tasks' gradients with
    respect to everything that a model has marked, instead of with respect to the shared variables: no task needs a
    backward pass of its own through what lies below. Then one backward pass of the weighted loss gives all gradients.

    Mark what all tasks take from the shared part of the network: together the marks should cut each way from a shared
    variable to a task once. The marks of a mixture of experts are the experts' outputs and the input as the tasks'
    gates see it; a mark acts for what takes the *marked* tensor, so hand on what the layer returns.

    Args:
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> inputs = keras.Input((4,))
        >>> hidden = SharedRepresentation()(keras.layers.Dense(8)(inputs))
        >>> outputs = {task: keras.layers.Dense(1)(hidden) for task in ("click", "like")}
        >>> keras.Model(inputs, outputs)(tf.ones([2, 4]))["like"].shape
        TensorShape([2, 1])
    """

    def __init__(self, **kwargs: Any) -> None:
        # Casting would hand on something else, and twice so what stands twice in a structure.
        super().__init__(autocast=False, **kwargs)

    def call(self, inputs: Any) -> Any:
        """Returns the inputs, a tensor or a structure of tensors, marked; what stands in it twice is marked once."""
        representation = current_representation()
        if representation is None:
            return inputs
        marked: dict[int, tf.Tensor] = {}
        for tensor in tf.nest.flatten(inputs):
            if id(tensor) not in marked:
                marked[id(tensor)] = representation.mark(tensor)
        return tf.nest.map_structure(lambda tensor: marked[id(tensor)], inputs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """See Keras."""
        return input_shape


def current_representation() -> Representation | None:
    """Returns where the forward pass of this thread records what is marked, or None if nothing looks at it."""
    return getattr(_forward_pass, "representation", None)


@contextmanager
def recording_representation() -> Iterator[Representation]:
    """Records what the forward pass in this block marks."""
    outer = current_representation()
    with Representation.recording() as representation:
        _forward_pass.representation = representation
        try:
            yield representation
        finally:
            _forward_pass.representation = outer
