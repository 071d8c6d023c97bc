"""Whole models built from a schema: any tasks and features, training, saving with vocabularies."""

import re

import keras
import numpy as np
import pytest
import schemas
import tensorflow as tf

import tf_gradcraft as gc
from tf_gradcraft import models
from tf_gradcraft.models import AITM, CGC, ESCM2, ESMM, PLE, STEM, DSelectK, HoME, MMoE, OMoE, SharedBottom
from tf_gradcraft.models.schema_model import SchemaModel

pytestmark = pytest.mark.in_turns

SMALL = {"tower_units": [4], "embedding_dim": 3}


def chain(schema):
    """All tasks, not in the schema's order."""
    return schema.task_names[::-1]


def groups(schema):
    """The first task and the others."""
    return [group for group in (schema.task_names[:1], schema.task_names[1:]) if group]


MODELS = {
    "shared_bottom": lambda schema, **settings: SharedBottom(schema, bottom_units=[6], **{**SMALL, **settings}),
    "mmoe": lambda schema, **settings: MMoE(schema, num_experts=2, expert_units=[6], **{**SMALL, **settings}),
    "ple": lambda schema, **settings: PLE(schema, num_levels=2, expert_units=[6], **{**SMALL, **settings}),
    "omoe": lambda schema, **settings: OMoE(schema, num_experts=2, expert_units=[6], **{**SMALL, **settings}),
    "dselect_k": lambda schema, **settings: DSelectK(schema, entropy=0.01, expert_units=[6], **{**SMALL, **settings}),
    "cgc": lambda schema, **settings: CGC(schema, specific_experts=2, expert_units=[6], **{**SMALL, **settings}),
    "stem": lambda schema, **settings: STEM(schema, expert_units=[6], **{**SMALL, **settings}),
    "home": lambda schema, **settings: HoME(
        schema, groups=groups(schema), meta_units=[5], expert_units=[6], rank=2, **{**SMALL, **settings}
    ),
    "aitm": lambda schema, **settings: AITM(schema, chain=chain(schema), expert_units=[6], **{**SMALL, **settings}),
    "esmm": lambda schema, **settings: ESMM(schema, chain=chain(schema), **{**SMALL, **settings}),
    "escm2": lambda schema, **settings: ESCM2(schema, chain=chain(schema), **{**SMALL, **settings}),
}
# Further settings of the same classes, in some of the tests.
FURTHER = {
    "escm2 (dr)": lambda schema, **settings: MODELS["escm2"](schema, estimator="dr", **settings),
}
every_model = pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
SETTINGS = MODELS | FURTHER
every_setting = pytest.mark.parametrize("make", SETTINGS.values(), ids=SETTINGS)


def test_the_table_covers_the_registry():
    assert set(MODELS) == set(models.names())
    assert models.get("ple") is PLE
    with pytest.raises(ValueError, match="model='mmo' is not known; did you mean 'mmoe'"):
        models.get("mmo")


@every_model
@pytest.mark.parametrize(("kind", "num_tasks"), [("all", 2), ("categorical", 12), ("numeric", 1)])
def test_any_number_of_tasks_and_any_features(make, num_tasks, kind):
    schema = schemas.schema(kind, num_tasks)
    features, _, _ = schemas.batch(schema, rows=4)
    predictions = make(schema)(tf.nest.map_structure(tf.constant, features))
    assert list(predictions) == list(schema.task_names)
    for probabilities in predictions.values():
        assert probabilities.shape == (4, 1)
        assert ((probabilities.numpy() > 0) & (probabilities.numpy() < 1)).all()


def losses_of(model, features, labels, weights):
    """Each task's loss on a batch."""
    predictions = model(tf.nest.map_structure(tf.constant, features), training=True)
    labels, weights = model.prepare_labels(labels, weights)
    losses = model.compute_task_losses(features, labels, predictions, weights)
    return {task: float(loss) for task, loss in losses.items()}


def assert_training_lowers_every_loss(model, over):
    """Trains a model that was just built, on one small batch."""
    batch = schemas.batch(model.schema, rows=64)
    model.compile(keras.optimizers.Adam(0.03), balancing="gradcraft", balance_over=over)
    before = losses_of(model, *batch)
    for _ in range(12):
        model.train_on_batch(*batch)
    after = losses_of(model, *batch)
    assert list(after) == list(model.schema.task_names)
    for task, loss in after.items():
        assert loss < 0.98 * before[task], task


