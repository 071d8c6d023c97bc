"""Softmax over the tasks that count in a step."""

import tensorflow as tf

from tf_gradcraft.linalg import safe_divide


def task_softmax(logits: tf.Tensor, active: tf.Tensor) -> tf.Tensor:
    """Returns the softmax [T] over active tasks, and 0 for the others.

    Args:
        logits: float64 [T].
        active: Which tasks count [T], float64, 0 or 1.

    Example:
        >>> active = tf.constant([1.0, 0.0, 1.0], tf.float64)
        >>> task_softmax(tf.constant([2.0, 9.0, 2.0], tf.float64), active).numpy().tolist()
        [0.5, 0.0, 0.5]
    """
    lowest = tf.reduce_min(logits)
    largest = tf.reduce_max(tf.where(active > 0, logits, lowest))
    # Where a task is left out the exponent is not used; its logit may be larger than any that is.
    exponentials = active * tf.exp(tf.minimum(logits - largest, 0))
    return safe_divide(exponentials, tf.reduce_sum(exponentials))
