"""Checks of columns, vectorised, shared by preparation and loading."""

from __future__ import annotations

import numpy as np


def refuse_rows(bad: np.ndarray, values: np.ndarray, where: str, column: str, problem: str, remedy: str) -> None:
    """Raises an error that names the first bad row (counted from 0).

    Args:
        bad: bool [n].
        values: The column [n].
        where: File or split.
        column: Name of the column.
        problem: What is wrong with a bad value.
        remedy: What to do.

    Raises:
        ValueError: If any row is bad.

    Example:
        >>> refuse_rows(np.array([False, True]), np.array([1, 2]), "log.csv", "click", "is not 0 or 1", "repair it")
        Traceback (most recent call last):
        ValueError: log.csv, column 'click': the value 2 in row 1 is not 0 or 1 (1 of 2 rows); repair it
    """
    if bad.any():
        row = int(np.argmax(bad))
        raise ValueError(
            f"{where}, column {column!r}: the value {values[row]} in row {row} {problem} "
            f"({int(bad.sum())} of {len(bad)} rows); {remedy}"
        )


def check_binary(values: np.ndarray, where: str, column: str, remedy: str) -> None:
    """Refuses labels that are missing or neither 0 nor 1 (see `refuse_rows`)."""
    refuse_rows(np.isnan(values), values, where, column, "is missing or NaN", remedy)
    refuse_rows((values != 0) & (values != 1), values, where, column, "is no label of a binary task (0 or 1)", remedy)


def check_finite(values: np.ndarray, where: str, column: str, remedy: str) -> None:
    """Refuses NaN and infinite numbers (see `refuse_rows`)."""
    refuse_rows(~np.isfinite(values), values, where, column, "is NaN or infinite", remedy)


def check_weights(values: np.ndarray, where: str, column: str, remedy: str) -> None:
    """Refuses weights that are negative, NaN or infinite (see `refuse_rows`)."""
    refuse_rows(~(np.isfinite(values) & (values >= 0)), values, where, column, "is no weight (finite, >= 0)", remedy)


def check_ids(values: np.ndarray, size: int, where: str, column: str, remedy: str) -> None:
    """Refuses ids outside [0, size) (see `refuse_rows`)."""
    refuse_rows((values < 0) | (values >= size), values, where, column, f"is no id (0 <= id < {size})", remedy)
