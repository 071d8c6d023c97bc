"""Frank-Wolfe and damped Newton against exact answers and the equations that they solve."""

import numpy as np
import pytest
import tensorflow as tf
from matrices import KINDS, grams_of, vectors_of
from scipy import optimize

from tf_gradcraft.linalg import fair_weights, frank_wolfe_min_norm

pytestmark = pytest.mark.in_turns

SOLVABLE = {"gaussian": 1e-12, "scales": 1e-12, "condition 1e12": 1e-5}


def shortest(vectors, weights):
    return np.linalg.norm(np.einsum("nt,ntd->nd", weights, vectors), axis=1)


@pytest.mark.thorough
@pytest.mark.parametrize("kind", KINDS)
def test_frank_wolfe_stays_on_the_simplex_and_goes_downhill(kind):
    vectors = vectors_of(kind, 20, 6, 8)
    run = tf.function(frank_wolfe_min_norm)
    lengths = [np.linalg.norm(vectors, axis=2).min(axis=1)]
    for iterations in (10, 100, 1000):
        x = run(tf.constant(grams_of(vectors)), iterations=iterations).numpy()
        assert (x >= 0).all()
        np.testing.assert_allclose(x.sum(axis=1), 1, rtol=1e-12)
        lengths.append(shortest(vectors, x))
        assert (lengths[-1] <= lengths[-2] * (1 + 1e-9)).all()


def test_frank_wolfe_reaches_the_shortest_vector():
    vectors = vectors_of("gaussian", 20, 6, 8)
    found = shortest(vectors, frank_wolfe_min_norm(tf.constant(grams_of(vectors)), iterations=1000).numpy())
    for length, one in zip(found, vectors, strict=True):
        hull = np.vstack([one.T, np.ones(len(one))])
        weights, _ = optimize.nnls(hull, np.append(np.zeros(one.shape[1]), 1.0))
        assert length == pytest.approx(np.linalg.norm(weights / weights.sum() @ one), rel=1e-9)


def test_frank_wolfe_is_exact_for_two_vectors():
    for vectors in vectors_of("gaussian", 50, 2, 3):
        one, other = vectors
        share = np.clip(other @ (other - one) / ((one - other) @ (one - other)), 0, 1)
        x = frank_wolfe_min_norm(tf.constant(vectors @ vectors.T), iterations=2).numpy()
        np.testing.assert_allclose(x, [share, 1 - share], atol=1e-12)


def test_frank_wolfe_leaves_out_what_has_no_length():
    x = frank_wolfe_min_norm(tf.constant([np.diag([1.0, 0.0, 4.0]), np.zeros((3, 3))]))
    np.testing.assert_allclose(x, [[0.8, 0.0, 0.2], [0.0, 0.0, 0.0]], rtol=1e-12)


@pytest.mark.parametrize("power", [0.2, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("size", [1, 2, 6, 16])
def test_fair_weights_solve_their_equation(power, size):
    matrices = grams_of(vectors_of("gaussian", 50, size, 64))
    weights = fair_weights(tf.constant(matrices), power).numpy()
    assert (weights > 0).all()
    np.testing.assert_allclose(np.einsum("nij,nj->ni", matrices, weights), weights**-power, rtol=1e-6)


@pytest.mark.parametrize("size", [6, 16])
def test_fair_weights_do_not_mind_scales_and_condition(size):
    for kind, rounding in SOLVABLE.items():
        matrices = grams_of(vectors_of(kind, 20, size, 64))
        weights = fair_weights(tf.constant(matrices)).numpy()
        norms = np.sqrt(np.einsum("nii->ni", matrices))
        # What the ridge adds is known: the equation that is left is solved to rounding.
        ridge = 1e-9 * norms**2 * weights
        np.testing.assert_allclose(np.einsum("nij,nj->ni", matrices, weights) + ridge, 1 / weights, rtol=rounding)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("power", [0.5, 1.0, 2.0])
def test_fair_weights_are_finite_and_positive_where_there_is_no_solution(kind, power):
    weights = fair_weights(tf.constant(grams_of(vectors_of(kind, 20, 8, 4))), power).numpy()
    assert np.isfinite(weights).all()
    assert (weights > 0).all()


def test_fair_weights_leave_out_what_has_no_length():
    weights = fair_weights(tf.constant([np.diag([4.0, 0.0, 0.25]), np.zeros((3, 3))]))
    np.testing.assert_allclose(weights, [[0.5, 0.0, 2.0], [0.0, 0.0, 0.0]], rtol=1e-6)


@pytest.mark.parametrize("solve", [frank_wolfe_min_norm, fair_weights])
def test_compiled_answers_equal_the_eager_ones(solve):
    matrices = tf.constant(grams_of(vectors_of("gaussian", 10, 4, 20)))
    np.testing.assert_allclose(tf.function(solve, jit_compile=True)(matrices), solve(matrices), rtol=1e-6, atol=1e-9)
