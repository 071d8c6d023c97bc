"""The part of a model that is saved and read: the balancer's state, the optimizer's slots, what `compile` was given."""

from __future__ import annotations

from typing import Any

import keras

from tf_gradcraft.training.balancer_state import BalancerState
from tf_gradcraft.training.method_names import let_keras_find_methods


class WithSaving:
    """Mix-in of a Keras model whose files keep how it is balanced, so that to load and to continue is not to stop."""

    def save_own_variables(self, store: Any) -> None:
        """See Keras; the balancer's state is saved with the model."""
        model: Any = self
        super().save_own_variables(store)  # type: ignore[misc]
        if model.balancing is not None:
            model._balancer_state.save(store)

    def load_own_variables(self, store: Any) -> None:
        """See Keras; the balancer's state is read with the model."""
        model: Any = self
        state = model._balancer_state if model.balancing is not None else BalancerState()
        super().load_own_variables(state.load(store))  # type: ignore[misc]

    def load_weights(self, filepath: Any, skip_mismatch: bool = False, **kwargs: Any) -> None:
        """See Keras; the slots of the optimizer, which a weights file holds too, are made first, else they get lost."""
        self._build_optimizer()
        super().load_weights(filepath, skip_mismatch=skip_mismatch, **kwargs)  # type: ignore[misc]

    def get_compile_config(self) -> dict[str, Any]:
        """See Keras."""
        model: Any = self
        config = super().get_compile_config()  # type: ignore[misc]
        let_keras_find_methods()
        if config:
            config |= keras.saving.serialize_keras_object(
                {
                    "metrics": model._exact_metrics.given,
                    "balancing": model._balancer,
                    "balance_over": model._balance_over,
                    "balance_every": model._balance_every,
                    "on_nonfinite": model.on_nonfinite,
                    "objectives": model._objectives.by_name or None,
                }
            )
        return config

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """See Keras."""
        let_keras_find_methods()
        model: Any = self
        model.compile(**keras.saving.deserialize_keras_object(config))
        self._build_optimizer()

    def _build_optimizer(self) -> None:
        """Makes the optimizer's slots, if the model is compiled and its variables exist."""
        model: Any = self
        optimizer = getattr(model, "optimizer", None)
        if model.built and optimizer is not None and not optimizer.built:
            with model.distribute_strategy.scope():
                optimizer.build(model.trainable_variables)
