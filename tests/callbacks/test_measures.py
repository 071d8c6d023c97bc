"""Norms, cosines and conflicts from Gram matrices, against the gradient vectors themselves."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tf_gradcraft.callbacks.measures import measure


def of_vectors(gradients, weights):
    """The same from gradients: a list of arrays [T, N_p], one a part, and weights [P, T]."""
    whole = np.concatenate(gradients, axis=1)
    update = np.concatenate([w @ g for w, g in zip(weights, gradients, strict=True)])
    lengths = np.linalg.norm(whole, axis=1)
    some = np.flatnonzero(lengths)
    cosines = {(s, t): whole[s] @ whole[t] / lengths[s] / lengths[t] for s in some for t in some}
    pairs = [cosines[s, t] < -1e-6 for s in some for t in some if s < t]
    against = [whole[t] @ update < -1e-6 * lengths[t] * np.linalg.norm(update) for t in some]
    conflict, residual = (np.mean(of) if of else np.nan for of in (pairs, against))
    return lengths, cosines, conflict, residual


@given(seed=st.integers(0, 10_000), tasks=st.integers(1, 5), parts=st.integers(1, 3), absent=st.booleans())
def test_measures_are_those_of_the_vectors(seed, tasks, parts, absent):
    random = np.random.default_rng(seed)
    gradients = [random.normal(size=(tasks, random.integers(1, 4))) for _ in range(parts)]
    if absent:
        for of_part in gradients:
            of_part[0] = 0
    weights = random.uniform(0, 2, size=(parts, tasks))
    gram = np.stack([of_part @ of_part.T for of_part in gradients])
    found = measure(gram[np.newaxis], weights[np.newaxis])
    lengths, cosines, conflict, residual = of_vectors(gradients, weights)
    np.testing.assert_allclose(np.nan_to_num(found.norms[0]), lengths, rtol=1e-9)
    for pair, cosine in cosines.items():
        assert found.cosines[0][pair] == pytest.approx(cosine, abs=1e-9)
    assert np.isnan(found.cosines[0]).sum() == tasks**2 - len(cosines)
    assert found.conflict[0] == pytest.approx(conflict, nan_ok=True)
    assert found.residual[0] == pytest.approx(residual, nan_ok=True)


def test_one_part_has_the_weights_themselves_and_several_their_mean_by_squares():
    gram = np.array([[[[4.0, 0.0], [0.0, 1.0]], [[12.0, 0.0], [0.0, 0.0]]]])
    weights = np.array([[[1.0, 2.0], [3.0, 7.0]]])
    np.testing.assert_allclose(measure(gram[:, :1], weights[:, :1]).weights, [[1.0, 2.0]])
    np.testing.assert_allclose(measure(gram, weights).weights, [[2.5, 2.0]])


def test_rounding_after_a_projection_is_no_conflict():
    gram = np.array([[[[1.0, -1e-9], [-1e-9, 1.0]]]])
    found = measure(gram, np.ones([1, 1, 2]))
    assert (found.conflict[0], found.residual[0]) == (0, 0)
