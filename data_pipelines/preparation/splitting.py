"""Splits of a log into train, valid and test."""

from __future__ import annotations

import numpy as np

SPLITS = ("train", "valid", "test")
TRAIN, VALID, TEST = range(3)
SPLIT_WAYS = ("random", "date", "user", "leave_one_out")


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


def leave_one_out_split(from_end: np.ndarray, rows_of_user: np.ndarray) -> np.ndarray:
    """Splits off each user's last row for test and the one before for valid.

    Args:
        from_end: Number of later rows of the same user [n].
        rows_of_user: Number of rows of the row's user [n]; users with fewer than three are all in train.

    Returns:
        int8 [n]: 0 train, 1 valid, 2 test.

    Example:
        >>> leave_one_out_split(np.array([2, 1, 0, 0]), np.array([3, 3, 3, 1])).tolist()
        [0, 1, 2, 0]
    """
    return np.where(rows_of_user < 3, TRAIN, np.choose(np.minimum(from_end, 2), [TEST, VALID, TRAIN])).astype(np.int8)


def check_no_empty_split(counts: np.ndarray, hint: str) -> None:
    """Refuses a split with an empty part.

    Args:
        counts: Number of rows in train, valid and test.
        hint: What the reader may do about it.

    Raises:
        ValueError: If no row is in train, valid or test.

    Example:
        >>> check_no_empty_split(np.array([1, 1, 0]), "take more days")
        Traceback (most recent call last):
        ValueError: the split leaves no row in: test (rows: train 1, valid 1, test 0); take more days
    """
    if empty := [name for name, count in zip(SPLITS, counts, strict=True) if not count]:
        rows = ", ".join(f"{name} {count}" for name, count in zip(SPLITS, counts, strict=True))
        raise ValueError(f"the split leaves no row in: {', '.join(empty)} (rows: {rows}); {hint}")
