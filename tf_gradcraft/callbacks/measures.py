"""What Gram matrices and weights say: norms, cosines, conflicts before and after balancing."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np

CONFLICT = -1e-6
"""A cosine below this is a conflict; what is nearer to 0 is rounding, such as after a projection."""


class Measures(NamedTuple):
    """What the task gradients of S steps are like; NaN where a task, or one of a pair, has no gradient.

    Attributes:
        norms: Norms [S, T].
        weights: Weights [S, T] of the tasks in the update.
        cosines: Cosines [S, T, T].
        conflict: Share [S] of the pairs of tasks whose gradients point against each other.
        residual: Share [S] of the tasks that the balanced update points against.
    """

    norms: np.ndarray
    weights: np.ndarray
    cosines: np.ndarray
    conflict: np.ndarray
    residual: np.ndarray


def measure(gram: np.ndarray, weights: np.ndarray) -> Measures:
    r"""Measures task gradients on some parts together.

    With the Gram matrix $A_p$ of part p and its weights $w_p$, all parts together have $A = \sum_p A_p$, and the update
    $g = \sum_t w_t g_t$ has the products $\langle g, g_t \rangle = (\sum_p A_p w_p)_t$ with the task gradients and the
    squared norm $\sum_p w_p^T A_p w_p$. The weight of a task over several parts is the mean of its weights in them,
    weighted by its squared norms there.

    Args:
        gram: Gram matrices [S, P, T, T].
        weights: Weights [S, P, T], or [S, 1, T] for all parts.

    Example:
        >>> gram = np.array([[[[4.0, -1.0], [-1.0, 1.0]]]])
        >>> found = measure(gram, np.array([[[1.0, 1.0]]]))
        >>> found.norms.tolist(), found.cosines[0, 0].tolist(), found.conflict.tolist(), found.residual.tolist()
        ([[2.0, 1.0]], [1.0, -0.5], [1.0], [0.0])
    """
    weights = np.broadcast_to(weights, gram.shape[:-1])
    squares = np.diagonal(gram, axis1=-2, axis2=-1)
    total = gram.sum(axis=1)
    present = np.diagonal(total, axis1=-2, axis2=-1) > 0
    norms = np.where(present, np.sqrt(np.maximum(squares.sum(axis=1), 0)), np.nan)
    cosines = np.clip(total / (norms[:, :, np.newaxis] * norms[:, np.newaxis]), -1, 1)
    conflicts = np.where(np.isnan(cosines), np.nan, cosines < CONFLICT)
    one, other = np.triu_indices(gram.shape[-1], k=1)
    products = np.einsum("spij,spj->spi", gram, weights)
    length = np.sqrt(np.maximum(np.einsum("spi,spi->s", products, weights), 0))[:, np.newaxis]
    against = np.where(present, products.sum(axis=1) < CONFLICT * norms * length, np.nan)
    return Measures(
        norms=norms,
        weights=np.where(present, _over_parts(weights, squares), np.nan),
        cosines=cosines,
        conflict=mean(conflicts[:, one, other], axis=1),
        residual=mean(against, axis=1),
    )


def _over_parts(weights: np.ndarray, squares: np.ndarray) -> np.ndarray:
    """Returns the means [S, T] of weights [S, P, T] weighted by squared norms [S, P, T]; of one part the weights."""
    if weights.shape[1] == 1:
        return weights[:, 0]
    whole = squares.sum(axis=1)
    return (weights * squares).sum(axis=1) / np.where(whole > 0, whole, 1)


def mean(values: np.ndarray, axis: int = 0) -> np.ndarray:
    """Returns means of what is not NaN; NaN where there is nothing else.

    Example:
        >>> mean(np.array([[1.0, np.nan], [3.0, np.nan]])).tolist()
        [2.0, nan]
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", category=RuntimeWarning)  # numpy warns of a mean of nothing
        return np.nanmean(values, axis=axis)
