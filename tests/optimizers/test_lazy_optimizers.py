"""The lazy optimizers against those of Keras on dense gradients, and against the same written in NumPy."""

import dataclasses
from collections.abc import Callable

import keras
import numpy as np
import pytest
import tensorflow as tf
import toy

from tf_gradcraft.optimizers import LazyAdagrad, LazyAdam

ROWS, WIDTH = 12, 3


def table(seed=0):
    return keras.Variable(np.random.default_rng(seed).normal(size=(ROWS, WIDTH)), dtype="float32", name="table")


def gradients(count, seed=1):
    return np.random.default_rng(seed).normal(size=(count, ROWS, WIDTH)).astype("float32")


def rows_of(dense, ids):
    return tf.IndexedSlices(tf.gather(dense, ids), tf.constant(ids), tf.constant(dense.shape))


def summed(steps):
    """Yields for each step the different ids with their gradients added up; steps are (ids, rows)."""
    for ids, rows in steps:
        yield {row: sum(part for i, part in zip(ids, rows, strict=True) if i == row) for row in set(ids)}


def adam_by_hand(values, steps, learning_rate=0.01, beta_1=0.9, beta_2=0.999, epsilon=1e-7):
    values = values.astype(float)
    momentum, velocity = np.zeros_like(values), np.zeros_like(values)
    for count, of_step in enumerate(summed(steps), start=1):
        for row, gradient in of_step.items():
            momentum[row] = beta_1 * momentum[row] + (1 - beta_1) * gradient
            velocity[row] = beta_2 * velocity[row] + (1 - beta_2) * gradient**2
            correction = np.sqrt(1 - beta_2**count) / (1 - beta_1**count)
            values[row] -= learning_rate * correction * momentum[row] / (np.sqrt(velocity[row]) + epsilon)
    return values


def adagrad_by_hand(values, steps, learning_rate=0.01, initial=0.1, epsilon=1e-7):
    values = values.astype(float)
    accumulated = np.full_like(values, initial)
    for of_step in summed(steps):
        for row, gradient in of_step.items():
            accumulated[row] += gradient**2
            values[row] -= learning_rate * gradient / np.sqrt(accumulated[row] + epsilon)
    return values


@dataclasses.dataclass(frozen=True)
class Pair:
    """A lazy optimizer, that of Keras, and the same by hand."""

    lazy: type
    keras: type
    by_hand: Callable
    settings: dict

    def __str__(self):
        return self.lazy.__name__


PAIRS = [
    Pair(LazyAdam, keras.optimizers.Adam, adam_by_hand, {"beta_1": 0.8, "epsilon": 1e-5}),
    Pair(LazyAdagrad, keras.optimizers.Adagrad, adagrad_by_hand, {"initial_accumulator_value": 0.3, "epsilon": 1e-5}),
]
both = pytest.mark.parametrize("pair", PAIRS, ids=str)


@both
@pytest.mark.parametrize("sparse", [False, True])
def test_it_equals_that_of_keras_where_every_row_has_a_gradient_in_every_step(pair, sparse):
    lazy, plain = table(), table()
    lazy_optimizer, optimizer = pair.lazy(0.01, **pair.settings), pair.keras(0.01, **pair.settings)
    ids = np.random.default_rng(2).permutation(ROWS)
    for gradient in gradients(8):
        lazy_optimizer.apply([rows_of(gradient, ids) if sparse else tf.constant(gradient)], [lazy])
        optimizer.apply([tf.constant(gradient)], [plain])
        np.testing.assert_allclose(lazy, plain, rtol=0, atol=1e-6)


@both
@pytest.mark.parametrize("mode", ["eager", "graph", "xla"])
def test_looked_up_rows_follow_the_equations_and_duplicates_are_added_up_first(pair, mode):
    variable, optimizer = table(), pair.lazy(0.01)
    optimizer.build([variable])
    start = variable.numpy()

    def apply(rows, ids):
        optimizer.apply([tf.IndexedSlices(rows, ids, tf.constant([ROWS, WIDTH]))], [variable])

    if mode != "eager":
        apply = tf.function(apply, jit_compile=mode == "xla")
    random = np.random.default_rng(3)
    steps = [([2, 5, 2], None), ([5, 5, 5], None), ([0, 1, 2], None), ([2, 7, 7], None)]
    steps = [(ids, random.normal(size=(3, WIDTH)).astype("float32")) for ids, _ in steps]
    for ids, rows in steps:
        apply(tf.constant(rows), tf.constant(ids))
    np.testing.assert_allclose(variable, pair.by_hand(start, steps), rtol=0, atol=1e-6)


def test_adagrad_on_the_rows_of_a_batch_is_adagrad_on_the_whole_table():
    lazy, plain = table(), table()
    lazy_optimizer, optimizer = LazyAdagrad(0.1), keras.optimizers.Adagrad(0.1)
    for ids, gradient in zip([[1, 4], [4, 9], [0, 1]], gradients(3), strict=True):
        dense = np.zeros_like(gradient)
        dense[ids] = gradient[ids]
        lazy_optimizer.apply([rows_of(dense, ids)], [lazy])
        optimizer.apply([tf.constant(dense)], [plain])
    np.testing.assert_allclose(lazy, plain, rtol=0, atol=1e-6)


