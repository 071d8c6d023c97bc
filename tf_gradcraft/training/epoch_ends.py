"""The end of an epoch, for balancers that work with epoch means."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow import keras

from tf_gradcraft.balancing import Balancer
from tf_gradcraft.training.balancer_state import BalancerState


def end_epoch(balancer: Balancer, balancer_state: BalancerState) -> None:
    """Gives a balancer's state to its `end_epoch`; nothing happens before the first step, when there is no state."""
    if balancer_state.variables_by_name:
        balancer_state.assign(balancer.end_epoch(balancer_state.tensors()), tf.constant(True))


class EpochEnds(keras.callbacks.Callback):
    """Calls the model's `end_epoch` at the end of each epoch of `fit`."""

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """See Keras."""
        self.model.end_epoch()


def with_epoch_ends(callbacks: Any, balancer: Balancer | None) -> Any:
    """Returns the callbacks of `fit`, `EpochEnds` before them if the balancer does something at the end of an epoch.

    It comes first, so that a callback that saves the model saves the state with which the next epoch starts.

    Args:
        callbacks: What `fit` was given: None, a callback, a list of them, or a `keras.callbacks.CallbackList`.
        balancer: The balancer, or None.
    """
    if balancer is None or type(balancer).end_epoch is Balancer.end_epoch:
        return callbacks
    given = callbacks.callbacks if isinstance(callbacks, keras.callbacks.CallbackList) else callbacks
    return [EpochEnds(), *tf.nest.flatten(given or [])]
