"""The part of a model that has to do with objectives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from tf_gradcraft.training.objective import Objective, Objectives

if TYPE_CHECKING:
    from keras import Model as _Base
else:
    _Base = object


class WithObjectives(_Base):
    """Mix-in of a Keras model whose losses include those of objectives, see `Objective`."""

    _objectives: Objectives
    objective_layers: dict[str, Any]

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> tf.Tensor:
        """See Keras; the losses of objectives are among those that are added up."""
        loss = super().compute_loss(x, y, y_pred, sample_weight, training)
        further = self._objectives.losses(x, y, y_pred, sample_weight, self.objective_layers)
        return tf.add_n([loss, *further.values()]) if further else loss

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """See Keras; with the trackers of the losses of objectives."""
        objectives = getattr(self, "_objectives", None)
        return super().metrics + (list(objectives.trackers.values()) if objectives else [])

    def _keep_objectives(self, objectives: Mapping[str, Objective] | None) -> None:
        """Takes in objectives, and the layers that they learn with; those of an earlier `compile` go."""
        model: Any = self
        outputs = getattr(model, "_outputs_struct", None) or {}
        with model.distribute_strategy.scope():
            self._objectives = Objectives(objectives, tasks=outputs)
            made = {name: objective.make_layer(outputs) for name, objective in self._objectives.by_name.items()}
        # Keras locks what a model consists of when it is built.
        locked = model._tracker.locked
        model._tracker.unlock()
        for layer in getattr(self, "objective_layers", {}).values():
            model._tracker.untrack(layer)
        self.objective_layers = {name: layer for name, layer in made.items() if layer is not None}
        if locked:
            model._tracker.lock()
