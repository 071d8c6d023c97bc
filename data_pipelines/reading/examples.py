"""Rows as serialised `tf.train.Example`, many at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import tensorflow as tf


def serialize_rows(columns: Mapping[str, np.ndarray]) -> Iterable[bytes]:
    """Yields the serialised `tf.train.Example` of each row.

    Integers become an `int64_list`, other numbers a `float_list`, under the column's name. Building one message a row
    would take most of the time in Python. Here Protocol Buffers serialise one message a column (and length of the
    number), into which the numbers of the other rows are put; the concatenation of messages with a feature each is a
    message with all of them, as Protocol Buffers define.

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
    if values.dtype.kind == "f":
        encoded = values.astype("<f4").view(np.uint8).reshape(-1, 4)
        lengths = np.full(len(values), 4)
    else:
        encoded, lengths = varints(values)
    messages = np.empty(len(values), object)
    for length in np.unique(lengths):
        rows = np.flatnonzero(lengths == length)
        # The number stands at the end of the message.
        before = _message(name, [values[rows[0]].item()])[:-length]
        whole = np.empty((len(rows), len(before) + length), np.uint8)
        whole[:, : len(before)] = np.frombuffer(before, np.uint8)
        whole[:, len(before) :] = encoded[rows, :length]
        messages[rows] = whole.view(f"V{whole.shape[1]}").ravel().astype(object)
    return messages.tolist()


def _message(name: str, values: list) -> bytes:
    if values and isinstance(values[0], float):
        feature = tf.train.Feature(float_list=tf.train.FloatList(value=values))
    else:
        feature = tf.train.Feature(int64_list=tf.train.Int64List(value=values))
    return tf.train.Features(feature={name: feature}).SerializeToString()


def varints(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    r"""Returns integers in the variable-length form of Protocol Buffers: uint8 [n, 10], and lengths [n].

    Example:
        >>> encoded, lengths = varints(np.array([300, -1]))
        >>> [bytes(row[:length]) for row, length in zip(encoded, lengths)]
        [b'\xac\x02', b'\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01']
    """
    bits = values.astype(np.int64).view(np.uint64)[:, np.newaxis] >> (np.arange(10, dtype=np.uint64) * np.uint64(7))
    lengths = np.maximum(1, np.count_nonzero(bits, axis=1))
    encoded = (bits & np.uint64(127)).astype(np.uint8)
    encoded[np.arange(10) < lengths[:, np.newaxis] - 1] |= 128
    return encoded, lengths


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
