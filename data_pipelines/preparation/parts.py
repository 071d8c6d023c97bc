"""The part (train, valid, test) and the fold of each row, as rows come in order of time."""

from __future__ import annotations

import narwhals as nw
import numpy as np
import pyarrow as pa

from tf_gradcraft.data_pipelines.preparation.hashing import row_uniform
from tf_gradcraft.data_pipelines.preparation.options import Options
from tf_gradcraft.data_pipelines.preparation.splitting import date_split, leave_one_out_split, random_split
from tf_gradcraft.data_pipelines.preparation.table_spec import TableSpec
from tf_gradcraft.data_pipelines.preparation.vocabularies import ColumnEncoder, distinct_values

SPLIT, FOLD, GROUP_CODE = "__split__", "__fold__", "__group__"
SPLIT_STREAM, FOLD_STREAM = 0, 1
ROWS_OF_USER = "rows_of_user"


class RowParts:
    """Adds to rows their part, their fold and the code of their group.

    Random parts and folds follow from a hash of user, item, time and the seed, never from where a row stands. A string
    counts by its rank among all values of its column.

    Args:
        frame: The log; its distinct strings are read, and for leave-one-out the users' numbers of rows.
        spec: What the columns are.
        options: The choices of the preparation.

    Example:
        >>> import pandas as pd
        >>> spec = TableSpec(user="u", item="i", time="t", tasks=("click",), categorical={"u": "int64"})
        >>> log = pd.DataFrame({"u": [1, 1, 1], "i": [7, 8, 9], "t": [1, 2, 3]})
        >>> parts = RowParts(nw.from_native(log).lazy(), spec, Options(split="leave_one_out"))
        >>> parts.add(pa.Table.from_pandas(log))["__split__"].to_pylist()
        [0, 1, 2]
    """

    def __init__(self, frame: nw.LazyFrame, spec: TableSpec, options: Options) -> None:
        self.spec = spec
        self.options = options
        self.group = spec.group or spec.user
        schema = frame.collect_schema()
        self._ranks: dict[str, ColumnEncoder] = {}
        for name in dict.fromkeys((*spec.sort_keys, self.group)):
            numeric = "int64" if schema[name].is_numeric() else "string"
            if spec.categorical.get(name, numeric) == "string":
                # Id 1 is the first in order, so that ids are ranks plus 1.
                self._ranks[name] = ColumnEncoder(np.unique(distinct_values(frame, name)))
        if options.split == "leave_one_out":
            counts = frame.group_by(spec.user).agg(nw.len().alias(ROWS_OF_USER)).collect(backend="pyarrow").to_arrow()
            counts = counts.filter(pa.compute.is_valid(counts[spec.user]))
            users = self._codes(counts, spec.user)
            order = np.argsort(users)
            self._users = users[order]
            self._rows_of_user = counts[ROWS_OF_USER].to_numpy()[order].astype(np.int64)
            self._seen = np.zeros(len(users), np.int64)

    def add(self, table: pa.Table) -> pa.Table:
        """Returns the next rows in order of time with three more columns: part, fold (int8) and group (int64)."""
        keys = [self._codes(table, name) for name in (self.spec.user, self.spec.item, self.spec.time)]
        folds = row_uniform(keys, self.options.seed, FOLD_STREAM) * self.options.folds
        table = table.append_column(SPLIT, pa.array(self._split(table, keys)))
        table = table.append_column(FOLD, pa.array(folds.astype(np.int16)))
        return table.append_column(GROUP_CODE, pa.array(self._codes(table, self.group)))

    def _codes(self, table: pa.Table, name: str) -> np.ndarray:
        """One int64 for each raw value: numbers as they are, strings by rank; -1 where missing (but not for a key)."""
        if name in self._ranks:
            return self._ranks[name](table[name]).astype(np.int64) - 1
        return table[name].cast(pa.int64()).fill_null(-1).to_numpy()

    def _split(self, table: pa.Table, keys: list[np.ndarray]) -> np.ndarray:
        options = self.options
        if options.split == "date":
            dates = table[self.spec.date or self.spec.time].to_numpy()
            return date_split(dates, options.valid_from, options.test_from)
        if options.split == "random":
            return random_split(row_uniform(keys, options.seed, SPLIT_STREAM))
        if options.split == "user":
            return random_split(row_uniform(keys[:1], options.seed, SPLIT_STREAM))
        users = np.searchsorted(self._users, keys[0])
        of_user = self._rows_of_user[users]
        before = self._seen[users] + occurrences(users)
        self._seen += np.bincount(users, minlength=len(self._seen))
        return leave_one_out_split(of_user - 1 - before, of_user)


def occurrences(values: np.ndarray) -> np.ndarray:
    """Returns for each value how often it stood before.

    Example:
        >>> occurrences(np.array([5, 7, 5, 5])).tolist()
        [0, 0, 1, 2]
    """
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1])) if len(values) else np.zeros(0, np.int64)
    before = np.empty(len(values), np.int64)
    before[order] = np.arange(len(values)) - np.repeat(starts, np.diff(np.append(starts, len(values))))
    return before
