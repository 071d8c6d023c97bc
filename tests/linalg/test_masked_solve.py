"""T x T solvers against NumPy."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tf_gradcraft.linalg import masked_solve, safe_divide


def matrix_of_condition(size, condition, seed=0):
    """A symmetric positive definite matrix with eigenvalues from 1 down to 1 / condition."""
    rotation, _ = np.linalg.qr(np.random.default_rng([size, seed]).normal(size=(size, size)))
    return (rotation * np.geomspace(1, 1 / condition, size)) @ rotation.T


def solve(matrix, right_side, mask):
    return masked_solve(
        tf.constant(matrix, tf.float64), tf.constant(right_side, tf.float64), tf.constant(mask, tf.bool)
    ).numpy()


def residual(matrix, right_side, mask, solution):
    """Norm of what is left of the picked rows, relative to the terms that cancel in them."""
    K, b, u = matrix[np.ix_(mask, mask)], right_side[mask], solution[mask]
    return np.linalg.norm(K @ u - b) / (np.linalg.norm(K, 2) * np.linalg.norm(u) + np.linalg.norm(b))


@settings(max_examples=60)
@given(size=st.integers(1, 16), seed=st.integers(0, 10**6), data=st.data())
def test_picked_rows_and_columns_are_solved_as_numpy_does(size, seed, data):
    random = np.random.default_rng(seed)
    vectors = random.normal(size=(size, size + 8)) * np.exp(2 * random.normal(size=(size, 1)))
    matrix, right_side = vectors @ vectors.T, random.normal(size=size)
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=size, max_size=size)))
    solution = solve(matrix, right_side, mask)
    expected = np.zeros(size)
    expected[mask] = np.linalg.solve(matrix[np.ix_(mask, mask)], right_side[mask])
    np.testing.assert_allclose(solution, expected, rtol=1e-7, atol=1e-9 * np.abs(expected).max(initial=0))


@pytest.mark.parametrize("condition", [1e0, 1e4, 1e8, 1e10, 1e12])
@pytest.mark.parametrize("size", [2, 6, 16])
def test_the_residual_is_rounding_whatever_the_condition(size, condition):
    matrix = matrix_of_condition(size, condition)
    right_side = np.random.default_rng(1).normal(size=size)
    mask = np.ones(size, bool)
    solution = solve(matrix, right_side, mask)
    assert residual(matrix, right_side, mask, solution) < 1e-14
    expected = np.linalg.solve(matrix, right_side)
    np.testing.assert_allclose(solution, expected, rtol=0, atol=1e-15 * condition * np.linalg.norm(expected) + 1e-13)


def test_rows_of_very_different_size_do_no_harm():
    scales = np.geomspace(1e-10, 1e15, 6)
    matrix = matrix_of_condition(6, 10.0)
    right_side = np.arange(1.0, 7.0)
    scaled = solve(matrix * np.outer(scales, scales), right_side * scales, np.ones(6, bool))
    np.testing.assert_allclose(scaled * scales, np.linalg.solve(matrix, right_side), rtol=1e-10)


SINGULAR = {
    "duplicates": np.array([[1.0, 2.0], [1.0, 2.0], [3.0, -1.0]]),
    "opposite": np.array([[1.0, 2.0], [-1.0, -2.0], [3.0, -1.0]]),
    "rank 1": np.outer([1.0, 2.0, -3.0, 1e-3], [1.0, 1.0]),
    "more rows than dimensions": np.random.default_rng(0).normal(size=(7, 3)),
    "duplicates of different size": np.outer([1e-8, 1e8, 1.0], [0.6, 0.8]),
}


@pytest.mark.parametrize("vectors", SINGULAR.values(), ids=SINGULAR.keys())
def test_a_singular_system_that_has_solutions_is_solved(vectors):
    matrix = vectors @ vectors.T
    right_side = vectors @ np.array([0.7, -0.4, 0.2])[: vectors.shape[1]]
    mask = np.ones(len(vectors), bool)
    solution = solve(matrix, right_side, mask)
    assert np.isfinite(solution).all()
    norms = np.linalg.norm(vectors, axis=1)
    left = (matrix @ solution - right_side) / norms
    assert np.abs(left).max() < 1e-9 * np.abs(right_side / norms).max()


def test_a_system_without_solution_gives_finite_numbers():
    assert np.isfinite(solve(np.ones((3, 3)), [1.0, 2.0, -4.0], [True] * 3)).all()


def test_rows_without_length_are_left_out():
    matrix = np.diag([4.0, 0.0, 2.0])
    np.testing.assert_allclose(solve(matrix, [8.0, 5.0, 3.0], [True] * 3), [2.0, 0.0, 1.5], rtol=1e-14)


def test_an_empty_mask_gives_zeros():
    np.testing.assert_array_equal(solve(matrix_of_condition(4, 10), np.ones(4), [False] * 4), np.zeros(4))


def test_what_the_mask_leaves_out_does_not_matter():
    matrix = matrix_of_condition(5, 100)
    mask = np.array([True, False, True, True, False])
    expected = solve(matrix, np.ones(5), mask)
    changed = np.where(np.outer(mask, mask), matrix, 7 * matrix + np.diag(np.diag(matrix)))
    right_side = np.where(mask, 1.0, 55.0)
    np.testing.assert_array_equal(solve(changed, right_side, mask), expected)


@pytest.mark.parametrize("compiled", [False, True], ids=["graph", "xla"])
def test_a_batch_of_masks_over_one_matrix_is_solved_in_the_graph_as_one_by_one(compiled):
    random = np.random.default_rng(2)
    matrices = np.stack([matrix_of_condition(4, 1e3, seed) for seed in range(3)])
    matrices[2] = np.outer([1.0, 2.0, -1.0, 0.5], [1.0, 2.0, -1.0, 0.5])  # one is singular, the others must not notice
    right_sides = random.normal(size=(3, 4, 4))
    right_sides[2] = np.array([1.0, 2.0, -1.0, 0.5])
    masks = random.random((3, 4, 4)) < 0.6
    batched = tf.function(masked_solve, jit_compile=compiled)(
        tf.constant(matrices[:, np.newaxis]), tf.constant(right_sides), tf.constant(masks)
    )
    assert batched.shape == [3, 4, 4]
    for part, task in np.ndindex(3, 4):
        expected = solve(matrices[part], right_sides[part, task], masks[part, task])
        np.testing.assert_allclose(batched[part, task], expected, rtol=1e-6, atol=1e-9)


def test_division_by_zero_gives_zero():
    quotient = safe_divide(tf.constant([1.0, 0.0, 3.0]), tf.constant([0.0, 0.0, 2.0]))
    np.testing.assert_array_equal(quotient, [0.0, 0.0, 1.5])
