"""Models as SavedModels for TensorFlow Serving."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from tf_gradcraft.data_pipelines.schema import SCHEMA_FILE, Schema
from tf_gradcraft.models.schema_model import SchemaModel
from tf_gradcraft.serving import warmup as warming
from tf_gradcraft.serving.encoding import FeatureEncoder
from tf_gradcraft.serving.examples import example_spec, parse_examples
from tf_gradcraft.serving.ranking import Rank, rank_function, rank_specs
from tf_gradcraft.serving.served_model import ServedModel
from tf_gradcraft.serving.signatures import model_function, model_specs
from tf_gradcraft.serving.tables import check_tables
from tf_gradcraft.serving.versions import check_version, write_version
from tf_gradcraft.suggestions import unknown_name

DEFAULT, EXAMPLES, RANK = "serving_default", "serving_examples", "rank"
SIGNATURES = (DEFAULT, EXAMPLES, RANK)
EXTRA_ASSETS = "assets.extra"


class Endpoint(NamedTuple):
    """One signature: its function, the specs of the function's arguments, and the inputs of a warm-up request."""

    function: Callable[..., dict[str, tf.Tensor]]
    specs: list[Any]
    warmup: warming.Inputs


def export(
    model: keras.Model,
    directory: str | Path,
    version: int | None = None,
    warmup: Mapping[str, Sequence[Any]] | None = None,
    signatures: Iterable[str | Rank] | None = None,
    tables: str = "float32",
) -> Path:
    """Writes a model as a SavedModel that TensorFlow Serving loads: `directory/<version>/saved_model.pb`.

    Signatures of a model that was built from a schema (`SharedBottom`, `MMoE`, `PLE`):

    - `serving_default`: the *raw* features, one input each by name, of shape [B] and dtype int64, string or float32;
      tags and histories [B, any], filled up with `""` or the smallest int64. Returns each task's prediction [B, 1] by
      name; of a multi-class task the probabilities [B, C].
    - `serving_examples`: `examples`, serialized `tf.train.Example` protos [B]; features that a proto does not have are
      missing. Returns the same.
    - `rank`: the features of user and context [B] and of the candidates [B, N] (lists have one dimension more),
      optional weights of the tasks. Returns each task's predictions, the combined score and the best candidates, see
      `tf_gradcraft.serving.ranking`.
      Written if the schema says which features belong to a candidate (`Feature.side`), or `signatures` does, and each
      task has one score: not with a multi-class task.

    Vocabularies, crosses and statistics are looked up inside the graph. A value that training did not know has id 0, as
    in preparation; so has any stand-in for a missing id that the log does not have. A number that is missing (not
    finite) becomes what preparation put in its place, `Feature.missing`.

    Any other functional Keras model gets `serving_default` alone, with the model's own inputs and outputs by name.

    Labels and the group key are in no signature. The graph holds TensorFlow operations only: neither Keras nor this
    package is needed to serve it. Beside it, in `assets.extra`, lie the schema and one warm-up request a signature,
    which the server runs when it loads the version.

    A version is written aside and renamed into place when it is complete: a server that watches the directory sees
    all of it or nothing. An interrupted export leaves nothing behind.

    Args:
        model: A functional Keras model with named inputs and outputs, such as those of `tf_gradcraft.models` or a
            `MultiTaskModel(inputs=..., outputs=...)`.
        directory: Where the versions of this model are; made if needed.
        version: Number of the version, at least 1; by default one more than the largest in the directory.
        warmup: Rows for the warm-up requests, `{input of serving_default: values}`; an input that is left out is
            missing in every row. By default one row of missing values.
        signatures: Which signatures to write: names, and `Rank(...)` for `rank` with settings. `serving_default` is
            always there. By default all that the schema permits.
        tables: Type of the embedding tables in the export: `"float32"`, `"bfloat16"` or `"int8"`, see
            `tf_gradcraft.serving.tables`.

    Returns:
        The path of the version, `directory/<version>`.

    Raises:
        ValueError: If the model is not built, its inputs are not known or not named, its schema lacks vocabularies or
            does not permit a signature, warm-up rows do not fit, or the version is not an integer of at least 1.
        FileExistsError: If the version exists; it is left as it is.
        NotADirectoryError: If `directory` is a file.

    Example:
        >>> import tempfile
        >>> import tf_gradcraft as gc
        >>> age = keras.Input((), name="age")
        >>> hidden = keras.layers.Dense(4)(keras.ops.expand_dims(age, -1))
        >>> outputs = {task: keras.layers.Dense(1, activation="sigmoid")(hidden) for task in ("click", "like")}
        >>> model = gc.MultiTaskModel(inputs={"age": age}, outputs=outputs)
        >>> path = export(model, tempfile.mkdtemp())
        >>> path.name
        '1'
        >>> served = tf.saved_model.load(path).signatures["serving_default"]
        >>> predictions = served(age=tf.constant([20.0, 30.0, 40.0]))
        >>> {task: tuple(values.shape) for task, values in sorted(predictions.items())}
        {'click': (3, 1), 'like': (3, 1)}
    """
    check_version(version)
    if not isinstance(model, keras.Model):
        raise ValueError(f"export takes a Keras model, got {type(model).__name__}")
    if not model.built:
        raise ValueError(f"the model {model.name!r} is not built: call it, or fit it, once before the export")
    wanted = wanted_signatures(signatures)
    schema = model.schema if isinstance(model, SchemaModel) else None
    check_tables(tables, has_tables=schema is not None and any(f.embedded for f in schema.features))
    encoder = None if schema is None else FeatureEncoder(schema)
    if schema is not None and encoder is not None:
        endpoints = schema_endpoints(schema, encoder, ServedModel(model, tables), wanted, warmup)
    else:
        endpoints = plain_endpoints(model, wanted, warmup)

    def write(path: Path) -> None:
        archive = keras.export.ExportArchive()
        # Variables that a signature uses are found by themselves, look-up tables are not. Tracking a Keras model stores
        # each of its variables twice, so that is left to models whose layers may have look-up tables of their own.
        archive.track(model if encoder is None else encoder)
        for name, endpoint in endpoints.items():
            archive.add_endpoint(name, endpoint.function, endpoint.specs)
        archive.write_out(str(path), verbose=False)
        extra = path / EXTRA_ASSETS
        extra.mkdir()
        requests = {name: endpoint.warmup for name, endpoint in endpoints.items()}
        warming.write_warmup(extra, Path(directory).name, requests)
        if schema is not None:
            (extra / SCHEMA_FILE).write_text(json.dumps(schema.to_dict(), indent=1) + "\n", encoding="utf-8")

    return write_version(Path(directory), version, write)