# By default every setting is trained in one of the two ways.
@every_setting
@pytest.mark.quick(*list(SETTINGS)[::2])
def test_training_lowers_every_loss_with_balancing_over_parameters(make):
    assert_training_lowers_every_loss(make(schemas.schema(num_tasks=2), dropout=0.0), "parameters")


@every_setting
@pytest.mark.quick(*list(SETTINGS)[1::2])
def test_so_it_does_over_the_representation_and_a_file_keeps_all(make, tmp_path):
    schema = schemas.schema(num_tasks=2, group="user")
    model = make(schema, dropout=0.0)
    assert_training_lowers_every_loss(model, "representation")
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
    features = tf.nest.map_structure(tf.constant, schemas.batch(schema)[0])
    predictions = loaded(features)
    for task, expected in model(features).items():
        np.testing.assert_array_equal(predictions[task], expected)


def test_defaults_fit_and_evaluate():
    schema = schemas.schema(num_tasks=2, group="user")
    model = MODELS["shared_bottom"](schema, l2=1e-4)
    features, labels, weights = schemas.batch(schema, rows=64)
    model.compile(keras.optimizers.SGD(0.3), balancing="gradcraft")
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


@every_setting
def test_an_export_predicts_the_same_from_raw_values(make, tmp_path):
    model = make(schemas.schema(num_tasks=2))
    ids = {"user": np.array([3, 10, 0]), "item": np.array([1, 6, 0]), "last_item": np.array([2, 2, 0])}
    numbers = {"age": np.array([20.0, 30.0, 55.0], "float32"), "duration": np.array([0.5, 3.0, 8.0], "float32")}
    raw = {"user": 99 + ids["user"], "item": [f"i{i - 1}" for i in ids["item"]]}
    raw |= {"last_item": [f"i{i - 1}" for i in ids["last_item"]], **numbers}
    rate = np.linspace(0, 1, 11, dtype="float32")[ids["user"]]
    expected = model(tf.nest.map_structure(tf.constant, {**ids, **numbers, "user_rate": rate}))
    path = gc.serving.export(model, tmp_path / "export", signatures=["serving_default"])
    served = tf.saved_model.load(path).signatures["serving_default"]
    predictions = served(**{name: tf.constant(values) for name, values in raw.items()})
    assert set(predictions) == set(expected)
    for task, probabilities in expected.items():
        np.testing.assert_allclose(predictions[task], probabilities, rtol=1e-5, atol=1e-6)


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
    if make is MODELS["home"]:
        return  # its experts are normalised by the batch in training
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


def test_stem_teaches_experts_and_tables_of_a_task_by_that_task_only_and_looks_at_all():
    schema = schemas.schema(num_tasks=2)
    features = tf.nest.map_structure(tf.constant, schemas.batch(schema)[0])
    model = MODELS["stem"](schema, dropout=0.0)
    before = model(features)["task0"].numpy()
    tables = model.get_layer("task_embeddings").of_tasks[1].embeddings
    with tf.GradientTape(persistent=True) as tape:
        predictions = model(features)
    assert tape.gradient(predictions["task0"], tables.value) is None
    assert tape.gradient(predictions["task1"], tables.value) is not None
    tables.assign(tables + 1.0)
    assert not np.allclose(model(features)["task0"], before)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda s: STEM(s, specific_experts=0), "specific_experts and shared_experts must be positive, got 0 and 1"),
        (
            lambda s: HoME(s, groups=[["task0", "task1"]]),
            "must hold each of these tasks once, none empty: task0,",
        ),
        (lambda s: HoME(s, groups=[["task0", "task1", "tusk2"]]), "'tusk2' is not known; did you mean 'task2'"),
        (lambda s: AITM(s, chain=[]), r"AITM: chain=\[\] must be names of tasks"),
        (lambda s: ESMM(s, chain="task0"), "ESMM: chain='task0' must be names of tasks, each following from the one"),
        (lambda s: ESMM(s, chain=["task0", "task0"]), "names a task twice"),
        (lambda s: ESMM(s, chain=["task0", "tusk1"]), "'tusk1' is not known; did you mean 'task1'"),
        (lambda s: ESCM2(s, chain=["task0"], estimator="is"), "estimator='is' is not known; did you mean 'ips'"),
        (lambda s: ESCM2(s, chain=["task0"], min_propensity=0), "0 < min_propensity <= 1"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make(schemas.schema(num_tasks=3))