@both
def test_rows_and_slots_that_no_batch_looked_up_stay_bit_for_bit(pair):
    variable, optimizer = table(), pair.lazy(0.01)
    for gradient in gradients(3):
        optimizer.apply([tf.constant(gradient)], [variable])
    before = [v.numpy() for v in (variable, *optimizer.variables)]
    names = [v.name for v in (variable, *optimizer.variables)]
    optimizer.apply([rows_of(gradients(1)[0], [4, 9, 4])], [variable])
    touched = [4, 9]
    for name, old, new in zip(names, before, (variable, *optimizer.variables), strict=True):
        if old.shape == (ROWS, WIDTH):
            np.testing.assert_array_equal(np.delete(old, touched, 0), np.delete(new.numpy(), touched, 0), err_msg=name)
            assert not np.isclose(old[touched], new.numpy()[touched]).all(), name


@both
def test_ids_may_be_int32_or_int64(pair):
    one, other = table(), table()
    pair.lazy(0.01).apply([rows_of(gradients(1)[0], np.array([1, 3], "int32"))], [one])
    pair.lazy(0.01).apply([rows_of(gradients(1)[0], np.array([1, 3], "int64"))], [other])
    np.testing.assert_array_equal(one, other)


@pytest.mark.in_turns
@both
@pytest.mark.parametrize(
    "settings",
    [
        {"clipnorm": 0.5},
        {"global_clipnorm": 0.5},
        {"clipvalue": 0.1},
        {"weight_decay": 0.1},
        {"use_ema": True, "ema_momentum": 0.9},
        {"use_ema": True, "ema_momentum": 0.5, "ema_overwrite_frequency": 2},
        {"gradient_accumulation_steps": 2},
        {"learning_rate": keras.optimizers.schedules.ExponentialDecay(0.05, 2, 0.5)},
    ],
    ids=lambda settings: "-".join(settings),
)
def test_the_settings_of_keras_optimizers_do_what_they_do_there(pair, settings):
    lazy, plain = table(), table()
    bias, plain_bias = keras.Variable([1.0, 2.0]), keras.Variable([1.0, 2.0])
    lazy_optimizer, optimizer = (make(**{"learning_rate": 0.01, **settings}) for make in (pair.lazy, pair.keras))
    for gradient in gradients(5):
        lazy_optimizer.apply([rows_of(gradient, np.arange(ROWS)), tf.constant(gradient[0, :2])], [lazy, bias])
        optimizer.apply([tf.constant(gradient), tf.constant(gradient[0, :2])], [plain, plain_bias])
    for made, variables in ((lazy_optimizer, [lazy, bias]), (optimizer, [plain, plain_bias])):
        made.finalize_variable_values(variables)
    np.testing.assert_allclose(lazy, plain, rtol=0, atol=1e-6)
    np.testing.assert_allclose(bias, plain_bias, rtol=0, atol=1e-6)


def test_clipping_takes_the_norm_of_the_rows_added_up():
    # Two pieces of one row: their sum has norm 2 and is cut to 1; cut piece by piece it would be something else.
    variable = keras.Variable(np.zeros((4, 1)), dtype="float32")
    optimizer = LazyAdam(1.0, beta_1=0.0, beta_2=0.0, epsilon=1.0, clipnorm=1.0)
    pieces = tf.IndexedSlices(tf.constant([[5.0], [-3.0]]), tf.constant([1, 1]), tf.constant([4, 1]))
    optimizer.apply([pieces], [variable])
    # Adam without memory moves by g / (|g| + epsilon): 1/2 for a gradient of 1.
    np.testing.assert_allclose(variable.numpy()[:, 0], [0, -0.5, 0, 0], atol=1e-6)


@both
def test_slots_survive_saving(pair, tmp_path):
    def make():
        model = keras.Sequential([keras.Input((), dtype="int32"), keras.layers.Embedding(ROWS, WIDTH)])
        model.compile(pair.lazy(0.05), "mse")
        return model

    ids, targets = np.array([1, 2, 2, 5]), np.ones((4, WIDTH), "float32")
    model = make()
    model.fit(ids, targets, epochs=3, verbose=0)
    model.save(tmp_path / "model.keras")
    restored = keras.models.load_model(tmp_path / "model.keras")
    assert isinstance(restored.optimizer, pair.lazy)
    for kept, read in zip(model.optimizer.variables, restored.optimizer.variables, strict=True):
        np.testing.assert_array_equal(kept, read, err_msg=kept.path)
    for trained in (model, restored):
        trained.fit(ids, targets, epochs=2, verbose=0)
    np.testing.assert_array_equal(model.get_weights()[0], restored.get_weights()[0])


@pytest.mark.in_turns
@pytest.mark.parametrize("settings", [{}, {"balancing": "gradcraft"}], ids=["plain", "balanced"])
@both
def test_a_model_trains_with_it(pair, settings):
    history = toy.train(toy.compiled(optimizer=pair.lazy(0.05), **{"balancing": None, **settings}), epochs=4)
    assert history["loss"][-1] < history["loss"][0]


@both
def test_a_config_makes_an_equal_optimizer(pair):
    optimizer = pair.lazy(0.02, clipnorm=2.0, name="mine", **pair.settings)
    clone = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert isinstance(clone, pair.lazy)
    assert clone.get_config() == optimizer.get_config()


def test_amsgrad_is_refused():
    with pytest.raises(ValueError, match="amsgrad"):
        LazyAdam(amsgrad=True)
