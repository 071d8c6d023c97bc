"""Which users' wanted items can't be among the first of a list any more."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

# A score computed with other items beside it differs in its last bits. So much of the largest score, in units of the
# dtype's precision, is taken for equal.
ROUNDING = 1000


def out_of_reach(best: tf.Tensor, others: tf.Tensor, places: int) -> tf.Tensor:
    """Tells whether so many items come before the best wanted one that it is not among the first.

    Cautious: scores that are nearly equal don't count as coming before it.

    Args:
        best: The highest score of each user's wanted items [B].
        others: Scores of some of the items of the list [B, S], finite or minus infinity; wanted ones do no harm.
        places: Length of the list.

    Returns:
        bool [B].

    Example:
        >>> others = tf.constant([[0.9, 0.8, 0.1], [0.9, 0.5, 0.1]])
        >>> out_of_reach(tf.constant([0.5, 0.5]), others, places=2).numpy()
        array([ True, False])
    """
    scores = tf.concat([best[:, tf.newaxis], others], axis=1)
    largest = tf.reduce_max(tf.where(tf.math.is_finite(scores), tf.abs(scores), 0), axis=1)
    rounding = ROUNDING * float(np.spacing(np.ones((), others.dtype.as_numpy_dtype)))
    before = others > (best + rounding * largest)[:, tf.newaxis]
    return tf.reduce_sum(tf.cast(before, tf.int32), axis=1) >= places
