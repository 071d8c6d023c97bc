"""Non-dominated points and hypervolumes, against definitions spelled out."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tf_gradcraft.tuning import hypervolume, non_dominated
from tf_gradcraft.tuning.pareto import hypervolumes

# A coarse grid, so that points are equal or share a coordinate often.
points = st.tuples(st.integers(1, 7), st.integers(1, 5)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=st.integers(-1, 4).map(float))
)


def dominates(one, other):
    return all(a >= b for a, b in zip(one, other, strict=True)) and any(a > b for a, b in zip(one, other, strict=True))


def union_of_boxes(values, reference):
    """Inclusion and exclusion over all sets of points."""
    gains = np.clip(np.asarray(values) - reference, 0, None)
    total = 0.0
    for size in range(1, len(gains) + 1):
        for chosen in itertools.combinations(gains, size):
            total -= (-1) ** size * np.prod(np.min(chosen, axis=0))
    return total


@given(points)
def test_the_front_is_what_no_point_dominates(values):
    expected = [not any(dominates(other, one) for other in values) for one in values]
    assert non_dominated(values).tolist() == expected


@given(points)
def test_hypervolume_is_the_volume_of_the_union_of_boxes(values):
    reference = np.zeros(values.shape[1])
    np.testing.assert_allclose(hypervolume(values, reference), union_of_boxes(values, reference), atol=1e-9)


@given(points)
def test_volumes_over_trials_are_those_of_the_first_ones_and_grow(values):
    reference = np.zeros(values.shape[1])
    volumes = hypervolumes(values, reference)
    expected = [hypervolume(values[:count], reference) for count in range(1, len(values) + 1)]
    np.testing.assert_allclose(volumes, expected, atol=1e-9)
    assert (np.diff(volumes) >= -1e-9).all()
    np.testing.assert_allclose(hypervolume(values[::-1], reference), volumes[-1], atol=1e-9)


def test_hypervolume_of_six_tasks_is_near_the_share_of_random_points_that_are_dominated():
    random = np.random.default_rng(0)
    values = random.uniform(0.5, 0.8, (40, 6))
    drawn = random.uniform(0.5, 0.8, (100_000, 6))
    below = np.zeros(len(drawn), bool)
    for value in values:
        below |= (drawn <= value).all(axis=1)
    share, volume = below.mean(), hypervolume(values, np.full(6, 0.5))
    error = np.sqrt(share * (1 - share) / len(drawn))
    assert abs(volume / 0.3**6 - share) < 4 * error


def test_a_point_without_a_number_is_on_no_front_and_dominates_none():
    assert non_dominated([[np.nan, 9.0], [0.1, 0.2]]).tolist() == [False, True]
    assert hypervolumes([[np.nan, 9.0], [0.5, 0.5]], [0.0, 0.0]).tolist() == [0.0, 0.25]


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"points are a matrix \[points, objectives\], got shape \(2,\)"):
        non_dominated([0.1, 0.2])
    with pytest.raises(ValueError, match="2 objectives, but a reference of shape"):
        hypervolume([[0.1, 0.2]], [0.0])
