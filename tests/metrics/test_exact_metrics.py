"""AUC and GAUC as Keras metrics that keep every row."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import roc_auc_score

from tf_gradcraft.metrics import AUC, GAUC, group_auc


def log_of(rows, seed=0):
    random = np.random.default_rng(seed)
    return random.integers(0, 2, rows), random.random(rows).astype("float32"), random.integers(0, 30, rows)


def batches(rows, sizes):
    ends = np.cumsum(sizes)
    return zip(*(np.split(column, ends[:-1]) for column in rows), strict=True)


@pytest.mark.in_turns
@pytest.mark.parametrize("sizes", [[1] * 40, [1023, 1], [1024], [1025], [700, 700, 700], [5000], [0, 3, 0, 40]])
def test_batches_give_what_all_rows_at_once_give_beyond_any_capacity(sizes):
    rows = log_of(sum(sizes))
    area, by_group = AUC(), GAUC(group="user")
    for labels, predictions, groups in batches(rows, sizes):
        area.update_state(labels, predictions)
        by_group.update_state(labels, predictions, groups=groups)
    assert float(area.result()) == pytest.approx(roc_auc_score(*rows[:2]), abs=1e-6)
    assert float(by_group.result()) == pytest.approx(float(group_auc(*rows)), abs=1e-6)


def test_updates_in_a_graph_grow_the_buffers_without_retracing():
    rows = log_of(6000)
    metric, traces = GAUC(group="user"), 0

    @tf.function
    def update(labels, predictions, groups):
        nonlocal traces
        traces += 1
        metric.update_state(labels, predictions, groups=groups)

    for batch in batches(rows, [1500] * 4):
        update(*map(tf.constant, batch))
    assert traces == 1
    assert float(metric.result()) == pytest.approx(float(group_auc(*rows)), abs=1e-6)


def test_the_result_can_be_taken_in_a_graph():
    labels, predictions, _ = log_of(100)
    metric = AUC()
    metric.update_state(labels, predictions)
    assert float(tf.function(metric.result)()) == pytest.approx(roc_auc_score(labels, predictions), abs=1e-6)


def test_weights_count_and_rows_of_weight_zero_are_not_kept():
    labels, predictions, groups = log_of(200)
    weights = np.arange(200) % 3
    labels = np.where(weights == 0, np.nan, labels)
    area, by_group = AUC(), GAUC()
    area.update_state(labels, predictions, weights)
    by_group.update_state(labels, predictions, weights[:, np.newaxis], groups=groups)
    kept = weights > 0
    expected = roc_auc_score(labels[kept], predictions[kept], sample_weight=weights[kept])
    assert float(area.result()) == pytest.approx(expected, abs=1e-6)
    expected = group_auc(labels[kept], predictions[kept], groups[kept], weights[kept])
    assert float(by_group.result()) == pytest.approx(float(expected), abs=1e-6)


def test_string_groups_are_taken():
    labels, predictions, groups = log_of(100)
    metric = GAUC()
    metric.update_state(labels, predictions, groups=np.array([f"user {group}" for group in groups]))
    assert float(metric.result()) == pytest.approx(float(group_auc(labels, predictions, groups)), abs=1e-6)


def test_large_group_keys_stay_apart():
    metric = GAUC()
    # Told apart in int64, but not in float64.
    metric.update_state([0, 1, 1, 0], [0.1, 0.2, 0.1, 0.2], groups=2**60 + np.array([0, 0, 1, 1]))
    assert float(metric.result()) == 0.5


def test_reset_forgets_every_row():
    metric = AUC()
    metric.update_state([0, 1], [0.9, 0.1])
    metric.reset_state()
    assert math.isnan(metric.result())
    metric.update_state([0, 1], [0.1, 0.9])
    assert float(metric.result()) == 1.0


def test_without_rows_the_value_is_nan():
    assert math.isnan(AUC().result())
    assert math.isnan(GAUC().result())


def test_missing_groups_are_named():
    with pytest.raises(ValueError, match="'gauc' needs the groups of the rows: the column 'user'"):
        GAUC(group="user").update_state([0, 1], [0.1, 0.2])


@pytest.mark.parametrize("metric", [AUC(name="area"), GAUC(group="user", name="of_users")], ids=["AUC", "GAUC"])
def test_a_config_makes_an_equal_metric(metric):
    clone = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(metric))
    assert type(clone) is type(metric)
    assert clone.get_config() == metric.get_config()


def test_auc_works_in_a_plain_keras_model():
    labels, _, _ = log_of(300)
    features = np.random.default_rng(0).normal(size=(300, 3)).astype("float32")
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, activation="sigmoid")])
    model.compile(loss="binary_crossentropy", metrics=[AUC()])
    logs = model.evaluate(features, labels[:, np.newaxis], batch_size=64, return_dict=True, verbose=0)
    assert logs["auc"] == pytest.approx(roc_auc_score(labels, model.predict(features, verbose=0)), abs=1e-6)
