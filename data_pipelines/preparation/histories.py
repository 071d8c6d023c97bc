"""The last items of a user strictly before a row, as rows come in order of time."""

from __future__ import annotations

import numpy as np

from tf_gradcraft.data_pipelines.feature import PADDING


class LastItems:
    """Keeps the last items of each user.

    Args:
        users: Number of users.
        length: Number of items to keep.

    Example:
        >>> last = LastItems(users=1, length=2)
        >>> last.before(np.array([0, 0, 0]), np.array([1, 1, 2]), np.array([7, 8, 9])).tolist()
        [[-1, -1], [-1, -1], [8, 7]]
        >>> last.before(np.array([0]), np.array([3]), np.array([5])).tolist()
        [[9, 8]]
    """

    def __init__(self, users: int, length: int) -> None:
        self.length = length
        # Most recent first.
        self._last = np.full((users, length), PADDING, np.int32)

    def before(self, users: np.ndarray, times: np.ndarray, items: np.ndarray) -> np.ndarray:
        """Returns for each row the user's last items strictly before its time, and adds the rows.

        Args:
            users: Numbers of the users of the next rows [n], from 0.
            times: Their times [n], all later than those of earlier calls.
            items: Their items [n].

        Returns:
            int32 [n, length], most recent first, filled up with `PADDING`.
        """
        length, rows = self.length, len(users)
        if not rows:
            return np.zeros((0, length), np.int32)
        order = np.lexsort((times, users))
        who, when = users[order], times[order]
        new_user = np.append(True, who[1:] != who[:-1])
        new_time = new_user | np.append(True, when[1:] != when[:-1])
        first_of_time = np.maximum.accumulate(np.where(new_time, np.arange(rows), 0))
        # One sequence: for each user the items kept so far, oldest first, then those of these rows.
        number = np.cumsum(new_user) - 1
        starts = np.flatnonzero(new_user)
        present = who[starts]
        sequence = np.empty(rows + len(starts) * length, np.int32)
        sequence[np.arange(rows) + (number + 1) * length] = items[order]
        kept = (starts + np.arange(len(starts)) * length)[:, np.newaxis] + np.arange(length)
        sequence[kept] = self._last[present, ::-1]
        back = np.arange(1, length + 1)
        result = np.empty((rows, length), np.int32)
        result[order] = sequence[(first_of_time + (number + 1) * length)[:, np.newaxis] - back]
        ends = np.append(starts[1:], rows) + (np.arange(len(starts)) + 1) * length
        self._last[present] = sequence[ends[:, np.newaxis] - back]
        return result
