"""What searches make large."""

import copy
import math

import keras
import numpy as np
import pytest

from tf_gradcraft.tuning import TaskObjective, mean_auc, mean_gauc, task_weights
from tf_gradcraft.tuning.objectives import ObjectiveLog


def test_weighted_means_are_normalised_and_errors_count_negatively():
    logs = {
        "val_click_auc": 0.7,
        "val_like_gauc": 0.6,
        "val_rating_rmse": 2.0,
        "val_auc_mean": 0.4,
        "val_gauc_mean": 0.3,
    }
    metric = {"like": "gauc", "rating": "rmse"}
    objective = task_weights({"click": 2, "like": 1, "rating": 1}, metric)
    assert objective.get_value(logs) == pytest.approx((2 * 0.7 + 0.6 - 2.0) / 4)
    assert task_weights({"like": 5}, "gauc").get_value(logs) == pytest.approx(0.6)
    assert (mean_auc().get_value(logs), mean_gauc().get_value(logs)) == (0.4, 0.3)
    assert all(of.direction == "max" for of in (objective, mean_auc(), mean_gauc()))


def test_a_value_that_is_not_finite_is_never_better():
    objective = mean_auc()
    assert objective.better_than(0.6, 0.5)
    assert not objective.better_than(0.5, 0.5)
    assert objective.better_than(0.1, math.nan)
    assert objective.better_than(0.1, -math.inf)
    assert not objective.better_than(math.nan, 0.1)


def test_early_stopping_sees_the_weighted_value_and_callbacks_can_be_copied():
    values = iter([0.5, 0.7, 0.6, 0.6, 0.9])

    class Logs(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs.update(val_a_auc=next(values), val_b_auc=0.5)

    log = ObjectiveLog(task_weights({"a": 1, "b": 1}))
    copied = copy.deepcopy(log)
    assert copied is not log
    assert copied.objective.terms == log.objective.terms
    model = keras.Sequential([keras.Input([1]), keras.layers.Dense(1)])
    model.compile("sgd", "mse", run_eagerly=True)
    one = np.ones([1, 1])
    stopping = keras.callbacks.EarlyStopping("val_weighted", mode="max", patience=2)
    history = model.fit(one, one, epochs=9, verbose=0, callbacks=[Logs(), copied, stopping]).history
    assert history["val_weighted"] == pytest.approx([0.5, 0.6, 0.55, 0.55])


@pytest.mark.parametrize("weights", [{}, {"click": 0}, {"click": -1.0}, {"click": math.inf}])
def test_weights_that_mean_nothing_are_refused(weights):
    with pytest.raises(ValueError, match="give each task that counts a positive weight"):
        task_weights(weights)


def test_missing_metrics_are_named():
    with pytest.raises(ValueError, match="the logs have no val_like_auc, only val_click_auc"):
        task_weights({"click": 1, "like": 1}).get_value({"loss": 1.0, "val_click_auc": 0.5})
    with pytest.raises(ValueError, match="have no val_x, only nothing"):
        TaskObjective("val_x").get_value({})
