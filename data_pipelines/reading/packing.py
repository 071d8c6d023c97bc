"""Columns side by side in a few arrays, so that a batch costs one operation a dtype and not one a column."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Pack:
    """Columns [n] of one dtype as an array [n, columns], or one column of lists as it is, [n, length].

    Args:
        names: Names of the columns.
        dtype: Their dtype.
        width: Length of a row of the array.
        listed: Whether the one column is a column of lists.
    """

    names: tuple[str, ...]
    dtype: str
    width: int
    listed: bool = False

    def join(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """Returns the array [n, width]."""
        if self.listed:
            return np.ascontiguousarray(columns[self.names[0]], self.dtype)
        first = columns[self.names[0]]
        array = np.empty((len(first), self.width), self.dtype)
        for at, name in enumerate(self.names):
            array[:, at] = columns[name]
        return array

    def part(self, rows: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns the columns [B] or [B, length] of rows [B, width] of the array."""
        if self.listed:
            return {self.names[0]: rows}
        return dict(zip(self.names, tf.unstack(tf.transpose(rows), num=self.width), strict=True))


def packs_of(columns: Mapping[str, np.ndarray]) -> list[Pack]:
    """Returns how columns are packed.

    Args:
        columns: Columns [n] or [n, length] by name; their rows are not looked at, there may be none.

    Example:
        >>> columns = {"a": np.arange(2), "b": np.arange(2) + 5, "tags": np.zeros((2, 3), "int64")}
        >>> for pack in packs_of(columns):
        ...     print(pack.names, pack.join(columns).tolist())
        ('a', 'b') [[0, 5], [1, 6]]
        ('tags',) [[0, 0, 0], [0, 0, 0]]
    """
    flat: dict[str, list[str]] = {}
    listed = []
    for name, values in columns.items():
        if values.ndim == 2:
            listed.append(Pack((name,), str(values.dtype), values.shape[1], listed=True))
        else:
            flat.setdefault(str(values.dtype), []).append(name)
    return [*(Pack(tuple(names), dtype, len(names)) for dtype, names in flat.items()), *listed]
