"""Scalar products and weighted sums of stacked gradients, around the borders of their blocks, against NumPy."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tf_gradcraft.gradients.products import BLOCK, StackedGradients

SIZES = [1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK, 100_001]
# Of a product relative to the norms, and of a sum relative to the longest gradient; inputs are exact in the dtype.
# Squares of numbers with few digits are rounded more often one way than the other when float32 adds them up.
TOLERANCE = {"float64": 1e-12, "float32": 1e-6, "float16": 5e-6, "bfloat16": 5e-6}
ROUNDING = {"float64": 1e-12, "float32": 1e-6, "float16": 1e-3, "bfloat16": 8e-3}


def gradients_of(shape, dtype="float32", tasks=3, seed=0):
    """Gradients that conflict in part, of lengths far apart."""
    random = np.random.default_rng(seed)
    common = random.normal(size=shape)
    values = [(random.normal(size=shape) + (-1) ** t * common) * 10.0 ** (t - 1) for t in range(tasks)]
    return [tf.cast(tf.constant(value), dtype) for value in values]


def assert_equal_to_numpy(stacked, gradients, touching, num_tasks, dtype="float32"):
    rows = np.zeros((num_tasks, int(tf.size(gradients[0]))))
    for task, gradient in zip(touching, gradients, strict=True):
        rows[task] = np.ravel(tf.cast(gradient, tf.float64))
    norms = np.linalg.norm(rows, axis=1)
    lengths = np.where(norms > 0, norms, 1)
    gram = stacked.gram()
    assert gram.dtype == tf.float64
    np.testing.assert_allclose(
        gram / np.outer(lengths, lengths), rows @ rows.T / np.outer(lengths, lengths), rtol=0, atol=TOLERANCE[dtype]
    )
    weights = np.linspace(-2, 3, num_tasks)
    combined = stacked.combine(tf.constant(weights, tf.float64))
    assert combined.dtype == gradients[0].dtype
    assert combined.shape == gradients[0].shape
    error = np.linalg.norm(np.ravel(tf.cast(combined, tf.float64)) - weights @ rows)
    assert error <= ROUNDING[dtype] * 5 * max(norms.max(), 1e-30)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_products_and_sums_equal_numpys(size, dtype):
    gradients = gradients_of([size], dtype)
    assert_equal_to_numpy(StackedGradients(gradients, range(3), 3), gradients, range(3), 3, dtype)


@pytest.mark.parametrize("size", [1, BLOCK + 1, 2 * BLOCK])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_added_up_in_float32(size, dtype):
    gradients = gradients_of([size], dtype)
    assert_equal_to_numpy(StackedGradients(gradients, range(3), 3), gradients, range(3), 3, dtype)


def test_squares_beyond_the_range_of_float16_are_finite():
    gradient = tf.constant(60_000.0, tf.float16, shape=[BLOCK + 3])
    gram = StackedGradients([gradient, -gradient], [0, 1], 2).gram()
    square = float(gradient[0]) ** 2 * (BLOCK + 3)
    np.testing.assert_allclose(gram, [[square, -square], [-square, square]], rtol=1e-5)


@pytest.mark.parametrize("touching", [[0], [3], [0, 3], [1, 2, 4]])
@pytest.mark.parametrize("size", [7, BLOCK + 1])
def test_tasks_that_do_not_touch_it_have_zeros(touching, size):
    gradients = gradients_of([size], tasks=len(touching))
    stacked = StackedGradients(gradients, touching, 5)
    absent = [task for task in range(5) if task not in touching]
    assert not stacked.gram().numpy()[absent].any()
    assert not stacked.gram().numpy()[:, absent].any()
    assert_equal_to_numpy(stacked, gradients, touching, 5)


@pytest.mark.parametrize("shape", [(), (0,), (0, 3), (5, 0, 2), (3, 5), (2, 3, 4, 1), (BLOCK // 4, 5)])
def test_gradients_of_any_shape(shape):
    gradients = gradients_of(shape)
    assert_equal_to_numpy(StackedGradients(gradients, range(3), 3), gradients, range(3), 3)


@pytest.mark.in_turns
@pytest.mark.parametrize("size", [0, *SIZES])
@pytest.mark.parametrize("known", ["nothing", "the rank", "the width"])
def test_shapes_that_the_graph_does_not_know(size, known):
    shape = {"nothing": None, "the rank": [None, None], "the width": [None, 1]}[known]

    @tf.function(input_signature=[[tf.TensorSpec(shape)] * 3])
    def measured(gradients):
        stacked = StackedGradients(gradients, [0, 1, 3], 4)
        return stacked.gram(), stacked.combine(tf.constant([0.5, -2.0, 7.0, 3.0]))

    gradients = gradients_of([size, 1])
    gram, combined = measured(gradients)
    in_eager = StackedGradients(gradients, [0, 1, 3], 4)
    assert_equal_to_numpy(in_eager, gradients, [0, 1, 3], 4)
    np.testing.assert_allclose(gram, in_eager.gram(), rtol=1e-6, atol=1e-6 * float(tf.reduce_max(gram)))
    np.testing.assert_allclose(combined, in_eager.combine(tf.constant([0.5, -2.0, 7.0, 3.0])), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("known", [0, 1])
def test_a_shape_known_of_one_task_only_is_that_of_all(known):
    signature = [tf.TensorSpec([8, 3] if task == known else [None, 3]) for task in range(2)]
    gradients = gradients_of([8, 3], tasks=2)
    gram, combined = tf.function(
        lambda one, other: (
            StackedGradients([one, other], [0, 1], 2).gram(),
            StackedGradients([one, other], [0, 1], 2).combine(tf.constant([2.0, -1.0])),
        ),
        input_signature=signature,
    )(*gradients)
    rows = np.reshape(gradients, [2, -1]).astype(float)
    np.testing.assert_allclose(gram, rows @ rows.T, rtol=1e-6)
    np.testing.assert_allclose(np.ravel(combined), [2, -1] @ rows, rtol=1e-5, atol=1e-6)


@settings(max_examples=30)
@given(
    shape=st.lists(st.integers(0, 40), max_size=3),
    tasks=st.integers(1, 6),
    data=st.data(),
    dtype=st.sampled_from(["float32", "float64", "float16"]),
)
def test_any_shape_any_subset_of_tasks(shape, tasks, data, dtype):
    touching = sorted(data.draw(st.sets(st.integers(0, tasks - 1), min_size=1)))
    gradients = gradients_of(shape, dtype, tasks=len(touching), seed=tasks)
    gradients = [tf.clip_by_value(gradient, -6e4, 6e4) for gradient in gradients]
    assert_equal_to_numpy(StackedGradients(gradients, touching, tasks), gradients, touching, tasks, dtype)
