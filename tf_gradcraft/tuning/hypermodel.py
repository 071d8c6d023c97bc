"""A search space of multi-task models over one schema."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import keras_tuner

from tf_gradcraft import models, optimizers
from tf_gradcraft.data_pipelines import PreparedData, Schema
from tf_gradcraft.suggestions import unknown_name
from tf_gradcraft.training.balancing_arguments import BALANCE_OVER
from tf_gradcraft.tuning import architectures, method_axes
from tf_gradcraft.tuning.axes import TENTHS, Axis, Range, declare, values_of
from tf_gradcraft.tuning.objectives import ObjectiveLog, TaskObjective, mean_auc

DROPOUT = Range(0.0, 0.5, step=0.1)
LEARNING_RATE = Range(1e-4, 1e-2, log=True)
UNITS = ("256-128-64", "128-64", "64-32")


class MultiTaskHyperModel(keras_tuner.HyperModel):
    """Models of a schema: architecture, balancing, and the numbers of both, for any tuner of KerasTuner.

    Each axis is a fixed value, a sequence to choose from, or a `Range`; what is not given has the default below, and
    an axis that belongs to a method or architecture is active with that one only. The defaults span many more
    combinations than a search can try: fix what you know.

    Args:
        source: A `PreparedData` or its folder, whose training and validation part every trial reads at its batch size;
            or a `Schema`: then `tuner.search(train, validation_data=valid)` gives the data, and batch size is no axis.
        objective: What early stopping looks at; give the tuner the same one (`hypermodel.objective`).
        tasks: Names of the tasks, in order; all by default.
        epochs: Most epochs of a trial (Hyperband sets its own).
        patience: Epochs without a better objective before a trial stops.
        seed: Seed of initial weights, dropout and the order of rows, the same in each trial; None for another one
            each time, as `executions_per_trial` above 1 needs.
        method: Names of balancing methods.
        tau: Of GradCraft.
        epsilon: Of GradCraft.
        relax_factor: Of MetaBalance.
        strategy: Of MetaBalance.
        balancing_settings: Axes of further hyper-parameters by method, see `balancing_space`.
        balance_over: What tasks are compared on: `"parameters"` or `"representation"`.
        architecture: Names of models, see `tf_gradcraft.models.names`.
        experts: Number of experts: of all in MMoE, of each task and of the shared ones in PLE.
        units: Widths of the layers of experts, or of the bottom, such as `"256-128-64"`.
        dropout: In experts and towers.
        embedding_dim: Length of an embedding.
        learning_rate: Of LazyAdam.
        batch_size: Rows a batch.
        model_settings: Further arguments of the model's constructor, the same in each trial.

    Raises:
        ValueError: If a name is not known.

    Example:
        >>> from tf_gradcraft.data_pipelines import Feature, Task
        >>> schema = Schema(features=(Feature(name="user", kind="categorical", dtype="int64", size=9),),
        ...                 tasks=(Task(name="click"), Task(name="like")), group="user", vocabularies={})
        >>> space = MultiTaskHyperModel(schema, method="gradcraft", architecture=["mmoe", "shared_bottom"], units="8-4")
        >>> hp = keras_tuner.HyperParameters()
        >>> model = space.build(hp)
        >>> model.balancing.tau, hp.values["architecture"], hp.values["experts"]
        (0.5, 'mmoe', 4)
    """

    def __init__(
        self,
        source: Schema | PreparedData | str | Path,
        *,
        objective: TaskObjective | None = None,
        tasks: list[str] | None = None,
        epochs: int = 20,
        patience: int = 3,
        seed: int | None = 0,
        method: Axis = method_axes.METHODS,
        tau: Axis = TENTHS,
        epsilon: Axis = (1e-8, 1e-9, 1e-10),
        relax_factor: Axis = TENTHS,
        strategy: Axis = ("C", "A", "B"),
        balancing_settings: Mapping[str, Mapping[str, Axis]] | None = None,
        balance_over: Axis = ("parameters", "representation"),
        architecture: Axis = ("ple", "mmoe", "shared_bottom"),
        experts: Axis = (1, 2, 4),
        units: Axis = UNITS,
        dropout: Axis = DROPOUT,
        embedding_dim: Axis = 16,
        learning_rate: Axis = LEARNING_RATE,
        batch_size: Axis = (2048, 512, 1024, 4096),
        model_settings: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(name="multi_task")
        data = PreparedData(source) if isinstance(source, str | Path) else source
        self.data = data if isinstance(data, PreparedData) else None
        schema = data.schema if isinstance(data, PreparedData) else data
        self.schema: Schema = schema.select(tasks=tasks)
        self.objective = mean_auc() if objective is None else objective
        self.epochs, self.patience, self.seed = epochs, patience, seed
        self.model_settings = dict(model_settings or {})
        self._methods, self._balancing_settings = method, dict(balancing_settings or {})
        self._balancing = {"tau": tau, "epsilon": epsilon, "relax_factor": relax_factor, "strategy": strategy}
        self._architectures, self._experts = [str(name) for name in values_of(architecture)], experts
        self._axes: dict[str, tuple[Axis, Any]] = {
            "balance_over": (balance_over, "parameters"),
            "units": (units, "256-128-64"),
        }
        self._axes |= {"dropout": (dropout, 0.2), "embedding_dim": (embedding_dim, 16)}
        self._axes |= {"learning_rate": (learning_rate, 1e-3)}
        if self.data is not None:
            self._axes["batch_size"] = (batch_size, 2048)
        for name in self._architectures:
            models.get(name)
        for over in values_of(balance_over):
            if over not in BALANCE_OVER:
                raise ValueError(unknown_name("balance_over", over, BALANCE_OVER))
        for text in values_of(units):
            architectures.parse_units(str(text))
        self._loaded: tuple[int, Any, Any] | None = None
        self.declare_hyperparameters(keras_tuner.HyperParameters())  # refuses wrong names before a search starts

    def declare_hyperparameters(self, hp: Any) -> None:
        """Declares the whole space; KerasTuner calls it once, before any model is built."""
        method_axes.declare_balancing(hp, self._methods, self._balancing, self._balancing_settings)
        chosen = declare(hp, "architecture", self._architectures, default="ple")
        if with_experts := [name for name in self._architectures if architectures.has_experts(name)]:
            with hp.conditional_scope("architecture", with_experts):
                declare(hp, "experts", self._experts, default=architectures.default_experts(chosen))
        for name, (axis, default) in self._axes.items():
            declare(hp, name, axis, default=default)

    def build(self, hp: Any) -> keras.Model:
        """Returns the compiled model of a trial's values."""
        # A conditional scope that is opened while building makes KerasTuner build once more for each that is inactive.
        if "method" not in hp:
            self.declare_hyperparameters(hp)
        if self.seed is not None:
            keras.utils.set_random_seed(self.seed)
        values = hp.values
        model = models.get(values["architecture"])(self.schema, **self.constructor_settings(values))
        several = len(self.schema.tasks) > 1
        optimizer = optimizers.LazyAdam(values["learning_rate"])
        # With slots from the start, a trial of Hyperband takes over those of the trial that it goes on from.
        optimizer.build(model.trainable_variables)
        model.compile(
            optimizer=optimizer,
            balancing=method_axes.balancer_of(values) if several else None,
            balance_over=values["balance_over"],
        )
        return model

    def constructor_settings(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the arguments of the model's constructor, beside the schema, of a trial's values."""
        return {**self.model_settings, **architectures.settings_of(values)}

    def fit(self, hp: Any, model: keras.Model, *args: Any, **kwargs: Any) -> Any:
        """Trains a trial until its objective gets no better, and returns the history.

        Args:
            hp: The trial's values.
            model: What `build` returned.
            *args: What `tuner.search` was given.
            **kwargs: As well; `epochs` and `initial_epoch` as Hyperband sets them, and KerasTuner's callbacks.

        Raises:
            keras_tuner.errors.FatalValueError: If data are given beside a prepared folder, or are missing.
        """
        stopping = keras.callbacks.EarlyStopping(self.objective.name, patience=self.patience, mode="max")
        callbacks = [ObjectiveLog(self.objective), *kwargs.pop("callbacks", []), stopping]
        kwargs = {"epochs": self.epochs, "verbose": 0, **kwargs}
        given = bool(args) or "x" in kwargs
        if self.data is None:
            if not given or "validation_data" not in kwargs:
                raise keras_tuner.errors.FatalValueError(
                    "the hypermodel was made from a schema: call search(train, validation_data=valid)"
                )
            return model.fit(*args, callbacks=callbacks, **kwargs)
        if given or "validation_data" in kwargs:
            raise keras_tuner.errors.FatalValueError(
                "the hypermodel reads its prepared folder at the batch size of each trial; make it from "
                "data.schema to give data of your own"
            )
        train, valid = self._parts(hp.values["batch_size"])
        return model.fit(train, validation_data=valid, callbacks=callbacks, **kwargs)

    def _parts(self, batch_size: int) -> tuple[Any, Any]:
        """Returns training and validation part; those of the last batch size are kept."""
        if self._loaded is None or self._loaded[0] != batch_size:
            assert self.data is not None
            self._loaded = None
            seed = 0 if self.seed is None else self.seed
            train, valid, _ = self.data.load(batch_size, seed=seed, tasks=self.schema.task_names)
            self._loaded = (batch_size, train, valid)
        return self._loaded[1:]