def wanted_signatures(signatures: Iterable[str | Rank] | None) -> dict[str, Rank | None] | None:
    """Returns the wanted signatures by name, `rank` with its settings; None for all that are possible.

    Example:
        >>> wanted_signatures(["serving_examples", "rank"])
        {'serving_examples': None, 'rank': Rank(candidate=None, weights={}, top_k=100)}
    """
    if signatures is None:
        return None
    wanted: dict[str, Rank | None] = {}
    for signature in [signatures] if isinstance(signatures, str | Rank) else signatures:
        if isinstance(signature, Rank):
            wanted[RANK] = signature
        elif signature not in SIGNATURES:
            raise ValueError(unknown_name("signature", signature, SIGNATURES))
        else:
            wanted[signature] = Rank() if signature == RANK else None
    return wanted


def schema_endpoints(
    schema: Schema,
    encoder: FeatureEncoder,
    served: ServedModel,
    wanted: dict[str, Rank | None] | None,
    rows: Mapping[str, Sequence[Any]] | None,
) -> dict[str, Endpoint]:
    """Returns the endpoints of a model that was built from a schema.

    Args:
        schema: The schema, with vocabularies.
        encoder: Its encoder.
        served: The model.
        wanted: The wanted signatures, or None for all that the schema permits.
        rows: Rows for the warm-up requests.
    """

    def predict_raw(raw: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return served.predict(encoder(raw))

    def predict_examples(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        return predict_raw(parse_examples(examples, schema))

    columns = warming.warmup_columns(encoder.specs(), schema, rows)
    endpoints = {DEFAULT: Endpoint(predict_raw, [encoder.specs()], columns)}
    if wanted is None or EXAMPLES in wanted:
        endpoints[EXAMPLES] = Endpoint(predict_examples, [example_spec()], warming.examples_inputs(columns, schema))
    has_sides = len({schema.side(name) for name in columns}) == 2
    has_scores = all(task.outputs == 1 for task in schema.tasks)
    settings = (wanted or {}).get(RANK) or (Rank() if wanted is None and has_sides and has_scores else None)
    if settings is not None:
        sided = settings.sided(schema)
        function = rank_function(encoder, served.split(sided), sided, settings)
        request = warming.rank_inputs(columns, sided, settings)
        endpoints[RANK] = Endpoint(function, rank_specs(encoder, sided), request)
    return endpoints


def plain_endpoints(
    model: keras.Model,
    wanted: dict[str, Rank | None] | None,
    rows: Mapping[str, Sequence[Any]] | None,
) -> dict[str, Endpoint]:
    """Returns the one endpoint of a model that has no schema; see `schema_endpoints` for the arguments."""
    if further := sorted(set(wanted or ()) - {DEFAULT}):
        raise ValueError(
            f"the signature {', '.join(further)} needs a model that was built from a schema, which says what a feature "
            f"is and what stands for a missing one; {model.name!r} has {DEFAULT} alone"
        )
    specs = model_specs(model)
    return {DEFAULT: Endpoint(model_function(model), [specs], warming.warmup_columns(specs, None, rows))}
