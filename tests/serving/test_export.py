"""Exports: what their signatures say, and that every loader gets the predictions of Keras."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from preparing import raw_test_rows
from served import (
    TOLERANCE,
    assert_equal_predictions,
    c_runtime,
    described,
    meta_graph,
    plain_reload,
    randomised,
    signature,
    v1_session,
)

import tf_gradcraft as gc
from tf_gradcraft.data_pipelines import Feature, Schema, Task, Vocabulary
from tf_gradcraft.models import PLE, SharedBottom
from tf_gradcraft.serving.contract import broken_promises
from tf_gradcraft.serving.runtime import CRuntimeError


def test_signature_names_dtypes_and_shapes(exported):
    assert described(signature(exported).inputs) == {
        "user_id": ("int64", [None]),
        "tag": ("string", [None]),
        "empty": ("string", [None]),
        "duration": ("float32", [None]),
        "age": ("float32", [None]),
    }
    assert described(signature(exported).outputs) == {"click": ("float32", [None, 1]), "like": ("float32", [None, 1])}
    assert signature(exported).method_name == "tensorflow/serving/predict"


def test_graph_holds_no_python_function(exported):
    graph = meta_graph(exported).graph_def
    operations = {node.op for node in graph.node} | {node.op for f in graph.library.function for node in f.node_def}
    assert "LookupTableFindV2" in operations
    assert not [name for name in operations if "Py" in name]


def test_schema_lies_beside_the_graph(exported, schema):
    text = (exported / "assets.extra" / "schema.json").read_text()
    assert Schema.from_dict(json.loads(text)) == schema


def test_contract_of_every_signature(exported):
    graph = meta_graph(exported)
    assert set(graph.signature_def) - {"__saved_model_init_op"} == {"serving_default", "serving_examples", "rank"}
    for name in ("serving_default", "serving_examples", "rank"):
        found = graph.signature_def[name]
        assert found.method_name == "tensorflow/serving/predict"
        for infos in (found.inputs, found.outputs):
            assert all(shape[0] is None for _, shape in described(infos).values()), name
    assert broken_promises(exported) == []


def test_signature_may_be_left_out_and_the_default_one_is_always_there(model, tmp_path):
    path = gc.serving.export(model, tmp_path, signatures=[])
    assert set(meta_graph(path).signature_def) - {"__saved_model_init_op"} == {"serving_default"}
    path = gc.serving.export(model, tmp_path, signatures="rank")
    assert set(meta_graph(path).signature_def) - {"__saved_model_init_op"} == {"serving_default", "rank"}
    with pytest.raises(ValueError, match="signature='ranks' is not known; did you mean 'rank'"):
        gc.serving.export(model, tmp_path, signatures=["ranks"])


def test_a_model_without_schema_has_one_signature(tmp_path):
    age = keras.Input((1,), name="age")
    model = keras.Model(age, {"click": keras.layers.Dense(1)(age)})
    with pytest.raises(ValueError, match="rank, serving_examples needs a model that was built from a schema"):
        gc.serving.export(model, tmp_path, signatures=["rank", "serving_examples"])
    assert broken_promises(gc.serving.export(model, tmp_path)) == []


def test_reload_in_a_process_with_tensorflow_only(exported, raw, expected):
    assert_equal_predictions(plain_reload(exported, raw), expected)


def test_loader_of_tensorflow_1(exported, raw, expected):
    assert_equal_predictions(v1_session(exported, raw), expected)


def test_c_runtime(loaded, raw, expected):
    assert_equal_predictions(loaded.run("serving_default", raw), expected)


def test_the_usual_wrong_way_fails_these_checks(tmp_path):
    """A Keras model under a tf.Module reloads in Python and nowhere else: the checks above must see that."""
    inputs = {name: keras.Input((2,), name=name) for name in ("age", "size")}
    hidden = keras.layers.Concatenate()(list(inputs.values()))
    model = keras.Model(inputs, {task: keras.layers.Dense(1, name=task)(hidden) for task in ("click", "like")})

    class Wrapped(tf.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        @tf.function(input_signature=[{name: tf.TensorSpec([None, 2], tf.float32, name) for name in inputs}])
        def serve(self, features):
            return self.model(features, training=False)

    path, module, raw = tmp_path / "1", Wrapped(), {name: np.ones([3, 2], "float32") for name in inputs}
    tf.saved_model.save(module, str(path), signatures={"serving_default": module.serve})
    reloaded = tf.saved_model.load(str(path))
    assert_equal_predictions(reloaded.serve(raw), {task: values.numpy() for task, values in model(raw).items()})
    with pytest.raises(tf.errors.FailedPreconditionError, match="Could not find variable"):
        v1_session(path, raw)
    with pytest.raises(CRuntimeError, match="Could not find variable"):
        c_runtime(path, raw)
    right = gc.serving.export(model, tmp_path / "right")
    assert_equal_predictions(c_runtime(right, raw), {task: values.numpy() for task, values in model(raw).items()})


def test_raw_test_rows_through_the_export_equal_encoded_rows_through_the_model(prepared, tmp_path):
    data, folder = prepared
    model = randomised(PLE(data.schema, expert_units=[8], tower_units=[4], embedding_dim=4))
    path = gc.serving.export(model, tmp_path / "ranker")
    rows = raw_test_rows(folder)
    found = v1_session(path, {name: rows[name].tolist() for name in described(signature(path).inputs)})
    columns = data.columns("test", data.schema.feature_names)
    assert_equal_predictions(found, model.predict(columns, batch_size=4096, verbose=0))


def test_trained_saved_and_read_model_exports_the_same_and_trains_on(prepared, tmp_path):
    data, folder = prepared
    names = ["user_id", "age_band", "category", "age_band_x_category", "duration_s", "user_id_click_rate"]
    schema = data.schema.select(tasks=["click", "like"], features=names)
    model = SharedBottom(schema, bottom_units=[4], tower_units=[2], embedding_dim=4)
    model.compile(optimizer=gc.optimizers.LazyAdam(1e-2), balancing="metabalance")
    model.optimizer.build(model.trainable_variables)
    train, _, _ = data.load(batch_size=512)
    model.fit(train, verbose=0)
    model.save(tmp_path / "model.keras")
    path = gc.serving.export(gc.load_model(tmp_path / "model.keras"), tmp_path / "ranker")
    rows = raw_test_rows(folder)
    found = v1_session(path, {name: rows[name].tolist() for name in described(signature(path).inputs)})
    assert_equal_predictions(found, model.predict(data.columns("test", names), batch_size=4096, verbose=0))

    gc.serving.export(model, tmp_path / "ranker")
    before = model.get_weights()
    model.fit(train.take(1), verbose=0)
    assert any((old != new).any() for old, new in zip(before, model.get_weights(), strict=True))


def test_one_feature_and_one_task_keep_their_names(tmp_path):
    schema = Schema(
        features=[Feature(name="word", kind="categorical", dtype="string", size=3)],
        tasks=[Task(name="click")],
        vocabularies={"word": Vocabulary(np.array(["a", "b"]))},
    )
    model = randomised(SharedBottom(schema, bottom_units=[4], tower_units=[2], embedding_dim=3))
    path = gc.serving.export(model, tmp_path)
    assert described(signature(path).inputs) == {"word": ("string", [None])}
    assert described(signature(path).outputs) == {"click": ("float32", [None, 1])}
    found = v1_session(path, {"word": ["b", "x"]})
    np.testing.assert_allclose(found["click"], model({"word": np.array([2, 0])})["click"], rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("as_list", [False, True], ids=["dict", "list"])
def test_other_functional_models_take_their_own_inputs(tmp_path, as_list):
    age = keras.Input((2,), name="age")
    tag = keras.Input((), name="tag", dtype="string")
    ids = keras.layers.StringLookup(vocabulary=["news", "sport"])(tag)
    hidden = keras.layers.Dense(4)(keras.layers.Concatenate()([age, keras.layers.Embedding(3, 4)(ids)]))
    outputs = {task: keras.layers.Dense(1, activation="sigmoid")(hidden) for task in ("click", "like")}
    model = gc.MultiTaskModel(inputs=[age, tag] if as_list else {"age": age, "tag": tag}, outputs=outputs)
    randomised(model)
    path = gc.serving.export(model, tmp_path)
    assert described(signature(path).inputs) == {"age": ("float32", [None, 2]), "tag": ("string", [None])}
    raw = {"age": np.array([[1, 2], [3, 4]], "float32"), "tag": ["sport", "chess"]}
    given = {"age": tf.constant(raw["age"]), "tag": tf.constant(raw["tag"])}
    expected = {task: values.numpy() for task, values in model(list(given.values()) if as_list else given).items()}
    assert_equal_predictions(v1_session(path, raw), expected)


def test_plain_keras_model_with_output_layers_by_name(tmp_path):
    age = keras.Input((1,), name="age")
    model = keras.Model(age, [keras.layers.Dense(1, name="click")(age), keras.layers.Dense(2, name="shares")(age)])
    path = gc.serving.export(model, tmp_path)
    assert described(signature(path).inputs) == {"age": ("float32", [None, 1])}
    assert described(signature(path).outputs) == {"click": ("float32", [None, 1]), "shares": ("float32", [None, 2])}


def two_outputs(inputs):
    return {task: keras.layers.Dense(1)(inputs) for task in ("click", "like")}


def test_inputs_without_a_name_are_refused(tmp_path):
    inputs = keras.Input((3,))
    model = gc.MultiTaskModel(inputs=inputs, outputs=two_outputs(inputs))
    with pytest.raises(ValueError, match=r"1 of the 1 inputs of .* have no name.*keras.Input\(..., name='age'\)"):
        gc.serving.export(model, tmp_path / "ranker")
    assert not list(tmp_path.iterdir())


class Subclassed(gc.MultiTaskModel):
    def __init__(self):
        super().__init__()
        self.heads = {task: keras.layers.Dense(1) for task in ("click", "like")}

    def call(self, inputs):
        return {task: head(inputs) for task, head in self.heads.items()}


def test_subclassed_models_are_refused_with_the_way_out(tmp_path):
    model = Subclassed()
    with pytest.raises(ValueError, match="is not built: call it, or fit it, once"):
        gc.serving.export(model, tmp_path / "ranker")
    model(np.ones([2, 3], "float32"))
    with pytest.raises(ValueError, match=r"no functional model. Wrap it in one.*MultiTaskModel\(inputs=inputs"):
        gc.serving.export(model, tmp_path / "ranker")
    inputs = keras.Input((3,), name="age")
    path = gc.serving.export(gc.MultiTaskModel(inputs=inputs, outputs=model(inputs)), tmp_path / "ranker")
    assert described(signature(path).inputs) == {"age": ("float32", [None, 3])}


def test_model_without_vocabularies_is_refused(schema, tmp_path):
    with pytest.raises(ValueError, match=r"no vocabulary for 'user_id_x_tag'.*PreparedData"):
        gc.serving.export(PLE(schema.to_dict(), expert_units=[4]), tmp_path / "ranker")
    assert not list(tmp_path.iterdir())


def test_something_else_is_refused(tmp_path):
    with pytest.raises(ValueError, match="export takes a Keras model, got str"):
        gc.serving.export("runs/gradcraft", tmp_path)


def test_a_failing_export_leaves_nothing(model, tmp_path, monkeypatch):
    directory = tmp_path / "models" / "ranker"
    assert gc.serving.export(model, directory).name == "1"
    monkeypatch.setattr(Schema, "to_dict", lambda self: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        gc.serving.export(model, directory)
    assert [path.name for path in directory.iterdir()] == ["1"]
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["ranker"]
