"""Losses for methods that take their logarithm or ratio."""

import tensorflow as tf


def positive_losses(method: str, losses: tf.Tensor, active: tf.Tensor) -> tf.Tensor:
    """Returns the losses in float64, and 1 for tasks that are left out of a step.

    Args:
        method: The method's class name, for the message.
        losses: Losses [T].
        active: Which tasks count [T], float64, 0 or 1.

    Raises:
        tf.errors.InvalidArgumentError: If a loss is negative (not under XLA, where nothing can be raised).

    Example:
        >>> positive_losses("GLS", [0.5, 0.0], tf.constant([1.0, 0.0], tf.float64)).numpy().tolist()
        [0.5, 1.0]
    """
    losses = tf.cast(losses, tf.float64)
    # A loss that is not a number is let through: the training step raises or skips, as it was told.
    check = tf.debugging.Assert(
        ~tf.reduce_any(losses < 0),
        [f"{method} is defined for losses that are not negative. Use another loss or another method. Losses:", losses],
    )
    with tf.control_dependencies([] if check is None else [check]):
        return tf.where(active > 0, losses, tf.ones_like(losses))
