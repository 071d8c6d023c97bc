"""Quadratic programs: the conditions of their optimum on thousands of random programs, and SciPy's answers."""

import numpy as np
import pytest
import tensorflow as tf
from matrices import KINDS, grams_of, vectors_of
from scipy import optimize

from tf_gradcraft.linalg import bounded_qp, nonnegative_qp, simplex_qp

pytestmark = pytest.mark.in_turns

SIZES = [(1, 3), (2, 2), (4, 3), (6, 8), (12, 3), (16, 64), (16, 8), (32, 20), (32, 64)]
every_kind = pytest.mark.parametrize("kind", KINDS)


@tf.function
def nonnegative(matrices, linear):
    return nonnegative_qp(matrices, linear)


@tf.function
def on_simplex(matrices, linear):
    return simplex_qp(matrices, linear)


def assert_optimal(norms, variables, gradient, terms):
    """Variables are not negative, gradients neither, and one of both is zero: relative to the terms that cancel."""
    assert (variables >= 0).all()
    gradient = gradient / np.where(terms > 0, terms, 1)
    assert gradient.min() > -5e-11
    sizes = variables * norms
    assert (sizes / np.maximum(sizes.sum(axis=-1, keepdims=True), 1e-300) * np.abs(gradient)).max() < 1e-12


@every_kind
@pytest.mark.parametrize(("size", "dimension"), SIZES)
def test_projections_onto_a_cone_meet_the_conditions_of_the_optimum(kind, size, dimension):
    """Every vector of a set is projected to conflict with none of it; in all over ten thousand programs."""
    matrices = grams_of(vectors_of(kind, max(20, 800 // size), size, dimension))
    u = nonnegative(tf.constant(matrices[:, np.newaxis]), tf.constant(matrices)).numpy()
    norms = np.sqrt(np.einsum("nii->ni", matrices))[:, np.newaxis]
    gradient = u @ matrices + matrices
    terms = norms * ((u * norms).sum(axis=-1, keepdims=True) + np.swapaxes(norms, 1, 2))
    assert_optimal(norms, u, gradient, terms)


@every_kind
@pytest.mark.parametrize(("size", "dimension"), SIZES)
def test_shortest_vectors_meet_the_conditions_of_the_optimum(kind, size, dimension):
    matrices = grams_of(vectors_of(kind, 100, size, dimension))
    x = on_simplex(tf.constant(matrices), tf.zeros(matrices.shape[:2], tf.float64)).numpy()
    np.testing.assert_allclose(x.sum(axis=1), 1, rtol=1e-12)
    norms = np.sqrt(np.einsum("nii->ni", matrices))
    products = np.einsum("nij,nj->ni", matrices, x)
    multiplier = (x * products).sum(axis=1, keepdims=True)
    assert_optimal(norms, x, products - multiplier, norms * (x * norms).sum(axis=1, keepdims=True))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "scales"])
@pytest.mark.parametrize(("size", "dimension"), SIZES)
def test_programs_on_the_simplex_meet_the_conditions_of_the_optimum(kind, size, dimension):
    matrices = grams_of(vectors_of(kind, 100, size, dimension))
    linear = np.random.default_rng(size).normal(size=matrices.shape[:2]) * np.einsum("nii->ni", matrices)
    x = on_simplex(tf.constant(matrices), tf.constant(linear)).numpy()
    np.testing.assert_allclose(x.sum(axis=1), 1, rtol=1e-12)
    norms = np.sqrt(np.einsum("nii->ni", matrices))
    gradient = np.einsum("nij,nj->ni", matrices, x) + linear
    multiplier = (x * gradient).sum(axis=1, keepdims=True)
    terms = norms * (x * norms).sum(axis=1, keepdims=True) + np.abs(linear) + np.abs(multiplier)
    assert_optimal(norms, x, gradient - multiplier, terms)


@pytest.mark.parametrize("size", [1, 2, 6, 16])
@pytest.mark.parametrize("dimension", [3, 40])
def test_projections_equal_those_of_scipy(size, dimension):
    for vectors in vectors_of("gaussian", 10, size, dimension, seed=1):
        wanted = np.random.default_rng(size).normal(size=dimension)
        u = nonnegative_qp(tf.constant(vectors @ vectors.T), tf.constant(vectors @ wanted)).numpy()
        expected, _ = optimize.nnls(vectors.T, -wanted)
        np.testing.assert_allclose(u @ vectors, expected @ vectors, atol=1e-9)
        if dimension > size:
            np.testing.assert_allclose(u, expected, rtol=1e-7, atol=1e-9)


def best_by_enumeration(matrix, linear):
    """The least value over the simplex, by trying every set of positive variables."""
    size, best = len(matrix), np.inf
    for code in range(1, 2**size):
        picked = np.flatnonzero([code >> bit & 1 for bit in range(size)])
        system = np.ones((len(picked) + 1, len(picked) + 1))
        system[:-1, :-1], system[-1, -1] = matrix[np.ix_(picked, picked)], 0
        x = np.linalg.solve(system, np.append(-linear[picked], 1))[:-1]
        if (x >= 0).all():
            value = 0.5 * x @ matrix[np.ix_(picked, picked)] @ x + linear[picked] @ x
            best = min(best, value)
    return best


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8])
def test_programs_on_the_simplex_equal_the_best_of_all_sets(size):
    random = np.random.default_rng(size)
    for matrix in grams_of(vectors_of("gaussian", 10, size, 12, seed=2)):
        linear = random.normal(size=size)
        x = simplex_qp(tf.constant(matrix), tf.constant(linear)).numpy()
        assert 0.5 * x @ matrix @ x + linear @ x == pytest.approx(best_by_enumeration(matrix, linear), rel=1e-9)


