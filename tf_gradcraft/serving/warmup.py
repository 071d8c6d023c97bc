"""Warm-up requests beside an export: a server runs them before it answers the first real one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tf_gradcraft.data_pipelines.schema import Schema
from tf_gradcraft.serving.encoding import missing_value
from tf_gradcraft.serving.examples import INPUT, make_examples
from tf_gradcraft.serving.ranking import Rank, optional_inputs
from tf_gradcraft.suggestions import unknown_name

FILE = "tf_serving_warmup_requests"
Inputs = dict[str, np.ndarray]


def warmup_columns(
    specs: Mapping[str, tf.TensorSpec], schema: Schema | None, given: Mapping[str, Sequence[Any]] | None
) -> Inputs:
    """Returns the rows that warm-up requests are made of, as columns.

    Args:
        specs: The inputs of `serving_default`.
        schema: The schema, or None for a model that has none.
        given: `{input: values}` of equal lengths. An input that is left out is missing in every row; for a model
            without schema it is 0 or the empty string. None for one such row.

    Raises:
        ValueError: If a name is not known, lengths differ, there is no row or a value does not fit its dtype.
    """
    given = {} if given is None else dict(given)
    for name in given:
        if name not in specs:
            raise ValueError(unknown_name("warmup input", name, specs))
    lengths = {name: len(values) for name, values in given.items()}
    if len(set(lengths.values())) > 1 or 0 in lengths.values():
        raise ValueError(f"warmup must hold as many values of each input, at least 1; it holds {lengths}")
    rows = next(iter(lengths.values()), 1)
    columns = {}
    for name, spec in specs.items():
        if name in given:
            columns[name] = _as_array(given[name], spec)
            continue
        shape = [rows, *(size or 1 for size in spec.shape[1:])]
        value = missing_value(schema.feature(name), schema) if schema else ("" if spec.dtype == tf.string else 0)
        columns[name] = np.full(shape, value, object if spec.dtype == tf.string else spec.dtype.as_numpy_dtype)
    return columns


def _as_array(values: Sequence[Any], spec: tf.TensorSpec) -> np.ndarray:
    try:
        if spec.dtype == tf.string:
            if not all(isinstance(value, str | bytes) for value in np.asarray(values, object).ravel()):
                raise TypeError("give str or bytes")
            return np.asarray(values, object)
        array = np.asarray(values)
        return array.astype(spec.dtype.as_numpy_dtype, casting="same_kind" if array.dtype.kind == "f" else "unsafe")
    except (ValueError, TypeError) as error:
        raise ValueError(f"warmup: the values of {spec.name!r} are no {spec.dtype.name} ({error})") from error


def default_inputs(columns: Inputs) -> Inputs:
    """Returns the inputs of a request to `serving_default`: the rows as they are."""
    return columns


def examples_inputs(columns: Inputs, schema: Schema) -> Inputs:
    """Returns the inputs of a request to `serving_examples` with these rows."""
    return {INPUT: np.array(make_examples(columns, schema), object)}


def rank_inputs(columns: Inputs, schema: Schema, settings: Rank) -> Inputs:
    """Returns the inputs of a request to `rank`: the request of the first row, with all rows as its candidates.

    The inputs that a request may leave out are there too: older servers want them.

    Args:
        columns: The rows.
        schema: The schema with sides.
        settings: The settings of the signature, for the weights.
    """
    sides = {name: schema.side(name) for name in columns}
    inputs = {name: values[:1] if sides[name] == "request" else values[None] for name, values in columns.items()}
    return inputs | {name: values.numpy() for name, values in optional_inputs(schema, settings).items()}


def write_warmup(folder: Path, model: str, requests: Mapping[str, Inputs]) -> Path:
    """Writes requests in the form that TensorFlow Serving reads: a TFRecord file of `PredictionLog` protos.

    Args:
        folder: The folder `assets.extra` of an export.
        model: Name of the model, for the requests' `model_spec`.
        requests: The inputs of one request for each signature.

    Returns:
        The path of the file.
    """
    from tensorflow_serving.apis import prediction_log_pb2

    path = folder / FILE
    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature, inputs in requests.items():
            log = prediction_log_pb2.PredictionLog()
            request = log.predict_log.request
            request.model_spec.name, request.model_spec.signature_name = model, signature
            for name, values in inputs.items():
                request.inputs[name].CopyFrom(tf.make_tensor_proto(values))
            writer.write(log.SerializeToString())
    return path


def read_warmup(export: Path) -> list[tuple[str, Inputs]]:
    """Returns signature and inputs of each warm-up request of an export; none if it has no such file."""
    from tensorflow_serving.apis import prediction_log_pb2

    path = Path(export) / "assets.extra" / FILE
    if not path.is_file():
        return []
    requests = []
    for record in tf.data.TFRecordDataset([str(path)]).as_numpy_iterator():
        request = prediction_log_pb2.PredictionLog.FromString(record).predict_log.request
        inputs = {name: tf.make_ndarray(proto) for name, proto in request.inputs.items()}
        requests.append((request.model_spec.signature_name, inputs))
    return requests
