"""Columns side by side in a few arrays, so that a batch costs one operation a dtype and not one a column."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

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


@dataclasses.dataclass(frozen=True)
class Layout:
    """What an element of a dataset holds.

    Args:
        features: Names of the columns of the first part of an element.
        masks: For each task (a column of labels) the name of its mask column, or None.
    """

    features: Sequence[str]
    masks: Mapping[str, str | None]

    @property
    def columns(self) -> list[str]:
        """Names of all columns that are needed, each once."""
        return list(dict.fromkeys([*self.features, *self.masks, *(mask for mask in self.masks.values() if mask)]))

    def element(self, batch: Mapping[str, tf.Tensor]) -> tuple:
        """Returns `(features, labels)` or, when there is any mask, `(features, labels, weights)` of a batch."""
        parts: tuple = ({name: batch[name] for name in self.features}, {task: batch[task] for task in self.masks})
        if any(self.masks.values()):
            ones = tf.ones_like(batch[next(iter(self.masks))])
            parts += ({task: batch[mask] if mask else ones for task, mask in self.masks.items()},)
        return parts
