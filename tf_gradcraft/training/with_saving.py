"""The part of a model that is saved and read: the balancer's state, the optimizer's slots, what `compile` was given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras

from tf_gradcraft.training.balancer_state import BalancerState
from tf_gradcraft.training.method_names import let_keras_find_methods

if TYPE_CHECKING:
    from keras import Model as _Base
else:
    _Base = object


class WithSaving(_Base):
    """Mix-in of a Keras model whose files keep how it is balanced, so that to load and to continue is not to stop."""

    def save_own_variables(self, store: Any) -> None:
        """See Keras; the balancer's state is saved with the model."""
        super().save_own_variables(store)
        if self.balancing is not None:
            self._balancer_state.save(store)

    def load_own_variables(self, store: Any) -> None:
        """See Keras; the balancer's state is read with the model."""
        state = self._balancer_state if self.balancing is not None else BalancerState()
        super().load_own_variables(state.load(store))

    def load_weights(self, filepath: Any, skip_mismatch: bool = False, **kwargs: Any) -> None:
        """See Keras; the slots of the optimizer, which a weights file holds too, are made first, else they get lost."""
        self._build_optimizer()
        super().load_weights(filepath, skip_mismatch=skip_mismatch, **kwargs)

    def get_compile_config(self) -> dict[str, Any]:
        """See Keras."""
        config = super().get_compile_config()
        let_keras_find_methods()
        if config:
            config |= keras.saving.serialize_keras_object(
                {
                    "metrics": self._exact_metrics.given,
                    "balancing": self._balancer,
                    "balance_over": self._balance_over,
                    "balance_every": self._balance_every,
                    "on_nonfinite": self.on_nonfinite,
                    "objectives": self._objectives.by_name or None,
                }
            )
        return config

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """See Keras."""
        let_keras_find_methods()
        self.compile(**keras.saving.deserialize_keras_object(config))
        self._build_optimizer()

    def _build_optimizer(self) -> None:
        """Makes the optimizer's slots, if the model is compiled and its variables exist."""
        optimizer = getattr(self, "optimizer", None)
        if self.built and optimizer is not None and not optimizer.built:
            with self.distribute_strategy.scope():
                optimizer.build(self.trainable_variables)
