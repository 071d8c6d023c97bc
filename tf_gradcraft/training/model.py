"""A Keras model whose `fit` balances the gradients of its tasks."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from tf_gradcraft.balancing import Balancer
from tf_gradcraft.gradients import add_gradients, replica_count
from tf_gradcraft.keras_stack import require_keras_3
from tf_gradcraft.training.balanced_step import apply_if_finite, balance_gradients
from tf_gradcraft.training.balancer_state import BalancerState
from tf_gradcraft.training.balancing_arguments import checked_balancer
from tf_gradcraft.training.compiled_losses import compiled_losses, tasks_with_loss
from tf_gradcraft.training.epoch_ends import end_epoch, with_epoch_ends
from tf_gradcraft.training.evaluation import ExactMetrics, split_exact
from tf_gradcraft.training.functional import Functional, is_functional_call, rebase
from tf_gradcraft.training.look_back import look_back, state_before
from tf_gradcraft.training.objective import Objective
from tf_gradcraft.training.observed_step import ObservedStep
from tf_gradcraft.training.shared_representation import recording_representation
from tf_gradcraft.training.telemetry import Telemetry, telemetry_for, watching_first
from tf_gradcraft.training.with_objectives import WithObjectives
from tf_gradcraft.training.with_saving import WithSaving

require_keras_3("tf_gradcraft.MultiTaskModel")


class MultiTaskModel(WithObjectives, WithSaving, keras.Model):
    """A Keras model with one named output a task, whose training step balances the tasks' gradients.

    Build it like any `keras.Model`: from `inputs` and `outputs`, or as a subclass with a `call`; the outputs are a dict
    `{task: tensor}`. Everything else works as in Keras.

    Which variables are shared is found when the training step is traced: a variable that only one task's loss depends
    on is private to that task and gets its plain gradient; one that two or more depend on is shared and gets the
    combination that the balancer chooses. `loss_weights` scale the losses before balancing. Regularisation losses are
    added to the update unbalanced.

    Raises:
        ValueError: If the outputs are not a dict.

    Example:
        >>> inputs = keras.Input((4,))
        >>> hidden = keras.layers.Dense(8, activation="relu")(inputs)
        >>> outputs = {task: keras.layers.Dense(1, activation="sigmoid")(hidden) for task in ("click", "like")}
        >>> model = MultiTaskModel(inputs=inputs, outputs=outputs)
        >>> loss = {task: "binary_crossentropy" for task in outputs}
        >>> model.compile(optimizer="adam", loss=loss, balancing="gradcraft")
        >>> y = {"click": tf.constant([[0.0], [1.0]]), "like": tf.constant([[1.0], [0.0]])}
        >>> history = model.fit(tf.ones([2, 4]), y, verbose=0)
        >>> sorted(history.history)
        ['click_loss', 'like_loss', 'loss']
    """

    jit_compile: Any
    telemetry: Telemetry | None = None  # what notes the steps of `fit`, if a callback asks for it
    _traced_telemetry: Telemetry | None = None

    def __new__(cls, *args, **kwargs):
        """Makes a functional model where `inputs` and `outputs` are given."""
        if cls is MultiTaskModel and is_functional_call(args, kwargs):
            cls = FunctionalMultiTaskModel
        return super().__new__(cls)

    def __init__(self, *args, **kwargs):
        if is_functional_call(args, kwargs):
            # A user's subclass that calls super().__init__(inputs=..., outputs=...).
            rebase(type(self), MultiTaskModel, FunctionalMultiTaskModel)
            FunctionalMultiTaskModel.__init__(self, *args, **kwargs)
        else:
            super().__init__(*args, **kwargs)

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: bool | str = "auto",
        auto_scale_loss: bool = True,
        *,
        balancing: str | Balancer | None = None,
        balance_over: str = "parameters",
        balance_every: int = 1,
        on_nonfinite: str = "raise",
        objectives: Mapping[str, Objective] | None = None,
    ) -> None:
        """Configures the model for training: as in Keras, and how to balance.

        Args:
            optimizer: As in Keras.
            loss: As in Keras. Tasks are the outputs that have a loss.
            loss_weights: As in Keras; they scale the losses before balancing.
            metrics: As in Keras. `tf_gradcraft.metrics.AUC` and `GAUC`, given by task, are computed exactly at the end
                of an evaluation (`evaluate`, and the validation of `fit`); several tasks' values get a mean, such as
                `auc_mean`.
            weighted_metrics: As in Keras.
            run_eagerly: As in Keras.
            steps_per_execution: As in Keras.
            jit_compile: As in Keras.
            auto_scale_loss: As in Keras.
            balancing: None or `"sum"`: the plain sum of the losses, exactly as in Keras. A method's name (see
                `tf_gradcraft.balancing.names`), or a `Balancer`.
            balance_over: What task gradients are compared on. `"parameters"`: the shared variables, exact, at the cost
                of a backward pass a task. `"representation"`: the shared representation that the model marks with
                `tf_gradcraft.SharedRepresentation` (the schema-built models do), at little more than the cost of plain
                training; the representation is one part, so a balancer with `parts="variable"` takes it as a whole.
            balance_every: k: new weights every k-th step, and one backward pass of the loss weighted with the last ones
                in between. A balancer with several parts saves only the Gram matrix in between, since several weights
                for a task can't come from one backward pass: use `parts="all"` with it. In between only losses, and no
                gradients, are looked at for values that are not finite.
            on_nonfinite: What to do when a task's loss or gradient is not finite: `"raise"` an error that names the
                task, or `"skip"` the step and count it in `skipped_steps`. Compiled by XLA, where nothing can be
                raised, such steps are always skipped; `fit` then warns. With a loss-scaling optimizer (mixed float16)
                the optimizer itself skips them.
            objectives: `{name: objective}`: further losses that are balanced as tasks are, such as those of
                `tf_gradcraft.objectives`. Their values are `<name>_loss` in the logs.

        Raises:
            ValueError: If a name is not known, or there are fewer than two tasks to balance.
        """
        balancer = checked_balancer(balancing, balance_over, balance_every, on_nonfinite)
        loss = self.default_losses() if loss is None else loss
        metrics = self.default_metrics() if metrics is None else metrics
        keras_metrics, exact = split_exact(metrics)
        super().compile(
            optimizer=optimizer,
            loss=loss,
            loss_weights=loss_weights,
            metrics=keras_metrics,
            weighted_metrics=weighted_metrics,
            run_eagerly=run_eagerly,
            steps_per_execution=steps_per_execution,
            jit_compile=jit_compile,
            auto_scale_loss=auto_scale_loss,
        )
        self._keep_objectives(objectives)
        tasks = tasks_with_loss(loss)
        if balancer is not None and tasks is not None:
            tasks += self._objectives.by_name
            if len(tasks) < 2:
                raise ValueError(f"balancing needs two or more tasks with a loss, this model has {tasks}")
            balancer.for_tasks(tasks)  # refuses a name that is no task
        self._balancer = balancer
        self._balance_over = balance_over
        self._balance_every = balance_every
        self.on_nonfinite = on_nonfinite
        self._exact_metrics = ExactMetrics(exact, given=metrics)
        if not hasattr(self, "_balancer_state"):
            self._balancer_state = BalancerState()
            self.skipped_steps = tf.Variable(0, trainable=False, dtype=tf.int64, name="skipped_steps")
        elif balancer is not None:
            self._balancer_state.variables_by_name = {}

    @property
    def balancing(self) -> Balancer | None:
        """The balancer that `compile` was given; None for the plain sum."""
        return getattr(self, "_balancer", None)

    def default_losses(self) -> Any:
        """Returns what `compile` takes for `loss` when it is not given."""
        return None

    def default_metrics(self) -> Any:
        """Returns what `compile` takes for `metrics` when they are not given."""
        return None

    def compute_task_losses(
        self, x: Any, y: Any, y_pred: Mapping[str, tf.Tensor], sample_weight: Any = None, training: bool = True
    ) -> dict[str, tf.Tensor]:
        """Returns each task's loss, scaled by `loss_weights`; regularisation losses are not among them.

        A subclass may override it; the losses are then what it returns.

        Args:
            x: Inputs of the batch.
            y: `{task: labels}`.
            y_pred: `{task: predictions}`.
            sample_weight: None, one weight a row, or `{task: weights}`.
            training: Whether this is a training step.

        Returns:
            `{task: scalar}` in the order of the model's outputs, after them `{objective: scalar}`.

        Raises:
            ValueError: If the outputs are not named, or fewer than two tasks have a loss.
        """
        losses = compiled_losses(self._compile_loss, y, y_pred, sample_weight)
        return losses | self._objectives.losses(x, y, y_pred, sample_weight, self.objective_layers)

    def prepare_labels(self, y: Any, sample_weight: Any) -> tuple[Any, Any]:
        """Returns labels and weights as losses and metrics are to take them; as they came, unless a subclass overrides.

        Args:
            y: `{task: labels}`, of all tasks that the batch has labels of.
            sample_weight: None, one weight a row, or `{task: weights}`.
        """
        return y, sample_weight

    def train_step(self, data: Any) -> dict[str, Any]:
        """One step of `fit`: forward, per-task gradients, balanced update."""
        x, y, sample_weight = self._unpack(data)
        observed = ObservedStep(self, (x, y, sample_weight))
        if self._balancer is None:
            return super().train_step((x, y, sample_weight))

        before = state_before(self) if self._balancer.looks_back else None
        over_representation = self._balance_over == "representation"
        recording = recording_representation() if over_representation else contextlib.nullcontext()
        with tf.GradientTape(persistent=True) as tape, recording as representation, observed.forward_pass():
            y_pred = self(x, training=True) if self._call_has_training_arg else self(x)
            losses = self.compute_task_losses(x, y, y_pred, sample_weight, training=True)
            extra = tf.add_n([tf.reduce_sum(loss) for loss in self.losses]) / replica_count() if self.losses else None
            scaled = {task: self.optimizer.scale_loss(loss) for task, loss in losses.items()}
            scaled_extra = None if extra is None else self.optimizer.scale_loss(extra)
            total = tf.add_n(list(losses.values())) + (0.0 if extra is None else tf.cast(extra, tf.float32))
        self._loss_tracker.update_state(total * replica_count(), sample_weight=_batch_size(x))

        if len(losses) < 2:
            raise ValueError(f"balancing needs two or more tasks with a loss, this model has {list(losses)}")
        variables = self.trainable_variables
        float16 = isinstance(self.optimizer, keras.optimizers.LossScaleOptimizer)
        balanced = balance_gradients(
            tape,
            balancer=self._balancer.for_tasks(list(losses)),
            balancer_state=self._balancer_state,
            losses=losses,
            scaled_losses=scaled,
            loss_scale=self.optimizer.scale_loss(tf.ones([])),
            variables=variables,
            representation=representation,
            every=self._balance_every,
            float16=float16,
        )
        observed.note(list(losses), balanced)
        updates = balanced.updates
        if scaled_extra is not None:
            updates = list(map(add_gradients, updates, tape.gradient(scaled_extra, variables)))
        del tape
        apply_if_finite(self, updates, variables, list(losses), balanced.finite_tasks, float16)
        if before is not None:
            look_back(self, (x, y, sample_weight), before, losses, balanced.finite_tasks)
        return self.compute_metrics(x, y, y_pred, sample_weight=sample_weight)

    def test_step(self, data: Any) -> dict[str, Any]:
        """One step of `evaluate`."""
        x, y, sample_weight = self._unpack(data)
        y_pred = self(x, training=False) if self._call_has_training_arg else self(x)
        loss = self._compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=False)
        self._loss_tracker.update_state(loss * replica_count(), sample_weight=_batch_size(x))
        self._exact_metrics.update(x, y, y_pred, sample_weight)
        return self.compute_metrics(x, y, y_pred, sample_weight=sample_weight)

    def make_train_function(self, force: bool = False) -> Any:
        """See Keras. What the first step would make is made before, else that step would be traced twice."""
        self._build_optimizer()
        outputs = getattr(self, "_outputs_struct", None)
        losses = self._compile_loss
        unbuilt = losses is not None and not losses.built
        if unbuilt and outputs and set(tasks_with_loss(self.loss) or ()) == set(outputs):
            with self.distribute_strategy.scope():
                losses.build(outputs, outputs)
        # A step that is watched is another graph.
        force = force or self._traced_telemetry is not self.telemetry
        self._traced_telemetry = self.telemetry
        return super().make_train_function(force)

    def make_test_function(self, force: bool = False) -> Any:
        """See Keras. Exact metrics grow with the data, which XLA can't compile: with them, evaluation runs without."""
        compiled = self.jit_compile
        if self._exact_metrics:
            self.jit_compile = False
        try:
            return super().make_test_function(force)
        finally:
            self.jit_compile = compiled

    def evaluate(self, *args: Any, return_dict: bool = False, **kwargs: Any) -> Any:
        """See Keras; the values of exact metrics, and their means over tasks, stand beside the others."""
        exact = getattr(self, "_exact_metrics", None)
        if not exact:
            return super().evaluate(*args, return_dict=return_dict, **kwargs)
        exact.reset()
        logs = super().evaluate(*args, return_dict=True, **kwargs)
        logs |= exact.result()
        exact.reset()
        return logs if return_dict else list(logs.values())

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
        if isinstance(x, tf.data.Dataset):
            # A data set shuffles itself; Keras warns of its own default otherwise.
            kwargs.setdefault("shuffle", False)
        before = int(self.skipped_steps.numpy()) if hasattr(self, "skipped_steps") else 0
        self.telemetry = telemetry_for(self, callbacks)
        callbacks = with_epoch_ends(watching_first(callbacks), self.balancing)
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

    def _unpack(self, data: Any) -> tuple[Any, Any, Any]:
        """Returns inputs, labels and weights; of labels and weights by task those of the model's outputs."""
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        y, sample_weight = self.prepare_labels(y, sample_weight)
        outputs = getattr(self, "output_names", None)
        if outputs and isinstance(y, Mapping) and set(outputs) < set(y):
            y = {task: y[task] for task in outputs}
        if outputs and isinstance(sample_weight, Mapping) and set(outputs) < set(sample_weight):
            sample_weight = {task: sample_weight[task] for task in outputs}
        return x, y, sample_weight


