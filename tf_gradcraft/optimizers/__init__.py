"""Keras optimizers whose cost grows with the looked-up rows of embedding tables."""

from tf_gradcraft.optimizers.lazy_adagrad import LazyAdagrad
from tf_gradcraft.optimizers.lazy_adam import LazyAdam

__all__ = ["LazyAdagrad", "LazyAdam"]
