"""Adam that touches only the rows of an embedding table that a batch looked up."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from tf_gradcraft.optimizers.lazy_rows import LazyRows, write_rows


@keras.saving.register_keras_serializable("tf_gradcraft")
class LazyAdam(LazyRows, keras.optimizers.Adam):
    """Adam whose cost grows with the rows that were looked up, not with the size of the table.

    Dense gradients are handled as `keras.optimizers.Adam` does. For the sparse gradient of an embedding table, rows
    that stand several times are added up first (Keras's Adam squares the pieces instead of their sum), then only the
    looked-up rows of the table and of its two slots are read and written: the slots of other rows do not decay in that
    step, and those rows do not move. On rows that are looked up in every step it equals Adam.

    Kingma and Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015, arXiv 1412.6980.

    Args:
        learning_rate: As in `keras.optimizers.Adam`.
        beta_1: As in Adam.
        beta_2: As in Adam.
        epsilon: As in Adam.
        name: Name of the optimizer.
        **kwargs: Clipping, schedules and the other arguments of Keras's optimizers. Weight decay, moving averages of
            the weights (`use_ema`) and gradient accumulation do what they do in Keras, which is to say that they read
            and write whole tables. Penalise the looked-up rows instead of decaying weights (`l2` of our models).

    Raises:
        ValueError: If `amsgrad` is asked for.

    Example:
        >>> table = keras.Variable([[1.0], [1.0], [1.0]])
        >>> optimizer = LazyAdam(0.1)
        >>> gradient = tf.IndexedSlices(tf.constant([[0.5], [0.5]]), tf.constant([2, 2]), tf.constant([3, 1]))
        >>> optimizer.apply([gradient], [table])
        >>> keras.ops.convert_to_numpy(table).round(3).tolist()
        [[1.0], [1.0], [0.8999999761581421]]
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        name: str = "lazy_adam",
        **kwargs: Any,
    ) -> None:
        if kwargs.pop("amsgrad", False):
            raise ValueError("LazyAdam has no amsgrad: its maximum would have to run over whole tables")
        super().__init__(learning_rate, beta_1=beta_1, beta_2=beta_2, epsilon=epsilon, name=name, **kwargs)

    def update_rows(self, variable: Any, ids: tf.Tensor, rows: tf.Tensor, learning_rate: tf.Tensor) -> tf.Tensor:
        """See `LazyRows`."""
        index = self._get_variable_index(variable)
        momentum, velocity = self._momentums[index].value, self._velocities[index].value
        step = tf.cast(self.iterations + 1, rows.dtype)
        beta_1, beta_2 = tf.cast(self.beta_1, rows.dtype), tf.cast(self.beta_2, rows.dtype)
        alpha = learning_rate * tf.sqrt(1 - beta_2**step) / (1 - beta_1**step)

        momentum_rows = beta_1 * tf.gather(momentum, ids) + (1 - beta_1) * rows
        velocity_rows = beta_2 * tf.gather(velocity, ids) + (1 - beta_2) * tf.square(rows)
        write_rows(momentum, ids, momentum_rows)
        write_rows(velocity, ids, velocity_rows)
        return alpha * momentum_rows / (tf.sqrt(velocity_rows) + self.epsilon)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = super().get_config()
        del config["amsgrad"]
        return config
