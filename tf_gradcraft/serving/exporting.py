"""Models as SavedModels for TensorFlow Serving."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import keras
import tensorflow as tf

from tf_gradcraft.data_pipelines.schema import SCHEMA_FILE
from tf_gradcraft.models.schema_model import SchemaModel
from tf_gradcraft.serving.encoding import FeatureEncoder
from tf_gradcraft.serving.signatures import model_function, model_specs
from tf_gradcraft.serving.versions import check_version, write_version

SIGNATURE = "serving_default"
EXTRA_ASSETS = "assets.extra"


def export(model: keras.Model, directory: str | Path, version: int | None = None) -> Path:
    """Writes a model as a SavedModel that TensorFlow Serving loads: `directory/<version>/saved_model.pb`.

    Its signature is `serving_default`. For a model that was built from a schema (`SharedBottom`, `MMoE`, `PLE`) it
    takes the *raw* features, one input each by name, of shape [None] and dtype int64, string or float32; vocabularies,
    crosses and statistics are looked up inside the graph. A value that training did not know has id 0, as in
    preparation; so has "" or any other stand-in for a missing id that the log does not have. A number that is missing
    must be filled in by the caller: NaN in, NaN out. The schema lies beside the graph in `assets.extra/schema.json`.

    For any other functional Keras model the signature takes the model's own inputs by name, with their dtypes and the
    shapes [None, ...].

    Outputs are the model's, one a task by name; [None, 1] each for a model built from a schema. Labels and the group
    key are in no signature. The graph holds TensorFlow operations only: neither Keras nor this package is needed to
    serve it.

    A version is written aside and renamed into place when it is complete: a server that watches the directory sees
    all of it or nothing. An interrupted export leaves nothing behind.

    Args:
        model: A functional Keras model with named inputs and outputs, such as those of `tf_gradcraft.models` or a
            `MultiTaskModel(inputs=..., outputs=...)`.
        directory: Where the versions of this model are; made if needed.
        version: Number of the version, at least 1; by default one more than the largest in the directory.

    Returns:
        The path of the version, `directory/<version>`.

    Raises:
        ValueError: If the model is not built, its inputs are not known or not named, its schema lacks vocabularies, or
            the version is not an integer of at least 1.
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
    specs, predict, encoder = serving_function(model)

    def write(path: Path) -> None:
        archive = keras.export.ExportArchive()
        archive.track(model)
        if encoder is not None:
            archive.track(encoder)
        archive.add_endpoint(SIGNATURE, predict, [specs])
        archive.write_out(str(path), verbose=False)
        if isinstance(model, SchemaModel):
            (path / EXTRA_ASSETS).mkdir()
            text = json.dumps(model.schema.to_dict(), indent=1) + "\n"
            (path / EXTRA_ASSETS / SCHEMA_FILE).write_text(text, encoding="utf-8")

    return write_version(Path(directory), version, write)


def serving_function(model):
    """Returns the input specs of a model's signature, its function, and the encoder that it uses (or None)."""
    predict = model_function(model)
    if not isinstance(model, SchemaModel):
        return model_specs(model), predict, None
    encoder = FeatureEncoder(model.schema)

    def predict_raw(raw: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return predict(encoder(raw))

    return encoder.specs(), predict_raw, encoder
