"""All that is fitted on the training part: vocabularies, medians, boundaries, historical rates."""

from __future__ import annotations

import dataclasses

import narwhals as nw
import numpy as np
import pyarrow as pa

from tf_gradcraft.data_pipelines.preparation.numbers import fit_boundaries, fit_missing
from tf_gradcraft.data_pipelines.preparation.options import Options
from tf_gradcraft.data_pipelines.preparation.parts import FOLD, SPLIT
from tf_gradcraft.data_pipelines.preparation.splitting import TRAIN
from tf_gradcraft.data_pipelines.preparation.staging import StagedRows
from tf_gradcraft.data_pipelines.preparation.statistics import KeyStatistics, priors, sum_by_key
from tf_gradcraft.data_pipelines.preparation.table_spec import TableSpec
from tf_gradcraft.data_pipelines.preparation.tags import fit_tags
from tf_gradcraft.data_pipelines.preparation.vocabularies import (
    COUNT,
    ColumnEncoder,
    codes_of_parts,
    fit_cross,
    fit_vocabulary,
)
from tf_gradcraft.data_pipelines.task import Task
from tf_gradcraft.data_pipelines.vocabulary import Vocabulary
from tf_gradcraft.data_pipelines.watch_time import fit_duration_quantiles


@dataclasses.dataclass
class Fitted:
    """What was fitted on the training part.

    Args:
        vocabularies: By feature, with the statistics of keys.
        encoders: By feature with a vocabulary.
        missing: What stands for a missing number, by numeric feature.
        boundaries: By bucketised feature.
        out_of_fold: By statistic its values for training rows by id and fold, float32 [size, folds].
        priors: Share of positives by task.
        tasks: The tasks, with what was fitted for their losses.
    """

    vocabularies: dict[str, Vocabulary] = dataclasses.field(default_factory=dict)
    encoders: dict[str, ColumnEncoder] = dataclasses.field(default_factory=dict)
    missing: dict[str, float] = dataclasses.field(default_factory=dict)
    boundaries: dict[str, tuple[float, ...]] = dataclasses.field(default_factory=dict)
    out_of_fold: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    priors: dict[str, float] = dataclasses.field(default_factory=dict)
    tasks: tuple[Task, ...] = ()

    def add(self, name: str, vocabulary: Vocabulary) -> None:
        """Adds the vocabulary of a feature."""
        self.vocabularies[name] = vocabulary
        self.encoders[name] = ColumnEncoder(vocabulary.values)


def fit(rows: nw.LazyFrame, staged: StagedRows, spec: TableSpec, options: Options) -> Fitted:
    """Fits everything; reads only the rows of the training part.

    Args:
        rows: The staged rows as a lazy frame.
        staged: The same as a file, for medians and quantiles.
        spec: What the columns are.
        options: The choices of the preparation.
    """
    train = rows.filter(nw.col(SPLIT) == TRAIN)
    fitted = Fitted()
    for name in spec.categorical:
        if name not in spec.hashed:
            fitted.add(name, fit_vocabulary(train, name, options.min_count))
    for name, tags in spec.tags.items():
        fitted.add(name, fit_tags(train, name, tags, options.min_count))
    binary = rated_tasks(spec)
    for name in dict.fromkeys((*spec.cross_names, *spec.statistic_keys)):
        parts = spec.cross_names.get(name, (name,))
        # One pass gives the counts of a cross's vocabulary and the sums of its statistics.
        sums = sum_by_key(train, parts, binary if name in spec.statistic_keys else ())
        if name in spec.cross_names:
            fitted.add(name, fit_cross(sums, parts, fitted.encoders, options.min_count))
        if name in spec.statistic_keys:
            fit_statistics(fitted, name, parts, sums, spec, options)
    for name in spec.numeric:
        values = staged.column(name, TRAIN)
        fitted.missing[name] = fit_missing(values)
        if name in spec.buckets:
            try:
                fitted.boundaries[name] = fit_boundaries(values, spec.buckets[name])
            except ValueError as error:
                raise ValueError(f"column {name!r}: {error}") from error
    fitted.tasks = tuple(fit_task(task, staged, fitted) for task in spec.task_list)
    return fitted


def rated_tasks(spec: TableSpec) -> tuple[Task, ...]:
    """Returns the tasks that have historical rates: the binary ones."""
    return tuple(task for task in spec.task_list if task.kind == "binary")


def key_ids(table: pa.Table, name: str, parts: tuple[str, ...], fitted: Fitted) -> np.ndarray:
    """Returns the ids of a key, a feature of its own or a cross, from the raw columns."""
    if parts == (name,):
        return fitted.encoders[name](table[name])
    return fitted.encoders[name].of_integers(codes_of_parts(table, parts, fitted.encoders))


def fit_statistics(
    fitted: Fitted, key: str, parts: tuple[str, ...], sums: pa.Table, spec: TableSpec, options: Options
) -> None:
    """Adds rates and counts of a key: by id to its vocabulary, by id and fold for the training rows."""
    vocabulary = fitted.vocabularies[key]
    tasks = rated_tasks(spec)
    fitted.priors = dict(priors(sums, tasks))
    history = KeyStatistics(
        key_ids(sums, key, parts, fitted),
        vocabulary.size,
        sums[FOLD].to_numpy(),
        options.folds,
        sums[COUNT].to_numpy(),
    )
    by_id = {}
    for task in tasks:
        name = f"{key}_{task.name}_rate"
        of_task = (
            sums[f"positives_{task.name}"].to_numpy(),
            sums[f"labelled_{task.name}"].to_numpy(),
            fitted.priors[task.name],
            options.smoothing_of(task.name),
        )
        by_id[name] = history.rates(*of_task)
        if options.rates == "out_of_fold":
            fitted.out_of_fold[name] = history.rates_out_of_fold(*of_task)
    by_id[f"{key}_count"] = history.counts()
    if options.rates == "out_of_fold":
        fitted.out_of_fold[f"{key}_count"] = history.counts_out_of_fold()
    fitted.vocabularies[key] = Vocabulary(vocabulary.values, by_id)


def fit_task(task: Task, staged: StagedRows, fitted: Fitted) -> Task:
    """Returns a task with what its loss needs from the training rows."""
    if task.loss != "duration_quantile" or task.quantiles:
        return task
    labels, durations = staged.column(task.name, TRAIN), staged.column(str(task.duration), TRAIN)
    durations = np.where(np.isnan(durations), fitted.missing[str(task.duration)], durations)
    known = np.ones(len(labels), bool) if task.mask is None else staged.column(task.mask, TRAIN) > 0
    return fit_duration_quantiles(task, labels[known], durations[known])
