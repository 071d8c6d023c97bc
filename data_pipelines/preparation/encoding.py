"""Staged rows as the columns of a prepared folder, batch by batch, and the schema that describes them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from tf_gradcraft.data_pipelines.feature import GROUP, Feature
from tf_gradcraft.data_pipelines.preparation.columns import as_floats, hashed_column
from tf_gradcraft.data_pipelines.preparation.fitting import Fitted, key_ids, rated_tasks
from tf_gradcraft.data_pipelines.preparation.histories import LastItems
from tf_gradcraft.data_pipelines.preparation.numbers import Moments, fill_missing
from tf_gradcraft.data_pipelines.preparation.options import Options
from tf_gradcraft.data_pipelines.preparation.parts import FOLD, GROUP_CODE, SPLIT
from tf_gradcraft.data_pipelines.preparation.running import RunningSums, whole_times
from tf_gradcraft.data_pipelines.preparation.splitting import TRAIN
from tf_gradcraft.data_pipelines.preparation.staging import StagedRows
from tf_gradcraft.data_pipelines.preparation.statistics import smoothed_log_odds
from tf_gradcraft.data_pipelines.preparation.table_spec import TableSpec
from tf_gradcraft.data_pipelines.preparation.tags import encode_tags
from tf_gradcraft.data_pipelines.preparation.vocabularies import ColumnEncoder
from tf_gradcraft.data_pipelines.schema import Schema

Columns = dict[str, np.ndarray]


class RowEncoder:
    """Encodes rows that come in order of time.

    Args:
        spec: What the columns are.
        options: The choices of the preparation.
        fitted: What was fitted on the training part.
        users: Encodes all users of all parts (from id 1), for their histories; None without histories.
    """

    def __init__(self, spec: TableSpec, options: Options, fitted: Fitted, users: ColumnEncoder | None = None) -> None:
        self.spec = spec
        self.options = options
        self.fitted = fitted
        self.keys = {key: spec.cross_names.get(key, (key,)) for key in spec.statistic_keys}
        self.rated = rated_tasks(spec)
        self._moments = {name: Moments(transform) for name, transform in self._numbers()}
        self._users = users
        self._last = {}
        if users is not None:
            self._last = {name: LastItems(users.size - 1, history.length) for name, history in spec.histories.items()}
        self._running: dict[str, RunningSums] = {}
        if options.rates == "before":
            sizes = {key: fitted.vocabularies[key].size for key in self.keys}
            self._running = {key: RunningSums(size, 1 + 2 * len(self.rated)) for key, size in sizes.items()}

    def encode(self, staged: StagedRows) -> Iterator[tuple[Columns, np.ndarray]]:
        """Yields the columns of the next rows, and the part of each (int8 [n])."""
        batches = staged.batches()
        for table in whole_times(batches, self.spec.time) if self._last or self._running else batches:
            split = table[SPLIT].to_numpy()
            columns = self._columns(table, split == TRAIN)
            for name, moments in self._moments.items():
                moments.add(columns[name][split == TRAIN])
            yield columns, split

    def schema(self) -> Schema:
        """Returns what describes the columns; complete when all rows were encoded."""
        spec, fitted = self.spec, self.fitted
        features = []
        for name, dtype in spec.categorical.items():
            hashed = name in spec.hashed
            size = spec.hashed[name] if hashed else fitted.vocabularies[name].size
            features.append(self._feature(name, "categorical", dtype=dtype, size=size, hashed=hashed))
        for name, parts in spec.cross_names.items():
            size = fitted.vocabularies[name].size
            features.append(Feature(name=name, kind="categorical", dtype="int64", size=size, crosses=parts))
        for name, tags in spec.tags.items():
            size = fitted.vocabularies[name].size
            features.append(
                self._feature(name, "tags", dtype=tags.dtype, size=size, length=tags.length, pooling=tags.pooling)
            )
        for name, history in spec.histories.items():
            features.append(Feature(name=name, kind="history", length=history.length, of=history.of or spec.item))
        for name, transform in spec.numeric.items():
            known = {"missing": fitted.missing[name], "boundaries": fitted.boundaries.get(name, ())}
            features.append(self._feature(name, "numeric", transform=transform, **known, **self._moments_of(name)))
        for key in self.keys:
            for name in fitted.vocabularies[key].statistics:
                transform = self._moments[name].transform
                mean, std = self._moments[name].result()
                features.append(Feature(name=name, kind="statistic", transform=transform, key=key, mean=mean, std=std))
        group = spec.group or spec.user
        return Schema(features=tuple(features), tasks=fitted.tasks, group=group, vocabularies=fitted.vocabularies)

    def _feature(self, name: str, kind: str, **arguments: object) -> Feature:
        arguments["side"], arguments["dimension"] = self.spec.side(name), self.spec.dimensions.get(name)
        return Feature(name=name, kind=kind, **arguments)  # type: ignore[arg-type]

    def _moments_of(self, name: str) -> dict[str, Any]:
        mean, std = self._moments[name].result()
        return {"mean": mean, "std": std}

    def _numbers(self) -> Iterator[tuple[str, str | None]]:
        yield from self.spec.numeric.items()
        for key in self.keys:
            for name in self.fitted.vocabularies[key].statistics:
                yield name, "log1p" if name == f"{key}_count" else None

    def _columns(self, table: pa.Table, train: np.ndarray) -> Columns:
        spec, fitted = self.spec, self.fitted
        columns: Columns = {}
        for name in spec.categorical:
            if name in spec.hashed:
                columns[name] = hashed_column(table[name], spec.hashed[name])
            else:
                columns[name] = fitted.encoders[name](table[name])
        for name, parts in spec.cross_names.items():
            columns[name] = key_ids(table, name, parts, fitted)
        for name, tags in spec.tags.items():
            columns[name] = encode_tags(table[name], tags, fitted.encoders[name], f"column {name!r}")
        for name, history in spec.histories.items():
            users = self._users(table[spec.user]) - 1  # type: ignore[misc]
            columns[name] = self._last[name].before(
                users, table[spec.time].to_numpy(), columns[history.of or spec.item]
            )
        for name in spec.numeric:
            columns[name] = fill_missing(as_floats(table[name]), fitted.missing[name])
        for key in self.keys:
            columns |= self._statistics(key, columns[key], table, train)
        columns[GROUP] = table[GROUP_CODE].to_numpy()
        for task in fitted.tasks:
            for name in filter(None, (task.name, task.mask)):
                columns[name] = table[name].to_numpy().astype(np.float32)
        return columns

    def _statistics(self, key: str, ids: np.ndarray, table: pa.Table, train: np.ndarray) -> Columns:
        """Values by id; on training rows those of the other folds, or of the time before."""
        fitted = self.fitted
        columns = {name: by_id[ids] for name, by_id in fitted.vocabularies[key].statistics.items()}
        if not self._running:
            folds = table[FOLD].to_numpy()[train]
            for name, values in columns.items():
                values[train] = fitted.out_of_fold[name][ids[train], folds]
            return columns
        summed = [np.ones(int(train.sum()))]
        for task in self.rated:
            weights = np.ones(len(train)) if task.mask is None else table[task.mask].to_numpy().astype(np.float64)
            summed += [(table[task.name].to_numpy() * weights)[train], weights[train]]
        times = table[self.spec.time].to_numpy()[train]
        before = self._running[key].before(ids[train], times, np.stack(summed, axis=1))
        columns[f"{key}_count"][train] = before[:, 0]
        for number, task in enumerate(self.rated):
            positives, labelled = before[:, 1 + 2 * number], before[:, 2 + 2 * number]
            prior, smoothing = fitted.priors[task.name], self.options.smoothing_of(task.name)
            columns[f"{key}_{task.name}_rate"][train] = smoothed_log_odds(positives, labelled, prior, smoothing)
        return columns
