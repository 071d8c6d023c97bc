"""Objectives beside the tasks' losses, which are balanced as tasks are."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from tf_gradcraft.suggestions import unknown_name


@dataclasses.dataclass(frozen=True, kw_only=True)
class Objective(abc.ABC):
    """A loss on the predictions of a batch, for the argument `objectives` of `MultiTaskModel.compile`.

    It is a task like any other: its gradient is balanced with those of the model's outputs, and what it depends on is
    shared with them. Subclasses are frozen dataclasses; register them with
    `keras.saving.register_keras_serializable`, so that a saved model finds them.

    Args:
        weight: Factor of the loss before balancing, as `loss_weights` are for outputs.

    Example:
        >>> @dataclasses.dataclass(frozen=True, kw_only=True)
        ... class Confidence(Objective):
        ...     task: str
        ...
        ...     def loss(self, x, y, y_pred, sample_weight, layer=None):
        ...         p = y_pred[self.task]
        ...         return tf.reduce_mean(p * (1 - p))
        >>> objective = Confidence(task="click", weight=2.0)
        >>> float(objective.loss({}, {}, {"click": tf.constant([[0.5]])}, None)), objective.get_config()
        (0.25, {'weight': 2.0, 'task': 'click'})
    """

    weight: float = 1.0

    @abc.abstractmethod
    def loss(
        self,
        x: Mapping[str, tf.Tensor],
        y: Mapping[str, tf.Tensor],
        y_pred: Mapping[str, tf.Tensor],
        sample_weight: Any,
        layer: Any = None,
    ) -> tf.Tensor:
        """Returns the loss of a batch, a scalar, not yet times `weight`.

        Args:
            x: The features of the batch, columns that are no input of the model among them.
            y: `{task: labels}`.
            y_pred: `{task: predictions}`.
            sample_weight: None, one weight a row, or `{task: weights}`.
            layer: What `make_layer` returned.
        """

    def make_layer(self, outputs: Mapping[str, Any]) -> keras.layers.Layer | None:
        """Returns a new, built layer that the objective learns with, or None. The model keeps it, and saves it.

        Args:
            outputs: The model's outputs by task, symbolic; empty if the model is not functional.
        """
        return None

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Objective:
        """Inverse of `get_config`."""
        return cls(**config)


class Objectives:
    """The objectives of a compiled model by name, with their layers and the trackers of their losses.

    Args:
        objectives: `{name: objective}`.
        tasks: Names of the model's outputs, as far as they are known.

    Raises:
        ValueError: If a name is that of a task.
        TypeError: If one is no `Objective`.
    """

    def __init__(self, objectives: Mapping[str, Objective] | None = None, tasks: Any = ()) -> None:
        self.by_name = dict(objectives or {})
        for name, objective in self.by_name.items():
            if name in tasks:
                raise ValueError(f"objectives: the name {name!r} is that of an output; choose another one")
            if not isinstance(objective, Objective):
                raise TypeError(
                    f"objectives: {name!r} is a {type(objective).__name__}, no tf_gradcraft.training.Objective"
                )
        self.trackers = {name: keras.metrics.Mean(name=f"{name}_loss") for name in self.by_name}

    def losses(
        self, x: Any, y: Any, y_pred: Any, sample_weight: Any, layers: Mapping[str, Any]
    ) -> dict[str, tf.Tensor]:
        """Returns the loss of each objective times its weight, as a replica's part, and updates the trackers."""
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        losses = {}
        for name, objective in self.by_name.items():
            value = objective.loss(x, y, y_pred, sample_weight, layers.get(name))
            self.trackers[name].update_state(value, sample_weight=tf.shape(tf.nest.flatten(y_pred)[0])[0])
            losses[name] = tf.cast(value, tf.float32) * (objective.weight / replicas)
        return losses


def column_of(x: Any, name: str, what: str) -> tf.Tensor:
    """Returns a column [B] of the features of a batch.

    Raises:
        ValueError: If there is none of that name; the message lists near names.
    """
    known = tuple(x) if isinstance(x, Mapping) else ()
    if name not in known:
        raise ValueError(f"{what}: the batch " + unknown_name("column", name, known))
    return tf.reshape(tf.convert_to_tensor(x[name]), [-1])


def of_task(by_task: Mapping[str, Any], task: str, what: str) -> Any:
    """Returns what a dict holds for a task.

    Raises:
        ValueError: If it holds nothing; the message lists near names.
    """
    if task not in by_task:
        raise ValueError(f"{what}: " + unknown_name("task", task, tuple(by_task)))
    return by_task[task]
