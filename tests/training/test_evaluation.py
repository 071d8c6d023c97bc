"""Exact metrics of a multi-task model: in `evaluate`, in validation, beside Keras's own."""

import keras
import numpy as np
import pytest
import toy
from sklearn.metrics import roc_auc_score

from tf_gradcraft.metrics import AUC, GAUC, group_auc

pytestmark = pytest.mark.eager

TEST = toy.log(200, seed=11)


def exact(group="user"):
    return {task: [AUC(), GAUC(group)] for task in toy.TASKS}


def expected_values(model, features, labels, weights=None):
    predictions = model.predict(features, verbose=0)
    values = {}
    for task in toy.TASKS:
        weight = None if weights is None else weights[task]
        scores = predictions[task][:, 0]
        values[f"{task}_auc"] = roc_auc_score(labels[task][:, 0], scores, sample_weight=weight)
        values[f"{task}_gauc"] = float(group_auc(labels[task], scores, features["user"], weight))
    for metric in ("auc", "gauc"):
        values[f"{metric}_mean"] = np.mean([values[f"{task}_{metric}"] for task in toy.TASKS])
    return values


@pytest.mark.traced
@pytest.mark.parametrize("settings", [{}, {"jit_compile": True}], ids=["graph", "xla"])
@pytest.mark.quick("graph")
def test_evaluate_gives_what_scikit_learn_gives_on_predictions(settings):
    model = toy.compiled("gradcraft", metrics=exact(), **settings)
    toy.train(model, epochs=1)
    logs = model.evaluate(*TEST, batch_size=48, return_dict=True, verbose=0)
    for name, value in expected_values(model, *TEST).items():
        assert logs[name] == pytest.approx(value, abs=1e-6), name
    values = model.evaluate(*TEST, batch_size=48, verbose=0)
    assert values == pytest.approx(list(logs.values()), rel=1e-5)


def test_sample_weights_count():
    model = toy.compiled(None, metrics=exact())
    weights = toy.labels_weights(200)
    logs = model.evaluate(*TEST, sample_weight=weights, return_dict=True, verbose=0)
    for name, value in expected_values(model, *TEST, weights).items():
        assert logs[name] == pytest.approx(value, abs=1e-6), name


def test_validation_in_fit_gives_what_evaluate_gives_and_training_logs_none():
    model = toy.compiled("gradcraft", metrics={**exact(), "click": [AUC(), GAUC("user"), "accuracy"]})
    history = toy.train(model, validation_data=TEST, epochs=2)
    names = {f"{task}_{metric}" for task in toy.TASKS for metric in ("auc", "gauc")} | {"auc_mean", "gauc_mean"}
    assert {f"val_{name}" for name in names} <= set(history)
    assert not names & set(history)
    assert "click_accuracy" in history
    final = expected_values(model, *TEST)
    for name in names:
        assert history[f"val_{name}"][-1] == pytest.approx(final[name], abs=1e-6), name


@pytest.mark.thorough
def test_early_stopping_by_the_mean_auc():
    # A rate of 0 never improves on the first epoch: training stops after the second.
    model = toy.compiled("gradcraft", keras.optimizers.SGD(0.0), metrics=exact())
    stopping = keras.callbacks.EarlyStopping(monitor="val_auc_mean", mode="max", patience=1, restore_best_weights=True)
    history = toy.train(model, epochs=6, validation_data=TEST, callbacks=[stopping])
    assert len(history["val_auc_mean"]) == 2
    assert stopping.best == pytest.approx(history["val_auc_mean"][0])


def test_a_task_with_one_class_only_is_nan_and_named():
    features, labels = toy.log(100)
    labels["like"][:] = 0
    model = toy.compiled(None, metrics=exact())
    logs = model.evaluate(features, labels, return_dict=True, verbose=0)
    assert np.isnan(logs["like_auc"])
    assert not np.isnan(logs["click_auc"])


def test_a_group_column_that_the_batch_lacks_is_named():
    model = toy.compiled(None, metrics=exact(group="usr"))
    with pytest.raises(ValueError, match="'gauc' of task 'click': group='usr' is not known; did you mean 'user'"):
        model.evaluate(*TEST, verbose=0)


def test_exact_metrics_are_given_by_task():
    with pytest.raises(ValueError, match="give exact metrics by task"):
        toy.compiled(None, metrics=[AUC()])


def test_predictions_are_by_task():
    predictions = toy.compiled("gradcraft").predict(TEST[0], verbose=0)
    assert list(predictions) == list(toy.TASKS)
    assert all(values.shape == (200, 1) for values in predictions.values())
