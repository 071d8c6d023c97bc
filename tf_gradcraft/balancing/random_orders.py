"""Random orders of the tasks from a seeded counter."""

import tensorflow as tf


def first_seed(seed: int) -> tf.Tensor:
    """Returns int64 [2], the state of a run's random draws: the seed and the number of steps so far."""
    return tf.constant([seed, 0], tf.int64)


def next_seed(seed: tf.Tensor) -> tf.Tensor:
    """Returns the state after one more step."""
    return seed + tf.constant([0, 1], tf.int64)


def random_orders(seed: tf.Tensor, num_tasks: int) -> tf.Tensor:
    """Returns int32 [T, T]: in each row an order of the tasks, each drawn by itself.

    Args:
        seed: int64 [2].
        num_tasks: T.

    Example:
        >>> tf.sort(random_orders(first_seed(7), num_tasks=3)).numpy().tolist()
        [[0, 1, 2], [0, 1, 2], [0, 1, 2]]
    """
    # Whole-range integers: the only draws that are the same in the graph and under XLA.
    draws = tf.random.stateless_uniform(
        [num_tasks, num_tasks], seed, minval=None, maxval=None, dtype=tf.int64, alg="philox"
    )
    return tf.argsort(draws, axis=-1)
