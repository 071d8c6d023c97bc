"""Log loss, normalised entropy, PCOC and calibration errors, against scikit-learn and pandas."""

import math

import keras
import metric_oracles as oracles
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_rows import any_rows, columns, disturbed, random_rows
from sklearn.calibration import calibration_curve

from tf_gradcraft import metrics

pytestmark = pytest.mark.in_turns

NAMES = ("log_loss", "normalised_entropy", "pcoc", "ece", "equal_mass_ece")
every_metric = pytest.mark.parametrize("name", NAMES)


def value_of(name, frame, **arguments):
    return float(getattr(metrics, name)(*columns(frame), frame.weight.to_numpy(), **arguments))


@every_metric
@settings(max_examples=40)
@given(frame=any_rows())
def test_it_equals_the_oracle_on_any_rows(name, frame):
    assert value_of(name, frame) == pytest.approx(getattr(oracles, name)(frame), abs=1e-12, nan_ok=True)


@every_metric
def test_it_equals_the_oracle_on_a_random_log(name):
    frame = random_rows(1000)
    assert value_of(name, frame) == pytest.approx(getattr(oracles, name)(frame), abs=1e-12)


@every_metric
@settings(max_examples=20)
@given(frame=any_rows(), seed=st.integers(0, 9))
def test_neither_the_order_of_rows_nor_what_stands_in_rows_of_weight_0_counts(name, frame, seed):
    expected = value_of(name, frame)
    assert value_of(name, disturbed(frame, seed)) == pytest.approx(expected, abs=1e-12, nan_ok=True)


@every_metric
@settings(max_examples=20)
@given(frame=any_rows())
def test_a_whole_weight_is_a_number_of_equal_rows(name, frame):
    repeated = frame.loc[frame.index.repeat(frame.weight.astype(int))].assign(weight=1.0)
    value = float(getattr(metrics, name)(*columns(repeated)))
    assert value == pytest.approx(value_of(name, frame), abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("name", ["ece", "equal_mass_ece"])
@settings(max_examples=20)
@given(frame=any_rows(), bins=st.integers(1, 12))
def test_calibration_errors_with_any_number_of_bins(name, frame, bins):
    expected = getattr(oracles, name)(frame, bins)
    assert value_of(name, frame, bins=bins) == pytest.approx(expected, abs=1e-12, nan_ok=True)


@pytest.mark.parametrize(("name", "strategy"), [("ece", "uniform"), ("equal_mass_ece", "quantile")])
def test_calibration_errors_take_the_bins_of_scikit_learn(name, strategy):
    labels, predictions = columns(random_rows(1000))
    observed, predicted = calibration_curve(labels, predictions, n_bins=10, strategy=strategy)
    cut = pd.cut(predictions, np.linspace(0, 1, 11)) if name == "ece" else pd.qcut(predictions, 10)
    shares = np.bincount(cut.codes) / 1000
    value = float(getattr(metrics, name)(labels, predictions))
    assert value == pytest.approx(float(shares @ np.abs(predicted - observed)), abs=1e-12)


def test_one_bin_is_the_gap_between_the_means():
    labels, predictions = columns(random_rows(200))
    for name in ("ece", "equal_mass_ece"):
        value = float(getattr(metrics, name)(labels, predictions, bins=1))
        assert value == pytest.approx(abs(labels.mean() - predictions.mean()), abs=1e-12)


def test_bins_of_equal_mass_see_what_bins_of_equal_width_do_not():
    # All predictions below 0.1: right on the whole, wrong for each half.
    labels, predictions = np.repeat([0.0, 1.0, 0.0], [500, 50, 450]), np.repeat([0.05, 0.05], 500)
    predictions = predictions + np.where(np.arange(1000) < 500, 1e-3, -1e-3)
    assert float(metrics.ece(labels, predictions)) == pytest.approx(0.0, abs=1e-12)
    assert float(metrics.equal_mass_ece(labels, predictions, bins=2)) == pytest.approx(0.051, abs=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sure_predictions_cost_what_epsilon_says(dtype):
    sure = np.array([1.0, 0.0], dtype)
    assert float(metrics.log_loss([0, 1], sure)) == pytest.approx(-math.log(1e-7), rel=1e-9)
    assert float(metrics.log_loss([1, 0], sure)) == pytest.approx(-math.log1p(-1e-7), rel=1e-6)
    assert float(metrics.log_loss([0, 1], sure, epsilon=1e-3)) == pytest.approx(-math.log(1e-3), rel=1e-9)
    assert float(metrics.log_loss([1, 0], sure, epsilon=0)) == 0.0
    assert float(metrics.log_loss([0, 1], sure, epsilon=0)) == math.inf


def test_log_loss_is_the_crossentropy_of_keras():
    labels, predictions = columns(random_rows(300).astype({"prediction": "float32"}))
    expected = keras.losses.BinaryCrossentropy()(labels[:, np.newaxis], predictions[:, np.newaxis])
    assert float(metrics.log_loss(labels, predictions)) == pytest.approx(float(expected), rel=1e-5)


def test_predicting_the_base_rate_has_a_normalised_entropy_of_1():
    labels = np.arange(100) < 3
    assert float(metrics.normalised_entropy(labels, np.full(100, 0.03))) == pytest.approx(1.0, abs=1e-12)


def test_pcoc_takes_durations():
    assert float(metrics.pcoc([10.0, 30.0], [25.0, 35.0])) == 1.5


@pytest.mark.parametrize("name", [name for name in NAMES if name != "pcoc"])
@pytest.mark.parametrize("wrong", [-0.5, 1.5])
def test_logits_are_refused(name, wrong):
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"takes probabilities, in \[0, 1\]; got predictions from"):
        getattr(metrics, name)([0, 1], [0.5, wrong])


@every_metric
def test_a_nan_among_the_predictions_makes_it_nan(name):
    assert math.isnan(getattr(metrics, name)([0, 1, 1], [0.5, math.nan, 0.2]))


@every_metric
def test_columns_of_other_lengths_are_refused(name):
    function = getattr(metrics, name)
    with pytest.raises(tf.errors.InvalidArgumentError, match="predictions must have one value for each label"):
        function([0, 1], [0.5])
    with pytest.raises(tf.errors.InvalidArgumentError, match="sample_weight must have one value for each label"):
        function([0, 1], [0.5, 0.5], [1.0])


@pytest.mark.parametrize("epsilon", [-1e-9, 0.5, math.nan])
def test_epsilon_has_a_range(epsilon):
    for use in (lambda: metrics.log_loss([0], [0.5], epsilon=epsilon), lambda: metrics.LogLoss(epsilon=epsilon)):
        with pytest.raises(ValueError, match=r"epsilon=.* must be from 0 to below 0\.5"):
            use()


def test_the_number_of_bins_has_a_range():
    for use in (metrics.ECE, metrics.EqualMassECE, lambda bins: metrics.ece([0], [0.5], bins=bins)):
        with pytest.raises(ValueError, match="bins=0 must be at least 1"):
            use(bins=0)
