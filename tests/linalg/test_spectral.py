"""Eigenvalues and pseudo-inverses of small symmetric matrices against NumPy, in eager mode, graph and XLA."""

import functools

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tf_gradcraft.linalg import pseudo_solve, significant, symmetric_eigen

pytestmark = pytest.mark.in_turns

EPSILON = np.finfo(float).eps

every_mode = pytest.mark.parametrize("mode", ["eager", "graph", "xla"])


@functools.cache
def in_mode(function, mode):
    """A function of one mode; all tests share it, so that each shape is traced and compiled once."""
    return function if mode == "eager" else tf.function(function, jit_compile=mode == "xla")


def matrix_of(eigenvalues, seed=0):
    """A symmetric matrix with these eigenvalues and random eigenvectors."""
    size = len(eigenvalues)
    rotation, _ = np.linalg.qr(np.random.default_rng([size, seed]).normal(size=(size, size)))
    matrix = (rotation * eigenvalues) @ rotation.T
    return (matrix + matrix.T) / 2


@every_mode
@pytest.mark.parametrize("size", [1, 2, 3, 5, 16])
def test_eigenvalues_and_vectors_are_exact_to_rounding_whatever_the_condition(size, mode):
    spectra = [np.geomspace(1, 1 / condition, size) for condition in (1e0, 1e3, 1e6, 1e9, 1e12)]
    matrices = np.stack([matrix_of(spectrum) for spectrum in spectra])
    values, vectors = (part.numpy() for part in in_mode(symmetric_eigen, mode)(tf.constant(matrices)))
    rounding = 4 * size * EPSILON
    np.testing.assert_allclose(np.sort(values), np.sort(spectra), rtol=0, atol=rounding)
    transposed = vectors.swapaxes(1, 2)
    np.testing.assert_allclose(vectors * values[:, np.newaxis] @ transposed, matrices, rtol=0, atol=rounding)
    identity = np.broadcast_to(np.eye(size), matrices.shape)
    np.testing.assert_allclose(transposed @ vectors, identity, rtol=0, atol=rounding)


SPECIAL = {
    "zero": np.zeros((4, 4)),
    "identity": np.eye(5),
    "all ones": np.ones((6, 6)),
    "diagonal, unsorted": np.diag([2.0, 5.0, 1.0, 2.0]),
    "two equal pairs": matrix_of(np.array([1.0, 1.0, 1e-9, 1e-9])),
    "a cluster of small ones": matrix_of(np.array([1.0, 1e-11, 1.1e-11, 1.2e-11, 1.2e-11])),
    "indefinite": matrix_of(np.array([3.0, -2.0, 1e-8])),
    "tiny": 1e-20 * matrix_of(np.array([3.0, 2.0, 1.0])),
    "huge": 1e30 * matrix_of(np.array([3.0, 2.0, 1.0])),
}


@every_mode
@pytest.mark.parametrize("matrix", SPECIAL.values(), ids=SPECIAL.keys())
def test_eigenvalues_of_special_matrices(matrix, mode):
    values, vectors = (part.numpy() for part in in_mode(symmetric_eigen, mode)(tf.constant(matrix)))
    rounding = 4 * len(matrix) * EPSILON * np.abs(matrix).max()
    np.testing.assert_allclose(np.sort(values), np.linalg.eigvalsh(matrix), rtol=0, atol=rounding)
    np.testing.assert_allclose(vectors * values @ vectors.T, matrix, rtol=0, atol=rounding)


@every_mode
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_matrix_that_is_not_finite_has_eigenvalues_nan_and_leaves_the_others_alone(bad, mode):
    spoiled = np.eye(3)
    spoiled[0, 1] = spoiled[1, 0] = bad
    values, _ = in_mode(symmetric_eigen, mode)(tf.constant(np.stack([spoiled, np.diag([1.0, 2.0, 3.0])])))
    assert np.isnan(values[0]).all()
    np.testing.assert_allclose(np.sort(values[1]), [1, 2, 3], rtol=1e-14)


def test_the_rank_is_that_of_numpy():
    for rank in range(1, 8):
        gradients = np.random.default_rng(rank).normal(size=(7, rank))
        eigenvalues = np.linalg.eigvalsh(gradients @ gradients.T)
        assert significant(tf.constant(eigenvalues)).numpy().sum() == np.linalg.matrix_rank(gradients)
    assert not significant(tf.zeros([3], tf.float64)).numpy().any()


