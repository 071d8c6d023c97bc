"""Training: Keras models whose `fit` balances the gradients of their tasks."""

from tf_gradcraft.training.losses import TaskCrossentropy
from tf_gradcraft.training.model import MultiTaskModel

__all__ = ["MultiTaskModel", "TaskCrossentropy"]
