"""Non-dominated points and the volume they dominate."""

from __future__ import annotations

from typing import Any

import numpy as np


def non_dominated(values: Any) -> np.ndarray:
    """Returns which points no other point dominates: none is as good in every objective and better in one.

    Args:
        values: Numbers [N, M], one row a point; larger is better in each column. A row with a NaN counts as dominated,
            and dominates none. Points that are equal stay together.

    Returns:
        bool [N].

    Raises:
        ValueError: If `values` has another number of dimensions.

    Example:
        >>> non_dominated([[0.7, 0.5], [0.6, 0.6], [0.6, 0.5]]).tolist()
        [True, True, False]
    """
    points = _matrix(values)
    usable = ~np.isnan(points).any(axis=1)
    at_least = (points[np.newaxis] >= points[:, np.newaxis]).all(axis=2)
    above = (points[np.newaxis] > points[:, np.newaxis]).any(axis=2)
    return usable & ~(at_least & above & usable[np.newaxis]).any(axis=1)


def hypervolume(values: Any, reference: Any) -> float:
    r"""Returns the volume between a reference point and the points, the measure of the union of boxes.

    Exact, for any number of objectives: the sum of what each point adds to those after it, the part of its box that
    theirs do not cover, which is again a hypervolume, of the other points cut off at this one.

    Paper: While, Bradstreet and Barone, "A Fast Way of Calculating Exact Hypervolumes", IEEE Transactions on
    Evolutionary Computation 16 (2012), without its slicing.

    Args:
        values: Numbers [N, M], larger is better. Points that are not above the reference in every column add nothing.
        reference: Numbers [M].

    Raises:
        ValueError: If the shapes do not fit.

    Example:
        >>> hypervolume([[2.0, 1.0], [1.0, 2.0]], reference=[0.0, 0.0])
        3.0
    """
    points, origin = _matrix(values), np.asarray(reference, dtype=np.float64)
    if origin.shape != points.shape[1:]:
        raise ValueError(f"hypervolume: {points.shape[1]} objectives, but a reference of shape {origin.shape}")
    gains = points - origin
    return _volume(gains[(gains > 0).all(axis=1)])


def hypervolumes(values: Any, reference: Any) -> np.ndarray:
    """Returns the hypervolume of the first 1, 2, ..., N points, float64 [N]; see `hypervolume`.

    Example:
        >>> hypervolumes([[2.0, 1.0], [1.0, 1.0], [1.0, 2.0]], reference=[0.0, 0.0]).tolist()
        [2.0, 2.0, 3.0]
    """
    gains = _matrix(values) - np.asarray(reference, dtype=np.float64)
    front, volumes, total = gains[:0], [], 0.0
    for gain in gains:
        if (gain > 0).all():
            total += _added(gain, front)
            front = np.vstack([front, gain])
            front = front[non_dominated(front)]
        volumes.append(total)
    return np.asarray(volumes)


def _volume(points: np.ndarray) -> float:
    points = np.unique(points[non_dominated(points)], axis=0)
    return float(sum(_added(point, points[at + 1 :]) for at, point in enumerate(points)))


def _added(point: np.ndarray, others: np.ndarray) -> float:
    """Returns the volume of a point's box that the others' boxes do not cover."""
    return float(np.prod(point)) - (_volume(np.minimum(point, others)) if len(others) else 0.0)


def _matrix(values: Any) -> np.ndarray:
    points = np.asarray(values, dtype=np.float64)
    if points.ndim != 2:
        raise ValueError(f"points are a matrix [points, objectives], got shape {points.shape}")
    return points
