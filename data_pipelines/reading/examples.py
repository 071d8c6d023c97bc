"""Rows as serialised `tf.train.Example`, many at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import tensorflow as tf


def serialize_rows(columns: Mapping[str, np.ndarray]) -> Iterable[bytes]:
    """Yields the serialised `tf.train.Example` of each row.

    Integers become an `int64_list`, other numbers a `float_list`, under the column's name. Building one message a row
    takes most of its time in Python. Here each distinct value of a column is serialised once, as a message with this
    feature alone; the concatenation of such messages is a message with all of them, as Protocol Buffers define.

    Args:
        columns: Columns [n], or [n, length] of lists, by name.

    Example:
        >>> (row,) = serialize_rows({"user": np.array([300]), "tags": np.array([[4, -1]])})
        >>> features = tf.train.Example.FromString(row).features.feature
        >>> list(features["user"].int64_list.value), list(features["tags"].int64_list.value)
        ([300], [4, -1])
    """
    parts = [_serialize_column(name, values) for name, values in columns.items()]
    for row in map(b"".join, zip(*parts, strict=True)):
        # Field 1 of an Example, length-delimited: the features.
        yield b"\x0a" + varint(len(row)) + row


def _serialize_column(name: str, values: np.ndarray) -> list[bytes]:
    if values.ndim == 2:
        return [_message(name, row) for row in values.tolist()]
    # By their bits, so that 0.0 and -0.0 stay two.
    bits = values.astype(np.float32).view(np.int32) if values.dtype.kind == "f" else values
    distinct, which = np.unique(bits, return_inverse=True)
    if values.dtype.kind == "f":
        distinct = distinct.view(np.float32)
    messages = np.empty(len(distinct), object)
    messages[:] = [_message(name, [value]) for value in distinct.tolist()]
    return messages[which].tolist()


def _message(name: str, values: list) -> bytes:
    if values and isinstance(values[0], float):
        feature = tf.train.Feature(float_list=tf.train.FloatList(value=values))
    else:
        feature = tf.train.Feature(int64_list=tf.train.Int64List(value=values))
    return tf.train.Features(feature={name: feature}).SerializeToString()


def varint(number: int) -> bytes:
    r"""Returns a number >= 0 in the variable-length form of Protocol Buffers.

    Example:
        >>> varint(300)
        b'\xac\x02'
    """
    digits = []
    while number > 127:
        digits.append(number % 128 + 128)
        number //= 128
    return bytes([*digits, number])