@every_mode
@pytest.mark.parametrize("condition", [1e0, 1e4, 1e8, 1e12])
@pytest.mark.parametrize("size", [1, 2, 6, 16])
def test_a_regular_system_is_solved_whatever_the_condition(size, condition, mode):
    spectrum = np.geomspace(1, 1 / condition, size)
    matrix, right_side = matrix_of(spectrum), np.random.default_rng(1).normal(size=size)
    solution = in_mode(pseudo_solve, mode)(tf.constant(matrix), tf.constant(right_side)).numpy()
    expected = np.linalg.solve(matrix, right_side)
    # A backward stable solution is off by the condition times rounding.
    np.testing.assert_allclose(
        solution, expected, rtol=0, atol=4 * size * EPSILON / spectrum[-1] * np.linalg.norm(expected)
    )


@settings(max_examples=60)
@given(size=st.integers(1, 16), rank=st.integers(0, 16), seed=st.integers(0, 10**6))
def test_a_singular_matrix_gives_the_pseudo_inverse_of_the_vectors(size, rank, seed):
    random = np.random.default_rng(seed)
    vectors = random.normal(size=(size, rank))
    right_side = random.normal(size=size)
    solution = pseudo_solve(tf.constant(vectors @ vectors.T), tf.constant(right_side)).numpy()
    # Of the singular values, which the Gram matrix was not squared for.
    inverse = np.linalg.pinv(vectors, rcond=1e-6) if rank else np.zeros((0, size))
    expected = inverse.T @ (inverse @ right_side)
    # The smallest singular value of a square Gaussian matrix may be small.
    singular = np.linalg.svd(vectors, compute_uv=False)
    condition = (singular[0] / singular[-1]) ** 2 if rank else 1
    np.testing.assert_allclose(solution, expected, rtol=0, atol=1e-13 * condition * np.linalg.norm(expected) + 1e-300)


@every_mode
@pytest.mark.parametrize("condition", [1e0, 1e6, 1e12])
def test_a_rank_is_told_from_a_bad_condition(condition, mode):
    spectrum = np.array([1.0, 1 / np.sqrt(condition), 1 / condition, 0, 0])
    matrix = matrix_of(spectrum)
    inside = matrix @ np.random.default_rng(0).normal(size=5)
    solve = in_mode(pseudo_solve, mode)
    solution = solve(tf.constant(matrix), tf.constant(inside)).numpy()
    np.testing.assert_allclose(matrix @ solution, inside, rtol=0, atol=1e-14 * np.linalg.norm(solution))
    # The shortest solution has nothing in the null space, up to the angle that rounding turns the null space by.
    _, vectors = np.linalg.eigh(matrix)
    null = vectors[:, np.abs(vectors.T @ matrix @ vectors).max(axis=0) < 1e-14]
    assert null.shape == (5, 2)
    assert np.linalg.norm(null.T @ solution) < 1e-14 * condition * np.linalg.norm(solution)


def test_a_batch_is_solved_one_by_one():
    matrices = np.stack([matrix_of(np.array(s)) for s in ([1.0, 2.0, 3.0], [1.0, 1e-6, 0.0], [0.0, 0.0, 0.0])])
    right_sides = np.random.default_rng(0).normal(size=(3, 3))
    solutions = pseudo_solve(tf.constant(matrices), tf.constant(right_sides)).numpy()
    for matrix, right_side, solution in zip(matrices, right_sides, solutions, strict=True):
        alone = pseudo_solve(tf.constant(matrix), tf.constant(right_side)).numpy()
        np.testing.assert_allclose(solution, alone, rtol=1e-9)
    np.testing.assert_array_equal(solutions[2], 0)


def test_scaling_to_a_unit_diagonal_changes_a_singular_systems_answer():
    """What the docstring warns of: two gradients of opposite direction and different length."""
    vectors = np.array([[1.0], [-2.0]])
    gram, norms = vectors @ vectors.T, np.array([1.0, 2.0])
    plain = pseudo_solve(tf.constant(gram), tf.constant(norms)).numpy()
    scaled = pseudo_solve(tf.constant(gram / np.outer(norms, norms)), tf.ones([2], tf.float64)).numpy() / norms
    np.testing.assert_allclose(plain, [-3 / 25, 6 / 25], rtol=1e-12)
    np.testing.assert_allclose(scaled, [0, 0], atol=1e-15)
