"""Smaller embedding tables: what they hold, what they cost, what stays exact."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from preparing import encoded_by_numpy
from served import assert_equal_predictions

import tf_gradcraft as gc
from tf_gradcraft.models.embeddings import FeatureEmbeddings


def stored_variables(path):
    """`{name: (dtype, shape)}` of everything in the export's checkpoint."""
    reader = tf.train.load_checkpoint(str(path / "variables" / "variables"))
    dtypes = reader.get_variable_to_dtype_map()
    return {name: (dtypes[name].name, shape) for name, shape in reader.get_variable_to_shape_map().items()}


def rounded_by_numpy(values, tables):
    """The table after rounding: bfloat16 as the upper half of float32's bits, int8 by rows."""
    if tables == "bfloat16":
        bits = values.view(np.uint32).astype(np.uint64)
        bits += 0x7FFF + ((bits >> 16) & 1)  # to nearest, ties to even
        return (bits & 0xFFFF0000).astype(np.uint32).view(np.float32)
    scale = np.abs(values).max(axis=1, keepdims=True) / 127
    return (np.rint(values / scale) * scale).astype(np.float32)


@pytest.mark.parametrize("tables", ["bfloat16", "int8"])
@pytest.mark.quick("int8")
def test_predictions_are_those_of_a_model_with_rounded_tables(model, schema, raw, runtime, tmp_path, tables):
    path = gc.serving.export(model, tmp_path, tables=tables)
    found = runtime.load(path).run("serving_default", raw)
    weights = model.get_weights()
    [at] = [number for number, weight in enumerate(model.weights) if "embeddings" in weight.path]
    rounded = type(model).from_config(model.get_config())
    rounded.set_weights([*weights[:at], rounded_by_numpy(weights[at], tables), *weights[at + 1 :]])
    expected = rounded.predict(encoded_by_numpy(schema, raw), batch_size=4096, verbose=0)
    assert_equal_predictions(found, expected)
    exact = model.predict(encoded_by_numpy(schema, raw), batch_size=4096, verbose=0)
    assert 1e-5 < np.abs(exact["click"] - expected["click"]).max() < 0.05
    for before, after in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after, err_msg="the model itself must stay as it was")


@pytest.mark.parametrize("tables", ["float32", "bfloat16", "int8"])
@pytest.mark.quick("bfloat16")
def test_the_export_holds_the_table_once_in_its_type(model, tmp_path, tables):
    path = gc.serving.export(model, tmp_path, tables=tables)
    [layer] = [layer for layer in model.layers if isinstance(layer, FeatureEmbeddings)]
    shape = list(layer.embeddings.shape)
    found = [dtype for dtype, stored in stored_variables(path).values() if stored == shape]
    assert found == [tables], stored_variables(path)


def test_unknown_types_and_models_without_tables_are_refused(model, tmp_path):
    with pytest.raises(ValueError, match="tables='bfloat' is not known; did you mean 'bfloat16'"):
        gc.serving.export(model, tmp_path, tables="bfloat")
    age = keras.Input((1,), name="age")
    plain = keras.Model(age, {"click": keras.layers.Dense(1)(age)})
    with pytest.raises(ValueError, match="needs a model that was built from a schema with categorical features"):
        gc.serving.export(plain, tmp_path, tables="int8")
