"""Ids of open vocabularies, by hashing: the same in preparation and in the graph of an export."""

from __future__ import annotations

import tensorflow as tf

MISSING = {"int64": -(2**63), "string": ""}
"""The raw value of each dtype that stands for a missing one, and fills lists of raw values up."""


def hashed_ids(values: tf.Tensor, size: int) -> tf.Tensor:
    r"""Returns $1 + \mathrm{hash}(v) \bmod (size - 1)$ of each raw value, and 0 for a missing one.

    The hash is that of `tf.strings.to_hash_bucket_fast` (FarmHash, the same on every machine), of an integer's decimal
    text. Two values may share an id; with $n$ values in use a value shares its own with others with probability
    $1 - e^{-n / size}$, about.

    Args:
        values: Raw values, int64 or string, any shape; `MISSING` where there is none.
        size: Number of ids, id 0 (a missing value) included; at least 2.

    Returns:
        int32 ids of the same shape, in [0, size).

    Example:
        >>> hashed_ids(tf.constant(["cat", "", "dog"]), 100).numpy().tolist()
        [66, 0, 87]
        >>> hashed_ids(tf.constant([7, 8], tf.int64), 100).numpy().tolist()
        [53, 95]
    """
    texts = values if values.dtype == tf.string else tf.strings.as_string(values)
    ids = 1 + tf.strings.to_hash_bucket_fast(texts, size - 1)
    missing = tf.constant(MISSING[values.dtype.name], values.dtype)
    return tf.cast(tf.where(values == missing, tf.zeros_like(ids), ids), tf.int32)
