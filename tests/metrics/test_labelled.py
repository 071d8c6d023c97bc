"""Metrics of Keras over labelled rows: against scikit-learn, in compile, saved."""

import keras
import numpy as np
import pytest
import sklearn.metrics
import tensorflow as tf

import tf_gradcraft as gc
from tf_gradcraft.metrics import Labelled

random = np.random.default_rng(1)
LABELS, PREDICTIONS = random.gamma(2.0, 3.0, 50), random.gamma(2.0, 3.0, 50)
WEIGHTS = random.integers(0, 3, 50).astype("float64")
CLASSES = random.integers(0, 3, 50)
SHARES = random.dirichlet([1.0, 1.0, 1.0], 50)
CASES = {
    "rmse": (keras.metrics.RootMeanSquaredError, sklearn.metrics.root_mean_squared_error, LABELS, PREDICTIONS),
    "mae": (keras.metrics.MeanAbsoluteError, sklearn.metrics.mean_absolute_error, LABELS, PREDICTIONS),
    "accuracy": (
        keras.metrics.SparseCategoricalAccuracy,
        lambda y, p, sample_weight: sklearn.metrics.accuracy_score(y, p.argmax(axis=1), sample_weight=sample_weight),
        CLASSES,
        SHARES,
    ),
    "log_loss": (keras.metrics.SparseCategoricalCrossentropy, sklearn.metrics.log_loss, CLASSES, SHARES),
}


@pytest.mark.parametrize(("kind", "oracle", "labels", "predictions"), CASES.values(), ids=CASES)
def test_rows_of_weight_0_do_not_exist(kind, oracle, labels, predictions):
    metric = Labelled.from_config(Labelled(kind(name="mine")).get_config())
    spoiled = np.where(WEIGHTS == 0, np.nan, labels)
    for part in np.array_split(np.arange(50), 4):
        metric.update_state(spoiled[part], predictions[part], WEIGHTS[part])
    np.testing.assert_allclose(metric.result(), oracle(labels, predictions, sample_weight=WEIGHTS), rtol=1e-5)
    metric.reset_state()
    assert np.isnan(metric.result())
    metric.update_state(labels, predictions)
    np.testing.assert_allclose(metric.result(), oracle(labels, predictions, sample_weight=None), rtol=1e-5)
    assert metric.name == "mine"


def test_a_model_computes_them_at_the_end_of_an_evaluation():
    inputs = keras.Input((1,))
    model = gc.MultiTaskModel(inputs, {"watch": keras.layers.Dense(1)(inputs), "read": keras.layers.Dense(1)(inputs)})
    rmse = {task: [Labelled(keras.metrics.RootMeanSquaredError(name="rmse"))] for task in ("watch", "read")}
    model.compile(loss={"watch": "mse", "read": "mse"}, metrics=rmse)
    x = PREDICTIONS[:, np.newaxis].astype("float32")
    labels = {"watch": LABELS, "read": 2 * LABELS}
    weights = {"watch": WEIGHTS, "read": np.ones(50)}
    logs = model.evaluate(x, labels, sample_weight=weights, batch_size=20, verbose=0, return_dict=True)
    predicted = model(tf.constant(x))
    for task in labels:
        expected = sklearn.metrics.root_mean_squared_error(labels[task], predicted[task], sample_weight=weights[task])
        np.testing.assert_allclose(logs[f"{task}_rmse"], expected, rtol=1e-5)
