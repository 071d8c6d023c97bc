"""LazyAdam against keras.optimizers.Adam and against Adam written in NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_gradcraft.optimizers import LazyAdam

ROWS, WIDTH = 12, 3


def table(seed=0):
    return keras.Variable(np.random.default_rng(seed).normal(size=(ROWS, WIDTH)), dtype="float32", name="table")


def gradients(count, seed=1):
    return np.random.default_rng(seed).normal(size=(count, ROWS, WIDTH)).astype("float32")


def rows_of(dense, ids):
    return tf.IndexedSlices(tf.gather(dense, ids), tf.constant(ids), tf.constant(dense.shape))


def adam_by_hand(values, steps, learning_rate=0.01, beta_1=0.9, beta_2=0.999, epsilon=1e-7):
    """Adam on the rows that each step names; steps are (ids, rows), ids may stand several times."""
    values = values.astype(float)
    momentum, velocity = np.zeros_like(values), np.zeros_like(values)
    for count, (ids, rows) in enumerate(steps, start=1):
        for row in set(ids):
            gradient = sum(part for i, part in zip(ids, rows, strict=True) if i == row)
            momentum[row] = beta_1 * momentum[row] + (1 - beta_1) * gradient
            velocity[row] = beta_2 * velocity[row] + (1 - beta_2) * gradient**2
            correction = np.sqrt(1 - beta_2**count) / (1 - beta_1**count)
            values[row] -= learning_rate * correction * momentum[row] / (np.sqrt(velocity[row]) + epsilon)
    return values


@pytest.mark.parametrize("sparse", [False, True])
def test_it_equals_adam_where_every_row_has_a_gradient_in_every_step(sparse):
    lazy, plain = table(), table()
    lazy_adam, adam = LazyAdam(0.01, beta_1=0.8, epsilon=1e-5), keras.optimizers.Adam(0.01, beta_1=0.8, epsilon=1e-5)
    ids = np.random.default_rng(2).permutation(ROWS)
    for gradient in gradients(8):
        lazy_adam.apply([rows_of(gradient, ids) if sparse else tf.constant(gradient)], [lazy])
        adam.apply([tf.constant(gradient)], [plain])
        np.testing.assert_allclose(lazy, plain, rtol=0, atol=1e-6)


@pytest.mark.parametrize("mode", ["eager", "graph", "xla"])
def test_looked_up_rows_follow_adam_and_duplicates_are_added_up_first(mode):
    variable, optimizer = table(), LazyAdam(0.01)
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
    np.testing.assert_allclose(variable, adam_by_hand(start, steps), rtol=0, atol=1e-6)


def test_rows_and_slots_that_no_batch_looked_up_stay_bit_for_bit():
    variable, optimizer = table(), LazyAdam(0.01)
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


def test_ids_may_be_int32_or_int64():
    one, other = table(), table()
    LazyAdam(0.01).apply([rows_of(gradients(1)[0], np.array([1, 3], "int32"))], [one])
    LazyAdam(0.01).apply([rows_of(gradients(1)[0], np.array([1, 3], "int64"))], [other])
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    "settings",
    [
        {"clipnorm": 0.5},
        {"global_clipnorm": 0.5},
        {"clipvalue": 0.1},
        {"weight_decay": 0.1},
        {"learning_rate": keras.optimizers.schedules.ExponentialDecay(0.05, 2, 0.5)},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_clipping_decay_and_schedules_work_as_in_adam(settings):
    lazy, plain = table(), table()
    bias, plain_bias = keras.Variable([1.0, 2.0]), keras.Variable([1.0, 2.0])
    lazy_adam, adam = (
        LazyAdam(**{"learning_rate": 0.01, **settings}),
        keras.optimizers.Adam(**{"learning_rate": 0.01, **settings}),
    )
    for gradient in gradients(5):
        lazy_adam.apply([rows_of(gradient, np.arange(ROWS)), tf.constant(gradient[0, :2])], [lazy, bias])
        adam.apply([tf.constant(gradient), tf.constant(gradient[0, :2])], [plain, plain_bias])
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


def test_slots_survive_saving(tmp_path):
    def make():
        model = keras.Sequential([keras.Input((), dtype="int32"), keras.layers.Embedding(ROWS, WIDTH)])
        model.compile(LazyAdam(0.05), "mse")
        return model

    ids, targets = np.array([1, 2, 2, 5]), np.ones((4, WIDTH), "float32")
    model = make()
    model.fit(ids, targets, epochs=3, verbose=0)
    model.save(tmp_path / "model.keras")
    restored = keras.models.load_model(tmp_path / "model.keras")
    assert isinstance(restored.optimizer, LazyAdam)
    for kept, read in zip(model.optimizer.variables, restored.optimizer.variables, strict=True):
        np.testing.assert_array_equal(kept, read, err_msg=kept.path)
    for trained in (model, restored):
        trained.fit(ids, targets, epochs=2, verbose=0)
    np.testing.assert_array_equal(model.get_weights()[0], restored.get_weights()[0])


def test_a_config_makes_an_equal_optimizer():
    optimizer = LazyAdam(0.02, beta_1=0.7, beta_2=0.9, epsilon=1e-4, clipnorm=2.0, name="mine")
    clone = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert isinstance(clone, LazyAdam)
    assert clone.get_config() == optimizer.get_config()


def test_amsgrad_is_refused():
    with pytest.raises(ValueError, match="amsgrad"):
        LazyAdam(amsgrad=True)
