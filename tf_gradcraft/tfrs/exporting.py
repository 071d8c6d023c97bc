"""TensorFlow Recommenders models as SavedModels for TensorFlow Serving: named inputs and outputs, no labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from tf_gradcraft.serving.contract import broken_promises
from tf_gradcraft.serving.versions import check_version, write_version

DEFAULT, RETRIEVE = "serving_default", "retrieve"
Specs = Mapping[str, Any]


def export(
    model: tf.Module,
    directory: str | Path,
    inputs: Specs,
    *,
    predict: Callable[[dict[str, tf.Tensor]], Mapping[str, tf.Tensor]] | None = None,
    index: Any = None,
    query: Specs | None = None,
    version: int | None = None,
) -> Path:
    """Writes a model as a SavedModel that TensorFlow Serving loads: `directory/<version>/saved_model.pb`.

    Signatures:

    - `serving_default`: takes `inputs` by name and returns what `predict` returns by name. Only what you name goes in;
      what no output depends on, such as a label, is refused.
    - `retrieve`, if there is an index: takes `query` by name, and returns the best candidates, `identifiers` [B, K]
      and `scores` [B, K], best first.

    The graph holds TensorFlow operations only, the vocabularies of look-up layers included. Metrics, tasks and the
    optimizer are not in it.

    Args:
        model: A `BalancedModel`, or another `tfrs.Model`, that has been trained or loaded.
        directory: Where the versions of this model are; made if needed.
        inputs: `{feature: dtype}`, each of shape [B]; or a `tf.TensorSpec` whose first dimension is open.
        predict: Maps `{feature: tensor}` to `{output: tensor}`; by default the model itself, whose `call` must then
            return such a dict.
        index: A top-K layer of TensorFlow Recommenders, such as `BruteForce(query_model)`, that was filled.
        query: `{feature: dtype}` of the index's query model. A single feature is handed over as a tensor, several as a
            dict.
        version: Number of the version; by default one more than the largest in the directory.

    Returns:
        The path of the version.

    Raises:
        ValueError: If the outputs have no names, an input is not used, an index has no query, or the leading dimension
            of an input or output is not open.
        FileExistsError: If the version exists; it is left as it is.
    """
    check_version(version)
    if (index is None) != (query is None):
        raise ValueError("give an index and the query that it takes, query={feature: dtype}, or neither of them")
    signatures = {DEFAULT: _traced(predict or _call(model), inputs, DEFAULT)}
    if index is not None and query is not None:
        signatures[RETRIEVE] = _traced(_retrieve(index), query, RETRIEVE)
    served = tf.Module(name="served")
    # Not the model itself: with it Keras would save tasks, metrics and what was fed in training.
    served.parameters = list({id(v): v for function in signatures.values() for v in function.variables}.values())
    served.tables = _tables(model) + _tables(index)

    def write(path: Path) -> None:
        tf.saved_model.save(served, str(path), signatures=signatures)
        if wrong := broken_promises(path):
            raise ValueError(f"this is no export that can be served: {'; '.join(wrong)}")

    return write_version(Path(directory), version, write)


def _call(model: Any) -> Callable[[dict[str, tf.Tensor]], Any]:
    return lambda features: model(features, training=False)


def _retrieve(index: Any) -> Callable[[dict[str, tf.Tensor]], dict[str, tf.Tensor]]:
    def retrieve(features: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        (single, *more) = features.values()
        scores, identifiers = index(features if more else single)
        return {"scores": scores, "identifiers": identifiers}

    return retrieve


def _traced(function: Callable[[dict[str, tf.Tensor]], Any], inputs: Specs, signature: str) -> Any:
    """Returns a concrete function with an argument for each input."""
    if not inputs:
        raise ValueError(f"{signature} needs at least one input")
    specs = {
        name: tf.TensorSpec(spec.shape, spec.dtype, name=name)
        if isinstance(spec, tf.TensorSpec)
        else tf.TensorSpec([None], tf.as_dtype(spec), name=name)
        for name, spec in inputs.items()
    }

    def call(**features: tf.Tensor) -> dict[str, tf.Tensor]:
        outputs = function(dict(features))
        if not isinstance(outputs, Mapping):
            raise ValueError(
                f"{signature}: outputs need names, a dict {{name: tensor}}, got {type(outputs).__name__}; give "
                "predict=lambda features: {'rating': ...}"
            )
        return {name: tf.identity(output, name=name) for name, output in outputs.items()}

    traced = tf.function(call).get_concrete_function(**specs)
    if unused := _unused(traced, list(specs)):
        raise ValueError(
            f"{signature}: no output depends on the input {', '.join(unused)}; leave it out (labels and weights are no "
            "inputs)"
        )
    return traced


def _unused(traced: Any, names: list[str]) -> list[str]:
    """Returns the names of the inputs that no output of a concrete function depends on."""
    open_operations = [output.op for output in traced.outputs]
    seen = set()
    while open_operations:
        operation = open_operations.pop()
        if operation.name not in seen:
            seen.add(operation.name)
            open_operations += [tensor.op for tensor in operation.inputs] + list(operation.control_inputs)
    _, arguments = traced.structured_input_signature
    given = dict(zip(sorted(arguments), traced.inputs, strict=False))
    return [name for name in names if given[name].op.name not in seen]


def _tables(root: Any) -> list[Any]:
    """Returns the look-up tables of a model, which a SavedModel must hold by themselves."""
    if root is None:
        return []
    members = tf.train.TrackableView(root).descendants()
    holders = [vars(member).get("lookup_table") for member in members if isinstance(member, tf.Module)]
    return [m for m in [*members, *holders] if isinstance(m, tf.saved_model.experimental.TrackableResource)]
