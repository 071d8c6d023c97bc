"""Gram matrices to solve with: random, singular, ill-conditioned, of very different scales."""

import numpy as np

KINDS = ("gaussian", "duplicates", "cancelling", "nearly alike", "scales", "one line", "condition 1e12")


def vectors_of(kind, count, size, dimension, seed=0):
    """Returns vectors [count, T, D] of a kind."""
    random = np.random.default_rng([size, dimension, seed, KINDS.index(kind)])
    vectors = random.normal(size=(count, size, dimension)) * np.exp(random.normal(size=(count, size, 1)))
    half = size - size // 2
    if kind == "duplicates":
        vectors[:, half:] = vectors[:, : size // 2] * random.choice([-1, 1, 2], size=(count, size // 2, 1))
    elif kind == "cancelling" and size > 1:
        vectors[:, -1] = -vectors[:, :-1].sum(axis=1)
    elif kind == "nearly alike":
        signs = random.choice([-1, 1], size=(count, size // 2, 1))
        vectors[:, half:] = vectors[:, : size // 2] * signs
        vectors[:, half:] += 1e-7 * random.normal(size=(count, size // 2, dimension))
    elif kind == "scales":
        vectors *= 10.0 ** random.integers(-10, 16, size=(count, size, 1))
    elif kind == "one line":
        vectors = random.choice([-1.0, 1.0], size=(count, size, 1)) * random.normal(size=(count, 1, dimension))
    elif kind == "condition 1e12":
        left, _ = np.linalg.qr(random.normal(size=(count, size, size)))
        right, _ = np.linalg.qr(random.normal(size=(count, size, size)))
        vectors = left * np.geomspace(1, 1e-6, size) @ right
    return vectors


def grams_of(vectors):
    return vectors @ vectors.transpose(0, 2, 1)
