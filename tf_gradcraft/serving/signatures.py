"""What an exported model takes and returns, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import tensorflow as tf

UNNAMED = "keras_tensor"
"""How Keras starts the name of an input that was given none."""


def model_specs(model: keras.Model) -> dict[str, tf.TensorSpec]:
    """Returns the inputs of a functional model by name, with dtype and shape [None, ...].

    Raises:
        ValueError: If the model has no known inputs, or one that has no name.

    Example:
        >>> inputs = {"age": keras.Input((1,), name="age"), "tag": keras.Input((), dtype="int32", name="tag")}
        >>> model = keras.Model(inputs, {"click": keras.layers.Dense(1)(inputs["age"])})
        >>> model_specs(model)["age"]
        TensorSpec(shape=(None, 1), dtype=tf.float32, name='age')
    """
    inputs = named_inputs(model)
    return {
        name: tf.TensorSpec([None, *tensor.shape[1:]], keras.backend.standardize_dtype(tensor.dtype), name)
        for name, tensor in inputs.items()
    }


def named_inputs(model: keras.Model) -> dict[str, Any]:
    """Returns the symbolic inputs of a functional model by name; see `model_specs` for errors."""
    structure = getattr(model, "_inputs_struct", None)
    if structure is None:
        raise ValueError(
            f"the inputs of {model.name!r} are not known: it is no functional model. Wrap it in one: inputs = "
            "{'age': keras.Input((), name='age'), ...}; MultiTaskModel(inputs=inputs, outputs=model(inputs))"
        )
    if isinstance(structure, Mapping):
        return dict(structure)
    tensors = keras.tree.flatten(structure)
    if unnamed := [tensor.name for tensor in tensors if tensor.name.startswith(UNNAMED)]:
        raise ValueError(
            f"{len(unnamed)} of the {len(tensors)} inputs of {model.name!r} have no name, which a request needs: "
            "give each one, keras.Input(..., name='age')"
        )
    return {tensor.name: tensor for tensor in tensors}


def model_function(model: keras.Model) -> Callable[[Mapping[str, tf.Tensor]], dict[str, tf.Tensor]]:
    """Returns the model in inference mode as a function from inputs by name to outputs by name."""
    names = list(named_inputs(model))
    structure = model._inputs_struct

    def predict(features: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        given = features
        if not isinstance(structure, Mapping):
            given = keras.tree.pack_sequence_as(structure, [features[name] for name in names])
        return by_name(model(given, training=False), model.output_names)

    return predict


def by_name(outputs: Any, names: list[str]) -> dict[str, tf.Tensor]:
    """Returns outputs as a dict; those of a model without named outputs go by the names of its output layers.

    Example:
        >>> by_name([1, 2], ["click", "like"])
        {'click': 1, 'like': 2}
    """
    if isinstance(outputs, Mapping):
        return dict(outputs)
    return dict(zip(names, keras.tree.flatten(outputs), strict=True))
