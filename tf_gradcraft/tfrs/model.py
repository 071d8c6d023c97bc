"""A TensorFlow Recommenders model whose `fit` balances the gradients of its tasks."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Mapping
from typing import Any

import tensorflow as tf
from tensorflow import keras

from tf_gradcraft.balancing import Balancer
from tf_gradcraft.gradients import add_gradients
from tf_gradcraft.suggestions import unknown_name
from tf_gradcraft.tfrs.look_back import look_back, state_before
from tf_gradcraft.tfrs.paths import name_paths
from tf_gradcraft.tfrs.recommenders import recommenders
from tf_gradcraft.training.balanced_step import apply_if_finite, balance_gradients
from tf_gradcraft.training.balancer_state import BalancerState
from tf_gradcraft.training.balancing_arguments import checked_balancer
from tf_gradcraft.training.epoch_ends import end_epoch, with_epoch_ends
from tf_gradcraft.training.method_names import let_keras_find_methods
from tf_gradcraft.training.shared_representation import recording_representation


class BalancedModel(recommenders.Model):
    """A `tfrs.Model` whose training step balances its tasks' gradients.

    A model of TensorFlow Recommenders moves over by changing its base class, and by renaming `compute_loss` to
    `compute_task_losses`, which returns `{task: loss}` instead of the sum. All else stays as it is: tasks and their
    metrics, regularisation losses, `evaluate`, callbacks, checkpoints.

    Shared and private variables are found, and what is balanced is defined, as in `tf_gradcraft.MultiTaskModel`.

    Example:
        >>> import tensorflow_recommenders as tfrs
        >>> class Movies(BalancedModel):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.users = keras.layers.Embedding(5, 4)
        ...         self.heads = {task: keras.layers.Dense(1) for task in ("rating", "watched")}
        ...         self.rating = tfrs.tasks.Ranking(loss=keras.losses.MeanSquaredError())
        ...         self.watched = tfrs.tasks.Ranking(loss=keras.losses.BinaryCrossentropy(from_logits=True))
        ...
        ...     def compute_task_losses(self, inputs, training=False):
        ...         user = self.users(inputs["user"])
        ...         return {
        ...             task: getattr(self, task)(labels=inputs[task], predictions=head(user))
        ...             for task, head in self.heads.items()
        ...         }
        >>> model = Movies()
        >>> model.compile(keras.optimizers.Adagrad(0.1), balancing="gradcraft")
        >>> rows = {"user": [1, 4], "rating": [[4.0], [5.0]], "watched": [[1.0], [0.0]]}
        >>> history = model.fit(tf.data.Dataset.from_tensor_slices(rows).batch(2), verbose=0)
        >>> sorted(history.history)
        ['loss', 'regularization_loss', 'total_loss']
    """

    def compile(
        self,
        *args: Any,
        balancing: str | Balancer | None = None,
        balance_over: str = "parameters",
        balance_every: int = 1,
        on_nonfinite: str = "raise",
        loss_weights: Mapping[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        """Configures the model for training: as in TensorFlow Recommenders, and how to balance.

        Args:
            *args: As in Keras; the first is the optimizer.
            balancing: None or `"sum"`: the plain sum of the losses, the training step of `tfrs.Model`. A method's name
                (see `tf_gradcraft.balancing.names`), or a `Balancer`.
            balance_over: `"parameters"` or `"representation"`, see `tf_gradcraft.MultiTaskModel.compile`.
            balance_every: New weights every k-th step, see there.
            on_nonfinite: `"raise"` or `"skip"`, see there.
            loss_weights: `{task: factor}`, 1 by default; they scale the losses before they are balanced or summed.
            **kwargs: As in Keras.

        Raises:
            ValueError: If a name is not known, or `loss_weights` is no dict.
        """
        balancer = checked_balancer(balancing, balance_over, balance_every, on_nonfinite)
        if loss_weights is not None and not isinstance(loss_weights, Mapping):
            raise ValueError(f"loss_weights must be a dict {{task: factor}}, got {loss_weights!r}")
        super().compile(*args, loss_weights=loss_weights, **kwargs)
        self._balancer = balancer
        self._balance_over, self._balance_every = balance_over, balance_every
        self.on_nonfinite = on_nonfinite
        self._loss_weights = dict(loss_weights or {})
        if not hasattr(self, "_balancing"):
            # As a checkpoint, it is saved with the model, and yet not among its weights.
            skipped = tf.Variable(0, trainable=False, dtype=tf.int64, name="skipped_steps")
            self._balancing = tf.train.Checkpoint(state=BalancerState(), skipped_steps=skipped)
        elif balancer is not None:
            self._balancer_state.variables_by_name = {}

    @property
    def balancing(self) -> Balancer | None:
        """The balancer that `compile` was given; None for the plain sum."""
        return getattr(self, "_balancer", None)

    @property
    def skipped_steps(self) -> tf.Variable:
        """How many steps were skipped because a loss or gradient was not finite."""
        return self._balancing.skipped_steps

    @property
    def _balancer_state(self) -> BalancerState:
        return self._balancing.state

    def compute_task_losses(self, inputs: Any, training: bool = False) -> dict[str, tf.Tensor]:
        """Returns each task's loss, and updates the metrics of the tasks; a subclass must implement it.

        Args:
            inputs: What the data set yields: features, labels and weights, as in `tfrs.Model.compute_loss`.
            training: Whether this is a training step.

        Returns:
            `{task: scalar}`, always the same tasks in the same order.
        """
        raise NotImplementedError(
            f"{type(self).__name__} must implement compute_task_losses(inputs, training): rename compute_loss, and "
            "return {task: loss} instead of the sum of the losses"
        )

    def compute_loss(self, inputs: Any, training: bool = False) -> tf.Tensor:
        """Returns the sum of the tasks' losses, each times its weight in `loss_weights`."""
        return tf.add_n(list(self._weighted_losses(inputs, training).values()))

    def train_step(self, inputs: Any) -> dict[str, Any]:
        """One step of `fit`: forward, per-task gradients, balanced update."""
        if self.balancing is None:
            return super().train_step(inputs)
        before = state_before(self) if self.balancing.looks_back else None
        over_representation = self._balance_over == "representation"
        recording = recording_representation() if over_representation else contextlib.nullcontext()
        optimizer = self.optimizer
        float16 = isinstance(optimizer, keras.mixed_precision.LossScaleOptimizer)
        scale = optimizer.get_scaled_loss if float16 else tf.identity
        with tf.GradientTape(persistent=True) as tape, recording as representation:
            losses = self._weighted_losses(inputs, training=True)
            regularization_loss = tf.reduce_sum([tf.reduce_sum(loss) for loss in self.losses])
            scaled = {task: scale(loss) for task, loss in losses.items()}
            scaled_regularization = scale(regularization_loss)
        if len(losses) < 2:
            raise ValueError(f"balancing needs two or more tasks with a loss, this model has {list(losses)}")
        variables = self.trainable_variables
        name_paths(self, variables)
        balancer = self.balancing.for_tasks(list(losses))
        balanced = balance_gradients(
            tape,
            balancer=balancer,
            balancer_state=self._balancer_state,
            losses=losses,
            scaled_losses=scaled,
            loss_scale=scale(tf.ones([])),
            variables=variables,
            representation=representation,
            every=self._balance_every,
            float16=float16,
        )
        updates = balanced.updates
        if self.losses:
            updates = list(map(add_gradients, updates, tape.gradient(scaled_regularization, variables)))
        del tape
        if float16:
            updates = optimizer.get_unscaled_gradients(updates)
        apply_if_finite(self, updates, variables, list(losses), balanced.finite_tasks, float16)
        if before is not None:
            look_back(self, inputs, before, losses, balanced.finite_tasks)
        loss = tf.add_n(list(losses.values()))
        logs = {metric.name: metric.result() for metric in self.metrics}
        total = {"loss": loss, "regularization_loss": regularization_loss, "total_loss": loss + regularization_loss}
        return logs | total

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Any = None,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        """See Keras; warns at the end if steps were skipped because of values that are not finite."""
        before = int(self.skipped_steps.numpy()) if hasattr(self, "_balancing") else 0
        callbacks = with_epoch_ends(callbacks, self.balancing)
        history = super().fit(x, y, batch_size, epochs, verbose, callbacks, *args, **kwargs)
        if skipped := int(self.skipped_steps.numpy()) - before:
            warnings.warn(
                f"{skipped} training steps were skipped: a task's loss or gradient was not finite. Look for NaN in "
                "labels and features, or lower the learning rate.",
                stacklevel=2,
            )
        return history

    def end_epoch(self) -> None:
        """Tells the balancer that an epoch has ended. `fit` does so itself; call it if you use `train_on_batch`."""
        if self.balancing is not None:
            end_epoch(self.balancing, self._balancer_state)

    def save_own_variables(self, store: Any) -> None:
        """See Keras; the balancer's state is saved with the model."""
        super().save_own_variables(store)
        if self.balancing is not None:
            self._balancer_state.save(store)

    def load_own_variables(self, store: Any) -> None:
        """See Keras; the balancer's state is read with the model."""
        state = self._balancer_state if self.balancing is not None else BalancerState()
        super().load_own_variables(state.load(store))

    def load_weights(self, filepath: Any, *args: Any, **kwargs: Any) -> Any:
        """See Keras; the slots of the optimizer, which such a file holds too, are made first, else they get lost."""
        self._build_optimizer()
        return super().load_weights(filepath, *args, **kwargs)

    def get_compile_config(self) -> dict[str, Any]:
        """See Keras."""
        config = super().get_compile_config()
        let_keras_find_methods()
        if config:
            config |= keras.saving.serialize_keras_object(
                {
                    "balancing": self._balancer,
                    "balance_over": self._balance_over,
                    "balance_every": self._balance_every,
                    "on_nonfinite": self.on_nonfinite,
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
        # Optimizers of the old kind make theirs when a checkpoint is read.
        if self.trainable_variables and isinstance(optimizer, keras.optimizers.Optimizer):
            optimizer.build(self.trainable_variables)

    def _weighted_losses(self, inputs: Any, training: bool) -> dict[str, tf.Tensor]:
        """Returns each task's loss times its weight, checked."""
        losses = self.compute_task_losses(inputs, training=training)
        if not isinstance(losses, Mapping) or not losses:
            raise ValueError(f"compute_task_losses must return a dict {{task: loss}}, got {type(losses).__name__}")
        for task in self._loss_weights:
            if task not in losses:
                raise ValueError("loss_weights: " + unknown_name("task", task, list(losses)))
        weighted = {}
        for task, loss in losses.items():
            loss = tf.convert_to_tensor(loss)
            if loss.shape.rank != 0:
                raise ValueError(
                    f"the loss of task {task} has the shape {loss.shape}; it must be one number: take its mean, or a "
                    "Keras loss that does"
                )
            # Half precision has no range for a sum over the rows of a batch, nor for a loss that is scaled.
            loss = tf.cast(loss, tf.float32) if loss.dtype.size < 4 else loss
            weighted[task] = loss * tf.cast(self._loss_weights.get(task, 1.0), loss.dtype)
        return weighted
