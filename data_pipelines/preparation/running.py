"""Sums over earlier rows by id, as rows come in order of time: rates and counts strictly before a row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa

from tf_gradcraft.data_pipelines.preparation.ordering import last_change


class RunningSums:
    """Keeps sums by id over all rows so far.

    Args:
        size: Number of ids; id 0 (unknown) has no history.
        columns: Number of values that are summed for each id.

    Example:
        >>> sums = RunningSums(size=2, columns=1)
        >>> sums.before(np.array([1, 1, 1]), np.array([5, 5, 6]), np.array([[1.0], [2.0], [4.0]])).tolist()
        [[0.0], [0.0], [3.0]]
        >>> sums.before(np.array([1]), np.array([7]), np.array([[8.0]])).tolist()
        [[7.0]]
    """

    def __init__(self, size: int, columns: int) -> None:
        self._sums = np.zeros((size, columns))

    def before(self, ids: np.ndarray, times: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Returns for each row the sums over all rows of its id strictly before its time, and adds the rows.

        Args:
            ids: Ids of the next rows [n].
            times: Their times [n], all later than those of earlier calls.
            values: What is summed [n, columns].

        Returns:
            float64 [n, columns].
        """
        order = np.lexsort((times, ids))
        ids_in_order, times_in_order = ids[order], times[order]
        new_id = np.append(True, ids_in_order[1:] != ids_in_order[:-1])[: len(ids)]
        new_time = new_id | np.append(True, times_in_order[1:] != times_in_order[:-1])[: len(ids)]
        so_far = np.cumsum(values[order], axis=0) - values[order]
        row = np.arange(len(ids))
        first_of_id = np.maximum.accumulate(np.where(new_id, row, 0))
        first_of_time = np.maximum.accumulate(np.where(new_time, row, 0))
        result = np.empty(values.shape)
        result[order] = self._sums[ids_in_order] + so_far[first_of_time] - so_far[first_of_id]
        result[ids == 0] = 0.0
        for column in range(values.shape[1]):
            self._sums[:, column] += np.bincount(ids, values[:, column], minlength=len(self._sums))
        return result


def whole_times(batches: Iterable[pa.Table], time: str) -> Iterator[pa.Table]:
    """Cuts batches of rows in order of time such that rows of the same time are in the same one.

    Example:
        >>> rows = pa.table({"time": [1, 2, 2, 3]})
        >>> [table["time"].to_pylist() for table in whole_times([rows.slice(0, 2), rows.slice(2)], "time")]
        [[1], [2, 2], [3]]
    """
    held: pa.Table | None = None
    for batch in batches:
        table = batch if held is None else pa.concat_tables([held, batch])
        ready = last_change(table, [time]) + 1
        held = table.slice(ready)
        if ready:
            yield table.slice(0, ready)
    if held is not None and len(held):
        yield held