@keras.saving.register_keras_serializable("tf_gradcraft")
class FunctionalMultiTaskModel(MultiTaskModel, Functional):
    """A `MultiTaskModel` built from `inputs` and `outputs`; made by `MultiTaskModel(inputs=..., outputs=...)`."""

    def __init__(self, inputs, outputs, name=None, **kwargs):
        if not isinstance(outputs, Mapping):
            raise ValueError(
                f"MultiTaskModel needs named outputs, a dict {{task: tensor}}; got {type(outputs).__name__}. "
                "Write outputs={'click': ..., 'like': ...}"
            )
        Functional.__init__(self, inputs, dict(outputs), name=name, **kwargs)
        # Losses and metrics go by the names of the tasks, whatever the output layers are called.
        self.output_names = keras.tree.flatten({task: task for task in outputs})

    def call(self, inputs, training=None, mask=None, **kwargs):
        """See Keras. Columns of a batch that are no input of the model, such as the group key, are passed over."""
        if isinstance(inputs, Mapping) and isinstance(self._inputs_struct, Mapping):
            if missing := sorted(set(self._inputs_struct) - set(inputs)):
                raise ValueError(f"the batch lacks these inputs of the model: {', '.join(missing)}")
            inputs = {name: inputs[name] for name in self._inputs_struct}
        return super().call(inputs, training=training, mask=mask, **kwargs)


def _batch_size(x: Any) -> tf.Tensor:
    return tf.shape(tf.nest.flatten(x)[0])[0]
