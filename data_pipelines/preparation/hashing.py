"""An arithmetic hash of integer columns: the same on every machine and engine, whatever the order of the rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def splitmix64(values: np.ndarray) -> np.ndarray:
    """The splitmix64 finaliser: mixes 64 bits so that every input bit moves every output bit.

    Args:
        values: uint64 array.

    Returns:
        uint64 array of the same shape. (Steele, Lea and Flood, "Fast splittable pseudorandom number generators",
        OOPSLA 2014.)

    Example:
        >>> hex(int(splitmix64(np.array([0], np.uint64))[0]))
        '0xe220a8397b1dcdaf'
    """
    mixed = values + GOLDEN
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def row_uniform(columns: Sequence[np.ndarray], seed: int, stream: int) -> np.ndarray:
    """Returns a number in [0, 1) for each row that depends on the row's values, the seed and the stream alone.

    Args:
        columns: Integer columns [n] that tell the rows apart, for instance user, item and time. Rows that agree in all
            of them get the same number.
        seed: Any integer.
        stream: Numbers of different streams are independent of each other (one for splits, one for folds).

    Returns:
        float64 [n].

    Example:
        >>> users, items = np.array([1, 2]), np.array([5, 5])
        >>> numbers = row_uniform([users, items], seed=0, stream=0)
        >>> bool((numbers[::-1] == row_uniform([users[::-1], items[::-1]], seed=0, stream=0)).all())
        True
    """
    start = splitmix64(np.array([seed % 2**64], np.uint64) ^ splitmix64(np.array([stream], np.uint64)))
    state = np.broadcast_to(start, columns[0].shape)
    for column in columns:
        state = splitmix64(state ^ column.astype(np.int64).view(np.uint64))
    # 53 bits fill a float64; more would round up to 1.
    return (state >> np.uint64(11)).astype(np.float64) / 2.0**53
