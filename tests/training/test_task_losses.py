"""The losses of each kind of task against loops in NumPy: weights, rows without label, bad labels."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_gradcraft.models import ExponentialLink, QuantileValue
from tf_gradcraft.training import (
    ClassCrossentropy,
    DurationQuantile,
    TaskCrossentropy,
    TaskRanking,
    TaskRegression,
    WeightedLogistic,
)

ROWS = 40
random = np.random.default_rng(5)
SCORES = random.normal(size=(ROWS, 1))
WEIGHTS = random.integers(0, 3, ROWS).astype("float64")


def softplus(x):
    return np.log1p(np.exp(x))


def huber(error, delta):
    return np.where(abs(error) <= delta, error**2 / 2, delta * (abs(error) - delta / 2))


def weighted_mean(losses):
    return (WEIGHTS * losses).sum() / WEIGHTS.sum()


AMOUNTS = np.where(random.random(ROWS) < 0.4, 0.0, random.gamma(2.0, 5.0, ROWS))
S = SCORES[:, 0]
CLASSES = random.integers(0, 3, ROWS)
LOGITS = random.normal(size=(ROWS, 3))
SHARES = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)
CASES = {
    "classes": (ClassCrossentropy("t", 3), CLASSES, SHARES, -np.log(SHARES[np.arange(ROWS), CLASSES])),
    "mse": (TaskRegression("t"), AMOUNTS, SCORES, (S - AMOUNTS) ** 2),
    "huber": (TaskRegression("t", "huber", delta=2.5), AMOUNTS, SCORES, huber(S - AMOUNTS, 2.5)),
    "log1p": (TaskRegression("t", transform="log1p"), AMOUNTS, np.expm1(SCORES), (S - np.log1p(AMOUNTS)) ** 2),
    "watch": (
        WeightedLogistic("t"),
        AMOUNTS,
        np.exp(SCORES),
        np.where(AMOUNTS > 0, AMOUNTS * softplus(-S), softplus(S)),
    ),
}
every_case = pytest.mark.parametrize(("loss", "labels", "predictions", "expected"), CASES.values(), ids=CASES)


@every_case
def test_a_loss_is_the_weighted_mean_over_labelled_rows(loss, labels, predictions, expected):
    spoiled = np.where(WEIGHTS == 0, np.nan, labels)
    assert np.isnan(spoiled).any()
    value = loss(spoiled.astype("float32"), predictions.astype("float32"), WEIGHTS)
    np.testing.assert_allclose(value, weighted_mean(expected), rtol=1e-5)
    clone = type(loss).from_config(loss.get_config())
    np.testing.assert_array_equal(clone(spoiled, predictions.astype("float32"), WEIGHTS), value)
    assert float(loss(spoiled, predictions.astype("float32"), np.zeros(ROWS))) == 0


@pytest.mark.parametrize(
    ("loss", "label", "message"),
    [
        (ClassCrossentropy("mood", 3), 3.0, "task mood: a label is no class, 0 to 2. Check the label column"),
        (ClassCrossentropy("mood", 3), 0.5, "task mood: a label is no class"),
        (TaskRegression("price", transform="log1p"), -1.0, "task price: a label is below 0, which log1p does not take"),
        (WeightedLogistic("watch"), -0.5, "task watch: a watch time is below 0"),
        (TaskRanking("order", lists=None), -1.0, "task order: a relevance is below 0"),
        (TaskCrossentropy("click"), 2.0, "task click: a label is neither 0 nor 1"),
    ],
)
def test_a_label_that_the_task_does_not_have_is_an_error_that_names_the_task(loss, label, message):
    predictions = tf.fill([1, 3 if isinstance(loss, ClassCrossentropy) else 1], 1 / 3)
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        loss([label], predictions)
    assert np.isfinite(loss([label], predictions, [0.0]))


@pytest.mark.parametrize("function", ["exp", "expm1"])
def test_the_score_behind_a_link_keeps_the_gradient_where_the_prediction_has_no_digits_left(function):
    loss = WeightedLogistic("t") if function == "exp" else TaskRegression("t", transform="log1p")
    score = tf.Variable([[-120.0]])
    with tf.GradientTape() as tape:
        value = loss([3.0], ExponentialLink(function)(score))
    expected = 3 * 120.0 if function == "exp" else (120 + np.log(4)) ** 2
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    slope = -3.0 if function == "exp" else -2 * (120 + np.log(4))
    np.testing.assert_allclose(tape.gradient(value, score), [[slope]], rtol=1e-5)


def test_the_best_constant_of_weighted_logistic_regression_is_watch_time_over_negatives():
    score = tf.Variable(0.0)
    labels = AMOUNTS.astype("float32")
    for _ in range(30):  # Newton's method
        with tf.GradientTape() as outer:
            with tf.GradientTape() as inner:
                value = WeightedLogistic("t")(labels, ExponentialLink("exp")(tf.fill([ROWS, 1], score)))
            slope = inner.gradient(value, score)
        score.assign_sub(slope / outer.gradient(slope, score))
    np.testing.assert_allclose(np.exp(score.numpy()), AMOUNTS.sum() / (AMOUNTS == 0).sum(), rtol=1e-4)


def test_watch_times_are_compared_as_quantiles_of_items_of_like_length():
    short, long = np.array([0.0, 0.0, 5.0, 10.0, 10.0]), np.array([0.0, 10.0, 20.0, 40.0, 80.0])
    durations = np.array([5.0, 5.0, 30.0, 30.0, 30.0])
    times = np.array([0.0, 7.5, 7.5, 40.0, 500.0])
    scores = np.array([[0.3], [-1.0], [0.5], [2.0], [9.0]])
    layer = QuantileValue([30.0], [short, long])
    predicted = layer([tf.constant(scores, tf.float32), tf.constant(durations, tf.float32)])
    quantiles = 1 / (1 + np.exp(-scores[:, 0]))
    levels = np.linspace(0, 1, 5)
    of_group = [short if duration < 30 else long for duration in durations]
    np.testing.assert_allclose(
        predicted[:, 0], [np.interp(q, levels, table) for q, table in zip(quantiles, of_group, strict=True)], rtol=1e-5
    )
    # 0 is the middle of the short items' first two quantiles; 500 is beyond all.
    places = np.array([0.125, 0.625, 0.1875, 0.75, 1.0])
    weights = [1.0, 2.0, 1.0, 0.0, 1.0]
    value = DurationQuantile("watch")(np.where(times == 40, np.nan, times).astype("float32"), predicted, weights)
    np.testing.assert_allclose(value, np.average((quantiles - places) ** 2, weights=weights), rtol=1e-5)
    with pytest.raises(ValueError, match="needs to know the quantiles of each row; predict with the layer"):
        DurationQuantile("watch")(times, tf.ones([5, 1]))


def ranking_oracle(kind, labels, scores, weights, lists, size):
    """The loss of lists, by loops over their labelled rows."""
    total = count = 0.0
    for key in dict.fromkeys(lists):
        rows = [i for i, other in enumerate(lists) if other == key and weights[i] != 0][:size]
        if kind == "list_mle":
            order = sorted(rows, key=lambda i: -labels[i])
            tails = [np.log(sum(np.exp(scores[j]) for j in order[at:])) for at in range(len(order))]
            weight = np.mean([weights[i] for i in rows]) if len(rows) >= 2 else 0.0
            total += weight * sum(tail - scores[i] for i, tail in zip(order, tails, strict=True))
            count += weight
            continue
        for i in rows:
            for j in rows:
                if labels[i] > labels[j]:
                    gap = scores[i] - scores[j]
                    of_pair = {
                        "pairwise_logistic": softplus(-gap),
                        "pairwise_hinge": max(0.0, 1 - gap),
                        "pairwise_soft_zero_one": 1 / (1 + np.exp(gap)),
                    }
                    total += weights[i] * of_pair[kind]
                    count += weights[i]
    return total / count


KEYS = random.integers(0, 9, ROWS)
RELEVANCES = random.integers(0, 3, ROWS).astype("float64")


def with_lists(scores, keys):
    scores = tf.convert_to_tensor(scores, tf.float32)
    scores.lists = tf.constant(keys)
    return scores


@pytest.mark.parametrize("kind", ["pairwise_logistic", "pairwise_hinge", "pairwise_soft_zero_one", "list_mle"])
@pytest.mark.parametrize("keys", ["integers", "strings", "in order", "small"])
def test_a_ranking_loss_looks_at_the_labelled_rows_of_each_list(kind, keys):
    labels = np.where(WEIGHTS == 0, np.nan, RELEVANCES)
    size = 3 if keys in ("in order", "small") else ROWS
    loss = TaskRanking("t", kind, lists=None if keys == "in order" else "query", list_size=size)
    lists = np.arange(ROWS) // size if keys == "in order" else KEYS
    given = np.array([f"q{key}" for key in KEYS]) if keys == "strings" else KEYS
    value = loss(labels, with_lists(SCORES, given), WEIGHTS)
    np.testing.assert_allclose(value, ranking_oracle(kind, RELEVANCES, S, WEIGHTS, lists, size), rtol=1e-5)


@pytest.mark.parametrize("kind", ["pairwise_logistic", "list_mle"])
def test_a_ranking_loss_and_its_gradient_are_the_same_under_xla(kind):
    loss = TaskRanking("t", kind, lists="query", list_size=4)
    scores, keys = tf.Variable(SCORES, dtype=tf.float32), tf.constant(KEYS)

    def value_and_gradient():
        with tf.GradientTape() as tape:
            predictions = tf.identity(scores)
            predictions.lists = keys
            value = loss(RELEVANCES, predictions, WEIGHTS)
        return value, tape.gradient(value, scores)

    for of_graph, of_xla in zip(
        tf.function(value_and_gradient)(), tf.function(value_and_gradient, jit_compile=True)(), strict=True
    ):
        np.testing.assert_allclose(of_graph, of_xla, rtol=1e-4, atol=1e-6)


def test_a_batch_without_a_pair_has_loss_0_and_no_nan_in_its_gradient():
    for kind in ("pairwise_logistic", "list_mle"):
        scores = tf.Variable([[1.0], [2.0], [3.0]])
        with tf.GradientTape() as tape:
            predictions = tf.identity(scores)
            predictions.lists = tf.constant([1, 2, 2])
            value = TaskRanking("t", kind)([1.0, 1.0, 0.0], predictions, [1.0, 1.0, 0.0])
        assert float(value) == 0
        np.testing.assert_array_equal(tape.gradient(value, scores), np.zeros([3, 1]))


def test_a_ranking_loss_says_what_it_lacks():
    with pytest.raises(ValueError, match="task 'order': the batch has no column 'query', which tells the lists apart"):
        TaskRanking("order", lists="query")([1.0], tf.ones([1, 1]))
    with pytest.raises(ValueError, match="did you mean 'list_mle'"):
        TaskRanking("order", "list_mie")
    with pytest.raises(ValueError, match="did you mean 'huber'"):
        TaskRegression("watch", "hubber")


def test_losses_are_saved_with_a_model(tmp_path):
    inputs = keras.Input((2,))
    model = keras.Model(inputs, {"t": keras.layers.Dense(1)(inputs)})
    loss = TaskRegression("t", "huber", "log1p", 0.5)
    model.compile(loss={"t": loss})
    model.save(tmp_path / "model.keras")
    assert keras.models.load_model(tmp_path / "model.keras").loss["t"].get_config() == loss.get_config()
