"""Checks of columns, vectorised, shared by preparation and loading."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from tf_gradcraft.data_pipelines.task import Task


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


def check_labels(values: np.ndarray, task: Task, where: str, column: str, remedy: str) -> None:
    """Refuses labels that the kind of a task does not have; rows without label must not be among them.

    Args:
        values: The labels [n].
        task: The task.
        where: File or split.
        column: Name of the column.
        remedy: What to do.

    Raises:
        ValueError: If any label is missing or not one of the task, see `refuse_rows`.

    Example:
        >>> from tf_gradcraft.data_pipelines.task import Task
        >>> mood = Task(name="mood", kind="multiclass", classes=3)
        >>> check_labels(np.array([0, 3]), mood, "a.csv", "mood", "mend it")
        Traceback (most recent call last):
        ValueError: a.csv, column 'mood': the value 3.0 in row 1 is no class of the task (0 to 2) (1 of 2 rows); mend it
    """
    values = np.asarray(values, np.float64)
    refuse_rows(np.isnan(values), values, where, column, "is missing or NaN", remedy)
    bad, problem = _refused_by_kind(values, task)
    refuse_rows(bad, values, where, column, problem, remedy)


def _refused_by_kind(values: np.ndarray, task: Task) -> tuple[np.ndarray, str]:
    if task.kind == "binary":
        return (values != 0) & (values != 1), "is no label of a binary task (0 or 1)"
    if task.kind == "multiclass":
        inside = (values >= 0) & (values < task.outputs) & (values == np.floor(values))
        return ~inside, f"is no class of the task (0 to {task.outputs - 1})"
    if task.kind == "regression" and task.transform is None:
        return ~np.isfinite(values), "is no finite number"
    return ~(np.isfinite(values) & (values >= 0)), f"is no label of this {task.kind} task (finite, >= 0)"


def check_finite(values: np.ndarray, where: str, column: str, remedy: str) -> None:
    """Refuses NaN and infinite numbers (see `refuse_rows`)."""
    refuse_rows(~np.isfinite(values), values, where, column, "is NaN or infinite", remedy)


def check_weights(values: np.ndarray, where: str, column: str, remedy: str) -> None:
    """Refuses weights that are negative, NaN or infinite (see `refuse_rows`)."""
    refuse_rows(~(np.isfinite(values) & (values >= 0)), values, where, column, "is no weight (finite, >= 0)", remedy)


def check_ids(values: np.ndarray, size: int, where: str, column: str, remedy: str) -> None:
    """Refuses ids outside [0, size) (see `refuse_rows`)."""
    refuse_rows((values < 0) | (values >= size), values, where, column, f"is no id (0 <= id < {size})", remedy)


def check_lists(values: np.ndarray, size: int, where: str, column: str, remedy: str) -> None:
    """Refuses lists [n, length] with anything but ids in [0, size) and padding, -1 (see `refuse_rows`)."""
    bad: np.ndarray = np.any((values < -1) | (values >= size), axis=1)
    refuse_rows(bad, values, where, column, f"holds what is no id (0 <= id < {size}) nor padding (-1)", remedy)
