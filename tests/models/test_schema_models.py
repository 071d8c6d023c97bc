"""Whole models built from a schema: any tasks and features, training, saving with vocabularies."""

import re

import keras
import numpy as np
import pytest
import schemas
import tensorflow as tf

import tf_gradcraft as gc
from tf_gradcraft import models
from tf_gradcraft.models import PLE, MMoE, SharedBottom
from tf_gradcraft.models.schema_model import SchemaModel

SMALL = {"tower_units": [4], "embedding_dim": 3}
MODELS = {
    "shared_bottom": lambda schema, **settings: SharedBottom(schema, bottom_units=[6], **{**SMALL, **settings}),
    "mmoe": lambda schema, **settings: MMoE(schema, num_experts=2, expert_units=[6], **{**SMALL, **settings}),
    "ple": lambda schema, **settings: PLE(schema, num_levels=2, expert_units=[6], **{**SMALL, **settings}),
}
every_model = pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)


def test_the_table_covers_the_registry():
    assert set(MODELS) == set(models.names())
    assert models.get("ple") is PLE
    with pytest.raises(ValueError, match="model='mmo' is not known; did you mean 'mmoe'"):
        models.get("mmo")


@every_model
@pytest.mark.parametrize("num_tasks", [1, 2, 12])
@pytest.mark.parametrize("kind", ["all", "categorical", "numeric"])
def test_any_number_of_tasks_and_any_features(make, num_tasks, kind):
    schema = schemas.schema(kind, num_tasks)
    features, _, _ = schemas.batch(schema, rows=4)
    predictions = make(schema)(tf.nest.map_structure(tf.constant, features))
    assert list(predictions) == list(schema.task_names)
    for probabilities in predictions.values():
        assert probabilities.shape == (4, 1)
        assert ((probabilities.numpy() > 0) & (probabilities.numpy() < 1)).all()


@every_model
def test_a_model_fits_with_balancing_and_its_defaults(make):
    schema = schemas.schema(num_tasks=2, group="user")
    model = make(schema, l2=1e-4)
    features, labels, weights = schemas.batch(schema, rows=64)
    optimizer = keras.optimizers.SGD(0.3)
    model.compile(optimizer, model.default_losses(), metrics=model.default_metrics(), balancing="gradcraft")
    history = model.fit(features, labels, sample_weight=weights, epochs=5, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]
    logs = model.evaluate(features, labels, sample_weight=weights, return_dict=True, verbose=0)
    assert {"auc_mean", "gauc_mean", "task0_auc", "task0_gauc"} <= set(logs)


@every_model
def test_a_config_makes_the_same_model(make):
    model = make(schemas.schema(group="user"), l2=0.01, name="mine")
    clone = type(model).from_config(model.get_config())
    assert clone.get_config() == model.get_config()
    assert clone.name == "mine"
    assert clone.schema == model.schema
    of_clone, of_model = clone.trainable_variables, model.trainable_variables
    assert [(v.path, v.shape) for v in of_clone] == [(v.path, v.shape) for v in of_model]