@pytest.mark.parametrize("size", [2, 5, 9])
def test_bounded_programs_equal_those_of_scipy(size):
    random = np.random.default_rng(size)
    for vectors in vectors_of("gaussian", 10, size, 12, seed=3):
        lower, wanted = random.normal(size=size), random.normal(size=12)
        v = bounded_qp(tf.constant(vectors @ vectors.T), tf.constant(vectors @ wanted), tf.constant(lower)).numpy()
        expected = optimize.lsq_linear(vectors.T, -wanted, bounds=(lower, np.inf), tol=1e-14).x
        np.testing.assert_allclose(v, expected, rtol=1e-5, atol=1e-5)
        assert (v >= lower).all()


def test_variables_without_curvature_are_left_out():
    matrix = tf.constant(np.diag([4.0, 0.0, 1.0]))
    linear = tf.constant([-8.0, -5.0, 3.0], tf.float64)
    np.testing.assert_allclose(nonnegative_qp(matrix, linear), [2.0, 0.0, 0.0], rtol=1e-12)
    np.testing.assert_allclose(bounded_qp(matrix, linear, tf.constant([3.0, 7.0, 1.0], tf.float64)), [3.0, 7.0, 1.0])
    np.testing.assert_allclose(simplex_qp(matrix, tf.zeros(3, tf.float64)), [0.2, 0.0, 0.8], rtol=1e-12)
    np.testing.assert_array_equal(simplex_qp(tf.zeros([2, 3, 3], tf.float64), tf.zeros([2, 3], tf.float64)), 0)


def test_a_program_without_minimum_gives_finite_numbers():
    opposed = tf.constant([[1.0, -1.0], [-1.0, 1.0]], tf.float64)
    assert np.isfinite(nonnegative_qp(opposed, tf.constant([-1.0, -1.0], tf.float64))).all()
    bounded = nonnegative_qp(opposed, tf.constant([-1e-8, -1e-8], tf.float64), ridge=1e-8)
    np.testing.assert_allclose(bounded, [1.0, 1.0], rtol=1e-6)


def test_a_start_changes_nothing_but_the_way():
    matrices = grams_of(vectors_of("gaussian", 20, 6, 8))
    linear = matrices[:, 0]
    start = np.random.default_rng(0).random(linear.shape) < 0.5
    plain = nonnegative_qp(tf.constant(matrices), tf.constant(linear))
    np.testing.assert_allclose(
        nonnegative_qp(tf.constant(matrices), tf.constant(linear), start=tf.constant(start)), plain, atol=1e-9
    )


@pytest.mark.parametrize("solve", [nonnegative_qp, simplex_qp])
def test_compiled_programs_equal_the_eager_ones(solve):
    matrices = tf.constant(grams_of(vectors_of("gaussian", 20, 6, 4)))
    linear = matrices[:, 0]
    compiled = tf.function(solve, jit_compile=True)(matrices, linear)
    eager = solve(matrices, linear)
    products = tf.linalg.matvec(matrices, compiled - eager)
    np.testing.assert_allclose(products, tf.zeros_like(products), atol=1e-8)
