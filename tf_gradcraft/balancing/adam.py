"""Adam for the few numbers that a balancer learns, as a pure function on its state."""

import tensorflow as tf

MEAN_DECAY, SQUARE_DECAY, EPSILON = 0.9, 0.999, 1e-8


def adam_init(shape: list[int]) -> dict[str, tf.Tensor]:
    """Returns the state of Adam before its first step: three float64 tensors of this shape."""
    return {f"adam_{name}": tf.zeros(shape, tf.float64) for name in ("mean", "square", "steps")}


def adam_step(
    gradient: tf.Tensor, state: dict[str, tf.Tensor], active: tf.Tensor, learning_rate: float
) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    """Returns what to add to the learned numbers, and Adam's new state.

    Each number has its own step count, so that one which stands still for a step is as if that step had not been.

    Args:
        gradient: Gradient by the learned numbers, float64.
        state: A dict that holds what `adam_init` or the last step returned, and may hold more.
        active: Which numbers learn in this step, of the shape of `gradient`, float64, 0 or 1.
        learning_rate: The learning rate.

    Example:
        >>> one = tf.ones([1], tf.float64)
        >>> change, _ = adam_step(5 * one, adam_init([1]), one, 0.1)
        >>> change.numpy().round(6).tolist()
        [-0.1]
    """
    learns = active > 0
    mean = MEAN_DECAY * state["adam_mean"] + (1 - MEAN_DECAY) * gradient
    square = SQUARE_DECAY * state["adam_square"] + (1 - SQUARE_DECAY) * tf.square(gradient)
    steps = state["adam_steps"] + 1
    new = {"adam_mean": mean, "adam_square": square, "adam_steps": steps}
    new = {name: tf.where(learns, value, state[name]) for name, value in new.items()}

    unbiased_mean = mean / (1 - tf.pow(tf.constant(MEAN_DECAY, tf.float64), steps))
    unbiased_square = square / (1 - tf.pow(tf.constant(SQUARE_DECAY, tf.float64), steps))
    change = -learning_rate * unbiased_mean / (tf.sqrt(unbiased_square) + EPSILON)
    return tf.where(learns, change, tf.zeros_like(change)), new