@every_model
def test_a_file_keeps_weights_settings_and_vocabularies(make, tmp_path):
    schema = schemas.schema(num_tasks=2, group="user")
    model = make(schema, l2=0.01)
    model.compile(keras.optimizers.SGD(0.3), loss=model.default_losses(), balancing="metabalance")
    features, labels, weights = schemas.batch(schema)
    model.fit(features, labels, sample_weight=weights, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = gc.load_model(tmp_path / "model.keras")
    assert type(loaded) is type(model)
    assert isinstance(loaded, SchemaModel)
    assert loaded.schema == schema
    assert set(loaded.schema.vocabularies) == {"user", "item", "last_item"}
    for name, vocabulary in schema.vocabularies.items():
        read = loaded.schema.vocabularies[name]
        np.testing.assert_array_equal(read.values, vocabulary.values)
        assert set(read.statistics) == set(vocabulary.statistics)
        for statistic, values in vocabulary.statistics.items():
            np.testing.assert_array_equal(read.statistics[statistic], values)
    for task, expected in model.predict(features, verbose=0).items():
        np.testing.assert_array_equal(loaded.predict(features, verbose=0)[task], expected)


def test_predictions_follow_the_normalised_numbers():
    schema = schemas.schema("numeric", num_tasks=2)
    model = SharedBottom(schema, bottom_units=[], tower_units=[])
    age, duration = np.array([20.0, 50.0]), np.array([3.0, -40.0])
    predictions = model({"age": tf.constant(age, tf.float32), "duration": tf.constant(duration, tf.float32)})
    x = np.stack([(age - 30) / 10, (np.sign(duration) * np.log1p(np.abs(duration)) - 2) / 0.5], axis=-1)
    for task, prediction in predictions.items():
        kernel, bias = model.get_layer(f"{task}_logit").get_weights()
        np.testing.assert_allclose(prediction, 1 / (1 + np.exp(-(x @ kernel + bias))), rtol=1e-5)


def test_the_unknown_id_and_the_last_id_have_rows_of_their_own():
    schema = schemas.schema("categorical")
    model = SharedBottom(schema, bottom_units=[4], **SMALL)
    layer = model.get_layer("embeddings")
    # Two tables: 11 users, 7 items that two features share.
    assert layer.embeddings.shape == (18, 3)
    ids = {"user": tf.constant([0, 10]), "item": tf.constant([0, 6]), "last_item": tf.constant([6, 0])}
    rows, looked_up = layer.embeddings.numpy(), layer(ids).numpy()
    np.testing.assert_array_equal(looked_up[:, 0], rows[[0, 10]])
    np.testing.assert_array_equal(looked_up[:, 1], rows[[11, 17]])
    np.testing.assert_array_equal(looked_up[:, 2], rows[[17, 11]])


@every_model
def test_dropout_acts_in_training_only(make):
    schema = schemas.schema("numeric", num_tasks=2)
    features = tf.nest.map_structure(tf.constant, schemas.batch(schema)[0])
    model = make(schema, dropout=0.5)
    np.testing.assert_array_equal(model(features)["task0"], model(features, training=False)["task0"])
    assert not np.allclose(model(features, training=True)["task0"], model(features)["task0"])
    without = make(schema, dropout=0.0)
    np.testing.assert_array_equal(without(features, training=True)["task0"], without(features)["task0"])


def test_l2_penalises_looked_up_rows_and_kernels_and_shrinks_them():
    schema = schemas.schema(num_tasks=2)
    features, labels, _ = schemas.batch(schema)
    norms = {}
    for l2 in (0.0, 0.1):
        keras.utils.set_random_seed(0)
        model = MODELS["mmoe"](schema, l2=l2, dropout=0.0)
        model.compile(keras.optimizers.SGD(0.3), loss=model.default_losses())
        model(tf.nest.map_structure(tf.constant, features))
        assert bool(model.losses) == (l2 > 0)
        model.fit(features, labels, epochs=20, verbose=0)
        # Gates and the last layer of a task carry no penalty.
        for variable in model.trainable_variables:
            if not re.search("bias|scores|logit", variable.path):
                norms.setdefault(variable.path, []).append(float(np.linalg.norm(variable.numpy())))
    assert len(norms) >= 4
    for path, (free, penalised) in norms.items():
        assert penalised < free, path


def test_a_penalised_model_has_no_dense_gradient_of_its_table():
    schema = schemas.schema(num_tasks=2)
    model = SharedBottom(schema, bottom_units=[4], l2=0.1, **SMALL)
    features = tf.nest.map_structure(tf.constant, schemas.batch(schema)[0])
    with tf.GradientTape() as tape:
        predictions = model(features)
        loss = tf.add_n([tf.reduce_mean(p) for p in predictions.values()] + model.losses)
    gradient = tape.gradient(loss, model.get_layer("embeddings").embeddings)
    assert isinstance(gradient, tf.IndexedSlices)


def test_levels_must_be_positive():
    with pytest.raises(ValueError, match="PLE: num_levels=0 must be positive"):
        PLE(schemas.schema(), num_levels=0)
