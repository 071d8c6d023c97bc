"""The norm that gradients are brought towards."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from tf_gradcraft.linalg import safe_divide
from tf_gradcraft.suggestions import unknown_name

MAGNITUDES = ("max", "mean", "median", "geometric")


def resolve_magnitude(method: str, magnitude: str | int, tasks: Sequence[str]) -> str | int:
    """Returns the magnitude with a task's name resolved to its position.

    Raises:
        ValueError: If it is neither one of `MAGNITUDES` nor a task.
    """
    if magnitude in MAGNITUDES:
        return magnitude
    if isinstance(magnitude, str):
        if magnitude not in tasks:
            raise ValueError(f"{method}: " + unknown_name("magnitude", magnitude, [*MAGNITUDES, *tasks]))
        return list(tasks).index(magnitude)
    if not 0 <= magnitude < len(tasks):
        raise ValueError(f"{method}: magnitude={magnitude} is no position among {len(tasks)} tasks")
    return magnitude


def target_norm(magnitude: str | int, norms: tf.Tensor, present: tf.Tensor) -> tf.Tensor:
    """Returns the norm [P, 1] that gradients are brought towards.

    Args:
        magnitude: One of `MAGNITUDES`, over the present tasks, or a task's position.
        norms: Gradient norms [P, T], float64.
        present: Which tasks have a gradient in this step and part [P, T], bool.

    Returns:
        The norm; 0 if no task is present, or the named one has no norm.
    """
    if not isinstance(magnitude, str):
        return norms[:, magnitude : magnitude + 1]
    counted = tf.cast(present, norms.dtype)
    count = tf.reduce_sum(counted, axis=-1, keepdims=True)
    if magnitude == "max":
        return tf.reduce_max(norms * counted, axis=-1, keepdims=True)
    if magnitude == "mean":
        return safe_divide(tf.reduce_sum(norms * counted, axis=-1, keepdims=True), count)
    if magnitude == "geometric":
        logarithms = tf.math.log(tf.where(present, norms, tf.ones_like(norms)))
        return tf.exp(safe_divide(tf.reduce_sum(logarithms, axis=-1, keepdims=True), count)) * tf.sign(count)
    # The median: tasks that are not present go to the end of the line.
    line = tf.sort(tf.where(present, norms, tf.fill(tf.shape(norms), tf.constant(float("inf"), norms.dtype))), axis=-1)
    number = tf.cast(count, tf.int32)
    middle = [tf.gather(line, tf.maximum(place, 0), batch_dims=1) for place in ((number - 1) // 2, number // 2)]
    return tf.where(count > 0, (middle[0] + middle[1]) / 2, tf.zeros_like(count))
