"""Splits of a log into train, valid and test."""

from __future__ import annotations

import numpy as np

SPLITS = ("train", "valid", "test")
TRAIN, VALID, TEST = range(3)
SPLIT_WAYS = ("random", "date")


def random_split(uniform: np.ndarray) -> np.ndarray:
    """Splits 8:1:1 at random.

    Args:
        uniform: Numbers in [0, 1) [n], see `row_uniform`.

    Returns:
        int8 [n]: 0 train, 1 valid, 2 test.

    Example:
        >>> random_split(np.array([0.1, 0.85, 0.95])).tolist()
        [0, 1, 2]
    """
    return np.digitize(uniform, [0.8, 0.9]).astype(np.int8)


def date_split(dates: np.ndarray, valid_from: int, test_from: int) -> np.ndarray:
    """Splits by time: train, then valid, then test.

    Args:
        dates: Integers [n] that grow with time, for instance 20220425.
        valid_from: First date of the valid part.
        test_from: First date of the test part.

    Returns:
        int8 [n]: 0 train, 1 valid, 2 test.

    Raises:
        ValueError: If `valid_from` is not before `test_from`.

    Example:
        >>> date_split(np.array([1, 2, 3]), valid_from=2, test_from=3).tolist()
        [0, 1, 2]
    """
    if not valid_from < test_from:
        raise ValueError(f"valid_from={valid_from} must come before test_from={test_from}")
    return np.digitize(dates, [valid_from, test_from]).astype(np.int8)


def check_no_empty_split(split: np.ndarray, hint: str) -> None:
    """Refuses a split with an empty part.

    Args:
        split: int8 [n] as the functions above return it.
        hint: What the reader may do about it.

    Raises:
        ValueError: If no row is in train, valid or test.

    Example:
        >>> check_no_empty_split(np.array([0, 1], np.int8), "take more days")
        Traceback (most recent call last):
        ValueError: the split leaves no row in: test (rows: train 1, valid 1, test 0); take more days
    """
    counts = np.bincount(split, minlength=len(SPLITS))
    if empty := [name for name, count in zip(SPLITS, counts, strict=True) if not count]:
        rows = ", ".join(f"{name} {count}" for name, count in zip(SPLITS, counts, strict=True))
        raise ValueError(f"the split leaves no row in: {', '.join(empty)} (rows: {rows}); {hint}")
