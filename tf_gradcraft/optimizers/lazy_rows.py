"""What optimizers have in common that touch only the looked-up rows of embedding tables."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tf_gradcraft.gradients import sum_duplicate_rows


class LazyRows:
    """Mixed into a Keras optimizer: sends sparse gradients to `update_rows`, each row once, and dense ones to Keras.

    A subclass says how a row and its slots change; rows that no gradient names are not read or written.
    """

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        """Applies gradients; rows that stand several times are added up before clipping looks at them."""
        grads = [sum_duplicate_rows(g) if isinstance(g, tf.IndexedSlices) else g for g in grads]
        super().apply(grads, trainable_variables)  # type: ignore[misc]

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Updates one variable and its slots."""
        if not isinstance(gradient, tf.IndexedSlices):
            super().update_step(gradient, variable, learning_rate)  # type: ignore[misc]
            return
        # Across replicas Keras has put their rows together since `apply`; else this finds that each row stands once.
        gradient = sum_duplicate_rows(gradient)
        rows = tf.cast(gradient.values, variable.dtype)
        change = self.update_rows(variable, gradient.indices, rows, tf.cast(learning_rate, variable.dtype))
        write_rows(variable, gradient.indices, tf.gather(variable, gradient.indices) - change)

    def update_rows(self, variable: Any, ids: tf.Tensor, rows: tf.Tensor, learning_rate: tf.Tensor) -> tf.Tensor:
        """Updates the slots of rows `ids` [U] of a variable; returns what is to be subtracted from the rows [U, D].

        Args:
            variable: The variable.
            ids: Positions of the rows, each once.
            rows: Gradient of the rows.
            learning_rate: Learning rate, in the dtype of the variable.
        """
        raise NotImplementedError


def write_rows(table: tf.Variable, ids: tf.Tensor, rows: tf.Tensor) -> None:
    """Writes rows [U, D] of a variable; several times as fast as adding to them in place."""
    table.scatter_update(tf.IndexedSlices(rows, ids))
