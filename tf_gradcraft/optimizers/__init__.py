"""Keras optimizers whose cost grows with the looked-up rows of embedding tables."""

from tf_gradcraft.keras_stack import require_keras_3
from tf_gradcraft.optimizers.lazy_adagrad import LazyAdagrad
from tf_gradcraft.optimizers.lazy_adam import LazyAdam

require_keras_3("tf_gradcraft.optimizers")

__all__ = ["LazyAdagrad", "LazyAdam"]
