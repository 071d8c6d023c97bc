"""From a cleaned and joined table to a prepared folder: every step in order."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import narwhals as nw
import numpy as np
import pyarrow as pa

from tf_gradcraft.data_pipelines.checks import check_labels, check_weights, refuse_rows
from tf_gradcraft.data_pipelines.preparation.columns import as_floats, group_codes, typed_table
from tf_gradcraft.data_pipelines.preparation.core_filter import k_core
from tf_gradcraft.data_pipelines.preparation.folder import FolderWriter
from tf_gradcraft.data_pipelines.preparation.hashing import row_uniform
from tf_gradcraft.data_pipelines.preparation.numbers import fill_missing, fit_missing, fit_moments
from tf_gradcraft.data_pipelines.preparation.options import Options, TableSpec, check_tasks
from tf_gradcraft.data_pipelines.preparation.splitting import (
    SPLITS,
    TRAIN,
    check_no_empty_split,
    date_split,
    random_split,
)
from tf_gradcraft.data_pipelines.preparation.statistics import KeyStatistics
from tf_gradcraft.data_pipelines.preparation.vocabularies import encode_column, fit_vocabulary
from tf_gradcraft.data_pipelines.prepared import PreparedData
from tf_gradcraft.data_pipelines.schema import GROUP, Feature, Schema, Task
from tf_gradcraft.data_pipelines.vocabulary import Vocabulary, cross_codes

Progress = Callable[[str], None]
Columns = dict[str, np.ndarray]

SPLIT_STREAM, FOLD_STREAM = 0, 1
REPAIR = "repair the input and prepare again"


class TableEncoder:
    """Turns a table into integer ids, numbers and labels, and the schema that describes them.

    Everything that is fitted (vocabularies, medians, moments, rates) sees the training rows only.

    Args:
        spec: What the columns are.
        options: The choices of the preparation.

    Example:
        >>> spec = TableSpec(user="u", item="i", time="t", tasks=("click",), categorical={"u": "int64", "i": "string"})
        >>> rows = 100
        >>> table = pa.table({"u": [1, 2] * 50, "i": ["a", "b"] * 50, "t": range(rows), "click": [0, 1] * 50})
        >>> schema, columns, split = TableEncoder(spec, Options()).encode(table, "log")
        >>> schema.feature_names, columns["u"].dtype, len(split)
        (('u', 'i'), dtype('int32'), 100)
    """

    def __init__(self, spec: TableSpec, options: Options) -> None:
        self.spec = spec
        self.options = options

    def encode(self, table: pa.Table, where: str) -> tuple[Schema, Columns, np.ndarray]:
        """Encodes a table.

        Args:
            table: The rows, in the order that they shall have in the prepared folder.
            where: What the table is, for errors.

        Returns:
            The schema (with vocabularies), the columns of all rows by name, and the split of each row (int8 [n]:
            0 train, 1 valid, 2 test).

        Raises:
            ValueError: If a label is not 0 or 1, a key is missing, or a part of the split is empty.
        """
        spec = self.spec
        columns: Columns = {}
        table = typed_table(table, spec, where)
        for task in spec.tasks:
            columns |= self._labels(table, task, where)
        split, folds = self._split(table, where)
        train = split == TRAIN
        features: list[Feature] = []
        vocabularies: dict[str, Vocabulary] = {}
        train_frame = nw.from_native(table.filter(pa.array(train)), eager_only=True)
        for name, dtype in spec.categorical.items():
            vocabularies[name] = fit_vocabulary(train_frame, name, self.options.min_count)
            columns[name] = encode_column(vocabularies[name], table[name])
            size, side = vocabularies[name].size, spec.side(name)
            features.append(Feature(name=name, kind="categorical", dtype=dtype, size=size, side=side))
        for name, parts in spec.cross_names.items():
            codes = cross_codes([columns[part] for part in parts], [vocabularies[part].size for part in parts])
            codes_of_train = nw.from_native(pa.table({name: codes[train]}), eager_only=True)
            vocabularies[name] = fit_vocabulary(codes_of_train, name, self.options.min_count)
            columns[name] = vocabularies[name].encode(codes)
            size = vocabularies[name].size
            features.append(Feature(name=name, kind="categorical", dtype="int64", size=size, crosses=parts))
        for name, transform in spec.numeric.items():
            values = as_floats(table[name])
            refuse_rows(np.isinf(values), values, where, name, "is infinite", REPAIR)
            missing = fit_missing(values[train])
            columns[name] = fill_missing(values, missing)
            number = self._number(name, "numeric", columns[name][train], transform)
            features.append(dataclasses.replace(number, missing=missing, side=spec.side(name)))
        for key in spec.statistic_keys:
            history = KeyStatistics(columns[key][train], vocabularies[key].size, folds[train], self.options.folds)
            statistics = {}
            for name, by_id, out_of_fold, transform in self._history(key, history, columns, train):
                statistics[name] = by_id
                columns[name] = by_id[columns[key]]
                columns[name][train] = out_of_fold
                features.append(self._number(name, "statistic", out_of_fold, transform, key))
            vocabularies[key] = Vocabulary(vocabularies[key].values, statistics)
        columns[GROUP] = group_codes(table[spec.group or spec.user])
        tasks = [Task(name=task, mask=spec.masks.get(task)) for task in spec.tasks]
        group = spec.group or spec.user
        schema = Schema(features=tuple(features), tasks=tuple(tasks), group=group, vocabularies=vocabularies)
        return schema, columns, split

    def _labels(self, table: pa.Table, task: str, where: str) -> Columns:
        labels, mask = as_floats(table[task]), self.spec.masks.get(task)
        if mask is None:
            check_labels(labels, Task(name=task), where, task, REPAIR)
            return {task: labels.astype(np.float32)}
        weights = as_floats(table[mask])
        check_weights(weights, where, mask, REPAIR)
        labels = np.where(weights == 0, 0.0, labels)
        check_labels(labels, Task(name=task), where, task, REPAIR)
        return {task: labels.astype(np.float32), mask: weights.astype(np.float32)}

    def _split(self, table: pa.Table, where: str) -> tuple[np.ndarray, np.ndarray]:
        """Split and fold of each row."""
        spec, options = self.spec, self.options
        for name in (spec.user, spec.item, spec.time, spec.date or spec.time):
            if table[name].null_count:
                raise ValueError(f"{where}, column {name!r}: {table[name].null_count} values are missing; {REPAIR}")
        keys = [group_codes(table[name]) for name in (spec.user, spec.item, spec.time)]
        if options.split == "date":
            dates = table[spec.date or spec.time].to_numpy()
            split = date_split(dates, options.valid_from, options.test_from)
            span = f"the dates run from {dates.min()} to {dates.max()}" if len(dates) else "no row is left at all"
            hint = f"{span}; choose valid_from and test_from inside, or a smaller k_core"
        else:
            split = random_split(row_uniform(keys, options.seed, SPLIT_STREAM))
            hint = f"{len(table)} rows are left in all; take more rows, or a smaller k_core"
        check_no_empty_split(split, hint)
        folds = (row_uniform(keys, options.seed, FOLD_STREAM) * options.folds).astype(np.int64)
        return split, folds

    def _history(
        self, key: str, history: KeyStatistics, columns: Columns, train: np.ndarray
    ) -> Iterator[tuple[str, np.ndarray, np.ndarray, str | None]]:
        """Yields (name, values by id, values of the training rows, transform) of the statistics of a key."""
        for task in self.spec.tasks:
            labels, mask = columns[task][train], self.spec.masks.get(task)
            weights = None if mask is None else columns[mask][train]
            smoothing = self.options.smoothing_of(task)
            by_id = history.rates(labels, smoothing, weights)
            yield f"{key}_{task}_rate", by_id, history.rates_out_of_fold(labels, smoothing, weights), None
        yield f"{key}_count", history.counts(), history.counts_out_of_fold(), "log1p"

    def _number(
        self, name: str, kind: str, train: np.ndarray, transform: str | None, key: str | None = None
    ) -> Feature:
        mean, std = fit_moments(train, transform)
        return Feature(name=name, kind=kind, transform=transform, mean=mean, std=std, key=key)


def collect_table(frame: nw.LazyFrame, spec: TableSpec, options: Options, progress: Progress) -> pa.Table:
    """Filters a lazy log to its k-core and evaluates it: the columns of the spec, in the order of time.

    Args:
        frame: The log with all columns of the spec.
        spec: What the columns are.
        options: The choices of the preparation.
        progress: Called with what happens next.

    Returns:
        An Arrow table. Rows of the same time go by user, item and then all other columns: the order does not depend
        on the engine.

    Raises:
        ValueError: If a column of the spec is missing.
    """
    known = frame.collect_schema().names()
    for column in spec.columns:
        if column not in known:
            raise ValueError(f"the table has no column {column!r}; it has {', '.join(known)}")
    if options.k_core > 1:
        progress(f"keeping the {options.k_core}-core of users and items")
        frame = k_core(frame, spec.user, spec.item, options.k_core)
    progress("reading the rows in order of time")
    # Missing values need a place in the order too, or DuckDB and Arrow would differ in it.
    return frame.select(*spec.columns).sort(*spec.columns, nulls_last=True).collect(backend="pyarrow").to_arrow()


def prepare_table(
    read: Callable[[], nw.LazyFrame],
    spec: TableSpec,
    options: Options,
    folder: str | Path,
    *,
    dataset: str,
    inputs: list[Path],
    arguments: dict,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> PreparedData:
    """Prepares any table: the core that every data set calls.

    Args:
        read: Returns the cleaned and joined log as a lazy frame; called only when there is something to do.
        spec: What the columns are.
        options: The choices of the preparation.
        folder: The prepared folder to write.
        dataset: Name of the data set, for the manifest.
        inputs: The files that are read; their hashes decide whether a repeated run has something to do.
        arguments: Further arguments that change the result (plain JSON types).
        overwrite: Whether to replace a prepared folder that was made with other arguments or inputs.
        progress: Called with a short text before each step.

    Returns:
        The `PreparedData`.

    Raises:
        ValueError: If the folder holds something else (and `overwrite` is not set), or the table is not fit for
            training; the folder then stays as it was.
    """
    progress = progress or (lambda text: None)
    if isinstance(options.smoothing, Mapping):
        check_tasks(options.smoothing, spec.tasks)
    arguments = {**arguments, **options.to_dict(), "tasks": list(spec.tasks)}
    progress("hashing the input files")
    writer = FolderWriter(folder, dataset, inputs, arguments, overwrite)
    if existing := writer.existing():
        progress("nothing to do: the folder was prepared from the same files with the same arguments")
        return existing
    table = collect_table(read(), spec, options, progress)
    progress(f"encoding {len(table):,} rows")
    where = f"the rows of {inputs[0]} in order of time" if len(inputs) else dataset
    schema, columns, split = TableEncoder(spec, options).encode(table, where)
    progress("writing " + ", ".join(f"{n:,} {name}" for name, n in zip(SPLITS, np.bincount(split), strict=True)))
    return writer.write(schema, columns, split)
