"""Adagrad that touches only the rows of an embedding table that a batch looked up."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from tf_gradcraft.optimizers.lazy_rows import LazyRows, write_rows


@keras.saving.register_keras_serializable("tf_gradcraft")
class LazyAdagrad(LazyRows, keras.optimizers.Adagrad):
    """Adagrad whose cost grows with the rows that were looked up, not with the size of the table.

    Dense gradients are handled as `keras.optimizers.Adagrad` does. For the sparse gradient of an embedding table, rows
    that stand several times are added up first (Keras's Adagrad adds the squares of the pieces instead of the square of
    their sum), then only the looked-up rows of the table and of its accumulator are read and written. A row without
    gradient does not change in Adagrad, so this is Adagrad itself, not an approximation.

    Duchi, Hazan and Singer, "Adaptive Subgradient Methods for Online Learning and Stochastic Optimization", JMLR 12,
    2011.

    Args:
        learning_rate: As in `keras.optimizers.Adagrad`.
        initial_accumulator_value: As in Adagrad.
        epsilon: As in Adagrad.
        name: Name of the optimizer.
        **kwargs: Clipping, schedules and the other arguments of Keras's optimizers. Weight decay, moving averages of
            the weights (`use_ema`) and gradient accumulation do what they do in Keras, which is to say that they read
            and write whole tables.

    Example:
        >>> table = keras.Variable([[1.0], [1.0], [1.0]])
        >>> optimizer = LazyAdagrad(0.1, initial_accumulator_value=0.0)
        >>> gradient = tf.IndexedSlices(tf.constant([[0.5], [0.5]]), tf.constant([2, 2]), tf.constant([3, 1]))
        >>> optimizer.apply([gradient], [table])
        >>> keras.ops.convert_to_numpy(table).round(3).tolist()
        [[1.0], [1.0], [0.8999999761581421]]
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        name: str = "lazy_adagrad",
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, initial_accumulator_value, epsilon, name=name, **kwargs)

    def update_rows(self, variable: Any, ids: tf.Tensor, rows: tf.Tensor, learning_rate: tf.Tensor) -> tf.Tensor:
        """See `LazyRows`."""
        accumulator = self._accumulators[self._get_variable_index(variable)].value
        accumulated = tf.gather(accumulator, ids) + tf.square(rows)
        write_rows(accumulator, ids, accumulated)
        return learning_rate * rows / tf.sqrt(accumulated + self.epsilon)
