"""The proof that an export runs where it is served: contract, C runtime, and the same predictions as Keras."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tf_gradcraft.data_pipelines.feature import MISSING, PADDING
from tf_gradcraft.data_pipelines.schema import Feature, Schema
from tf_gradcraft.data_pipelines.vocabulary import cross_codes
from tf_gradcraft.serving.contract import broken_promises
from tf_gradcraft.serving.ranking import Rank
from tf_gradcraft.serving.runtime import CRuntimeError, LoadedExport, Runtime
from tf_gradcraft.serving.warmup import rank_inputs, read_warmup

TOLERANCE = 1e-6
Columns = dict[str, np.ndarray]


@dataclasses.dataclass
class Checked:
    """What was found out about one signature.

    Args:
        signature: Its name.
        rows: Rows of the largest request that was run.
        seconds: Time of that request in TensorFlow.
        difference: Largest difference from the Keras model's predictions, None if there was no model to compare with.
    """

    signature: str
    rows: int
    seconds: float
    difference: float | None = None


def check(path: str | Path, model: Any = None, rows: int = 1000, seed: int = 0) -> tuple[float, list[Checked]]:
    """Loads an export through TensorFlow's C API, in a process without tensorflow, keras and this package, and runs it.

    Args:
        path: A version of an export, the folder with `saved_model.pb`.
        model: The model that was exported, built from a schema, to compare predictions with; None to only run the
            warm-up requests.
        rows: Number of random rows to compare; a fifth of their ids are unknown, a fifth of their numbers missing.
        seed: Seed of the rows.

    Returns:
        The seconds that loading took, and what was found out about each signature.

    Raises:
        ValueError: If the export breaks its contract, does not load, has a signature that was not run, gives a number
            that is not finite, or predicts otherwise than the model.
        FileNotFoundError: If there is no export, or TensorFlow's library is not there.
    """
    path = Path(path)
    if model is not None and not isinstance(getattr(model, "schema", None), Schema):
        raise ValueError(f"check compares with a model that was built from a schema, got {type(model).__name__}")
    if wrong := broken_promises(path):
        raise ValueError(f"{path} breaks the contract of an export: {'; '.join(wrong)}")
    with Runtime() as runtime:
        try:
            loaded = runtime.load(path)
            found = {signature: _run(loaded, signature, inputs) for signature, inputs in read_warmup(path)}
            if model is not None:
                for signature, columns, expected in comparisons(loaded, model, rows, np.random.default_rng(seed)):
                    found[signature] = _run(loaded, signature, columns, expected)
        except CRuntimeError as error:
            raise ValueError(f"{path} does not run in TensorFlow's C runtime: {error}") from error
    if left := sorted(set(loaded.signatures) - set(found)):
        raise ValueError(f"{path} has no warm-up request for {', '.join(left)}, so it was not run; export again")
    return loaded.seconds, list(found.values())


def _run(loaded: LoadedExport, signature: str, inputs: Columns, expected: Columns | None = None) -> Checked:
    outputs, (_, seconds) = loaded.timed_run(signature, inputs)
    for name, values in outputs.items():
        if not np.isfinite(values).all():
            raise ValueError(f"{signature}: the output {name!r} holds numbers that are not finite")
    checked = Checked(signature, max(values.size for values in inputs.values()), seconds)
    if expected is not None:
        differences = {name: float(np.abs(outputs[name] - values).max()) for name, values in expected.items()}
        worst = max(differences, key=lambda name: differences[name])
        checked.difference = differences[worst]
        if not checked.difference <= TOLERANCE:
            raise ValueError(
                f"{signature}: the output {worst!r} differs from the model's by {differences[worst]:.2g} (allowed: "
                f"{TOLERANCE:g}); is this the model that was exported, with float32 tables?"
            )
    return checked


def comparisons(
    loaded: LoadedExport, model: Any, rows: int, random: np.random.Generator
) -> Iterator[tuple[str, Columns, Columns]]:
    """Yields for each signature of an export the inputs of a request, and what Keras predicts for it."""
    from tf_gradcraft.serving.examples import INPUT, make_examples

    schema: Schema = model.schema
    raw = random_rows(schema, rows, random)

    def predict(columns: Columns) -> Columns:
        return model.predict(encode_rows(schema, columns), batch_size=4096, verbose=0)

    plain = predict(raw)
    yield "serving_default", raw, plain
    if "serving_examples" in loaded.signatures:
        yield "serving_examples", {INPUT: np.array(make_examples(raw, schema), object)}, plain
    if "rank" in loaded.signatures:
        shapes = {name: info.shape for name, info in loaded.signatures["rank"].inputs.items()}
        sided = [
            dataclasses.replace(
                feature, side="candidate" if len(shapes[feature.name]) == 2 + feature.listed else "request"
            )
            if feature.raw
            else feature
            for feature in schema.features
        ]
        sided_schema = dataclasses.replace(schema, features=tuple(sided))
        drawn = random.normal(size=len(schema.tasks))
        # So that the score has the accuracy of the predictions.
        weights = dict(zip(schema.task_names, drawn / np.abs(drawn).sum(), strict=True))
        inputs = rank_inputs(raw, sided_schema, Rank(weights=weights))
        repeated = {
            name: np.repeat(values[:1], rows, axis=0) if sided_schema.side(name) == "request" else values
            for name, values in raw.items()
        }
        expected = {task: values.reshape(1, rows) for task, values in predict(repeated).items()}
        expected["score"] = np.sum([weight * expected[task] for task, weight in weights.items()], axis=0)
        yield "rank", inputs, expected


def random_rows(schema: Schema, rows: int, random: np.random.Generator) -> Columns:
    """Returns raw rows: ids of the vocabularies, a fifth of them unknown, and numbers, a fifth of them missing.

    Lists have from none to one more than the values that count.

    Example:
        >>> from tf_gradcraft.data_pipelines import Feature, Task
        >>> schema = Schema(features=[Feature(name="age", kind="numeric")], tasks=[Task(name="click")])
        >>> random_rows(schema, 4, np.random.default_rng(0))["age"].shape
        (4,)
    """
    from tf_gradcraft.serving.encoding import missing_value, unknown_value

    columns = {}
    for feature in schema.features:
        if not feature.raw:
            continue
        shape = [rows, 1 + feature.length] if feature.length else [rows]
        known = random.random(shape) < 0.8
        if feature.kind == "numeric":
            values = random.normal(feature.mean, feature.std, rows)
            values = np.sign(values) * np.expm1(np.abs(values)) if feature.transform == "log1p" else values
            columns[feature.name] = np.where(known, values, np.nan).astype("float32")
            continue
        listed = schema.feature(feature.of or feature.name)
        if listed.hashed:
            drawn = random.integers(1 << 40, size=shape)
            drawn = drawn.astype(str) if feature.dtype == "string" else drawn
        else:
            values = schema.vocabularies[listed.name].values
            drawn = random.choice(values, shape) if len(values) else np.zeros(shape, values.dtype)
            known &= bool(len(values))
        unknown = missing_value(listed, schema) if listed.hashed else unknown_value(listed, schema)
        columns[feature.name] = np.where(known, drawn, unknown)
        if feature.length:
            filling = np.arange(shape[1]) >= random.integers(shape[1] + 1, size=(rows, 1))
            columns[feature.name] = np.where(filling, MISSING[feature.dtype], columns[feature.name])
    return columns


def encode_rows(schema: Schema, raw: Columns) -> Columns:
    """Encodes raw rows as preparation does, in NumPy: what the graph must agree with."""
    encoded: Columns = {}

    def encode(name: str) -> np.ndarray:
        if name not in encoded:
            feature = schema.feature(name)
            if feature.kind == "numeric":
                encoded[name] = np.where(np.isfinite(raw[name]), raw[name], np.float32(feature.missing))
            elif feature.kind == "statistic":
                statistics = schema.vocabularies[str(feature.key)].statistics[name]
                encoded[name] = statistics[encode(str(feature.key))]
            elif feature.crosses:
                sizes = [schema.feature(part).size or 0 for part in feature.crosses]
                codes = cross_codes([encode(part) for part in feature.crosses], sizes)
                encoded[name] = encode_ids(schema, feature, codes)
            elif feature.length:
                ids = encode_ids(schema, schema.feature(feature.of or name), raw[name].ravel()).reshape(raw[name].shape)
                ids = np.where(raw[name] == MISSING[feature.dtype], PADDING, ids)[:, : feature.length]
                missing = max(0, feature.length - raw[name].shape[1])
                encoded[name] = np.pad(ids, [(0, 0), (0, missing)], constant_values=PADDING).astype("int32")
            else:
                encoded[name] = encode_ids(schema, feature, raw[name])
        return encoded[name]

    return {name: encode(name) for name in schema.feature_names}


def encode_ids(schema: Schema, feature: Feature, values: np.ndarray) -> np.ndarray:
    """Returns the int32 ids of raw values [n]: looked up in the feature's vocabulary, or hashed."""
    if not feature.hashed:
        return schema.vocabularies[feature.name].encode(values)
    import tensorflow as tf

    from tf_gradcraft.data_pipelines.hashing import hashed_ids

    return hashed_ids(tf.constant(values.tolist(), feature.dtype), feature.size or 0).numpy()
