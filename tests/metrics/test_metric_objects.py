"""The Keras metrics that stand beside the functions: batches, weights, saving, and `compile`."""

import math

import keras
import numpy as np
import pytest
import toy
from metric_rows import columns, random_rows
from sklearn.metrics import mean_absolute_error, root_mean_squared_error

import tf_gradcraft as gc
from tf_gradcraft import metrics

METRICS = {
    "log_loss": (metrics.LogLoss(epsilon=1e-5), lambda *rows: metrics.log_loss(*rows, epsilon=1e-5)),
    "normalised_entropy": (metrics.NormalisedEntropy(epsilon=1e-5, name="ne"), metrics.normalised_entropy),
    "pcoc": (metrics.PCOC(), metrics.pcoc),
    "ece": (metrics.ECE(bins=7), lambda *rows: metrics.ece(*rows, bins=7)),
    "equal_mass_ece": (metrics.EqualMassECE(bins=7), lambda *rows: metrics.equal_mass_ece(*rows, bins=7)),
    "ndcg_at_3": (metrics.NDCGAtK(3, "user"), metrics.ndcg_at_k),
    "recall_at_3": (metrics.RecallAtK(3, "user"), metrics.recall_at_k),
    "precision_at_3": (metrics.PrecisionAtK(3, "user"), metrics.precision_at_k),
    "map_at_3": (metrics.MAPAtK(3, "user"), metrics.map_at_k),
}
every_metric = pytest.mark.parametrize("name", METRICS)


def value_of(name, labels, predictions, groups, weights):
    """Returns what the function makes of the rows."""
    function = METRICS[name][1]
    at_k = name.endswith("_at_3")
    return float(function(labels, predictions, groups, 3, weights) if at_k else function(labels, predictions, weights))


def clone_of(metric):
    return keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(metric))


@every_metric
def test_batches_of_the_metric_give_what_the_function_gives_on_all_rows(name):
    frame = random_rows(3000).astype({"prediction": "float32"})
    rows = (*columns(frame, grouped=True), frame.weight.to_numpy())
    metric = clone_of(METRICS[name][0])
    for part in np.array_split(np.arange(3000), 7):
        labels, predictions, groups, weights = (column[part] for column in rows)
        # A row without label may hold anything.
        labels, predictions = (np.where(weights == 0, np.nan, column) for column in (labels, predictions))
        given = {} if metric.group is None else {"groups": groups}
        metric.update_state(labels[:, np.newaxis], predictions[:, np.newaxis], weights, **given)
    assert float(metric.result()) == pytest.approx(value_of(name, *rows), rel=1e-6)
    metric.reset_state()
    assert math.isnan(metric.result())


@every_metric
def test_a_config_makes_an_equal_metric(name):
    metric = METRICS[name][0]
    clone = clone_of(metric)
    assert type(clone) is type(metric)
    assert clone.get_config() == metric.get_config()
    # None of these is a default.
    for argument, value in {"epsilon": 1e-5, "bins": 7, "k": 3, "group": "user"}.items():
        assert getattr(clone, argument, None) in (value, None)
        assert getattr(clone, argument, None) == getattr(metric, argument, None)


def test_metrics_at_several_k_have_names_of_their_own():
    assert [metrics.RecallAtK(k).name for k in (5, 10)] == ["recall_at_5", "recall_at_10"]


def test_sums_are_kept_in_float64():
    # In float32 1 + 1e-9 is 1.
    metric = metrics.PCOC(dtype="float64")
    for _ in range(100):
        metric.update_state(np.ones(2000), np.full(2000, 1 + 1e-9))
    assert float(metric.result()) == pytest.approx(1 + 1e-9, abs=1e-13)


def test_a_model_evaluates_them_with_weights_and_keeps_them_when_saved(tmp_path):
    of_click = [clone_of(metric) for metric, _ in METRICS.values()]
    model = toy.compiled(None, metrics={"click": of_click, "like": [metrics.LogLoss()], "follow": [metrics.LogLoss()]})
    features, labels = toy.log(200, seed=11)
    weights = toy.labels_weights(200)
    logs = model.evaluate(features, labels, sample_weight=weights, batch_size=48, return_dict=True, verbose=0)
    predictions = model.predict(features, batch_size=48, verbose=0)
    for name, (metric, _) in METRICS.items():
        expected = value_of(name, labels["click"], predictions["click"], features["user"], weights["click"])
        assert logs[f"click_{metric.name}"] == pytest.approx(expected, rel=1e-5), name
    losses = [
        float(metrics.log_loss(labels[task], predictions[task], weights[task], **arguments))
        for task, arguments in (("click", {"epsilon": 1e-5}), ("like", {}), ("follow", {}))
    ]
    assert logs["log_loss_mean"] == pytest.approx(np.mean(losses), rel=1e-5)

    model.save(tmp_path / "model.keras")
    loaded = gc.load_model(tmp_path / "model.keras")
    again = loaded.evaluate(features, labels, sample_weight=weights, batch_size=48, return_dict=True, verbose=0)
    assert again == pytest.approx(logs, rel=1e-5)


def test_regression_tasks_take_the_metrics_of_keras_and_training_shows_weighted_metrics():
    inputs = keras.Input((4,), name="numbers")
    hidden = keras.layers.Dense(4, activation="relu")(inputs)
    click = keras.layers.Dense(1, activation="sigmoid")(hidden)
    model = gc.MultiTaskModel(inputs=inputs, outputs={"click": click, "watch": keras.layers.Dense(1)(hidden)})
    model.compile(
        optimizer="sgd",
        loss={"click": "binary_crossentropy", "watch": "mse"},
        weighted_metrics={
            "click": [metrics.LogLoss()],
            "watch": [keras.metrics.RootMeanSquaredError(name="rmse"), keras.metrics.MeanAbsoluteError(name="mae")],
        },
        balancing="gradcraft",
    )
    random = np.random.default_rng(0)
    features = random.normal(size=(90, 4)).astype("float32")
    labels = {"click": random.integers(0, 2, (90, 1)), "watch": random.gamma(2, 3, (90, 1))}
    weights = {task: random.integers(0, 3, 90).astype("float32") for task in labels}
    names = {"click_log_loss", "watch_rmse", "watch_mae"}
    assert names <= set(model.fit(features, labels, sample_weight=weights, verbose=0).history)

    logs = model.evaluate(features, labels, sample_weight=weights, batch_size=40, return_dict=True, verbose=0)
    predicted = model.predict(features, verbose=0)
    watch = (labels["watch"], predicted["watch"])
    assert logs["watch_rmse"] == pytest.approx(
        root_mean_squared_error(*watch, sample_weight=weights["watch"]), rel=1e-5
    )
    assert logs["watch_mae"] == pytest.approx(mean_absolute_error(*watch, sample_weight=weights["watch"]), rel=1e-5)
    expected = metrics.log_loss(labels["click"], predicted["click"], weights["click"])
    assert logs["click_log_loss"] == pytest.approx(float(expected), rel=1e-5)
