"""Ranking of all items for each user: NDCG, recall and precision of the first k, in batches in the graph."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tf_gradcraft.metrics.at_k import checked_k
from tf_gradcraft.metrics.out_of_reach import out_of_reach

Score = Callable[[tf.Tensor], tf.Tensor]
ScoreItems = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
# Of how many items, for each place in the list, it is first looked whether they come before all that is wanted; and by
# what factor they become more.
ITEMS_A_PLACE, GROWTH = 16, 4


class AllItemsRanking:
    r"""Ranks all items for each user and compares the first k with the items that were held out.

    Item 0 (unknown) and the user's known items are left out of the list. With $y_j = 1$ where the item at position j
    was held out and R the number of the user's held-out items:

    $$Recall@k = \frac{1}{R} \sum_{j=1}^{k} y_j, \quad Precision@k = \frac{1}{k} \sum_{j=1}^{k} y_j, \quad NDCG@k =
    \frac{\sum_{j=1}^{k} y_j / \log_2(j + 1)}{\sum_{j=1}^{\min(k, R)} 1 / \log_2(j + 1)}$$

    and the mean is over users. A held-out item with id 0 counts in R and can't be found.

    Of items with exactly equal scores the one with the lower id comes first (`tf.math.top_k`). Rank by logits: of
    probabilities in float32 many are exactly 1. A model that gives all items the same score therefore gets the figures
    of the order of ids; where ids go by falling frequency, as in prepared folders, those are the figures of popularity.

    Args:
        users: Ids of the users [N].
        known: Rows of `users` and ids of items `([M], [M])` to leave out of the lists.
        held_out: Rows of `users` and ids of items `([H], [H])` to find.
        num_items: Number of item ids I, id 0 included.
        k: Numbers of first items that count.
        batch_size: Users ranked at once. Scores take 4 I bytes a user, what a model needs to compute them many times
            that.

    Raises:
        ValueError: If a `k` is below 1 or above I - 1, a row or an id is out of range, a user has nothing held out, or
            a pair is both known and held out.

    Example:
        >>> ranking = AllItemsRanking(
        ...     users=np.array([7, 8]), known=(np.array([0]), np.array([1])),
        ...     held_out=(np.array([0, 1]), np.array([3, 2])), num_items=5, k=[1, 2])
        >>> scores = tf.constant([[0.0, 0.9, 0.8, 0.7, 0.1]])
        >>> values = ranking.evaluate(lambda users: tf.repeat(scores, tf.size(users), axis=0))
        >>> values["recall_at_1"], values["recall_at_2"]
        (0.0, 1.0)
        >>> of_items = lambda users, items: tf.repeat(tf.gather(scores, items, axis=1), tf.size(users), axis=0)
        >>> ranking.evaluate(score_items=of_items) == values
        True
    """

    def __init__(
        self,
        users: Any,
        known: tuple[Any, Any],
        held_out: tuple[Any, Any],
        num_items: int,
        k: Sequence[int] = (10, 20),
        batch_size: int = 64,
    ) -> None:
        self.users = np.asarray(users, np.int32)
        self.num_items = num_items
        self.k = tuple(checked_k(length) for length in k)
        self.batch_size = batch_size
        if max(self.k) >= num_items:
            raise ValueError(f"k={max(self.k)} is more than there are items to rank: {num_items - 1}")
        self._traced: tuple[Any, Any] = (None, None)
        self._known = self._lists(*known, name="known")
        self._held_out = self._lists(*held_out, name="held_out")
        self._refuse_both(known, held_out)
        if empty := np.flatnonzero(self._held_out.row_lengths().numpy() == 0).tolist():
            raise ValueError(
                f"held_out has no item for user {self.users[empty[0]]} (row {empty[0]}); leave that user out"
            )

    def evaluate(self, score: Score | None = None, *, score_items: ScoreItems | None = None) -> dict[str, float]:
        """Ranks every user.

        With `score_items` a user is scored on all items only where that can make a difference: once as many items as
        the list has places have been seen to come before all that is held out, the user's values are 0, whatever the
        others score. Scores equal up to rounding decide nothing, so the values are those of `score`. It takes a
        fraction of the time, least where such items stand at low ids, as frequent ones do in prepared folders; where
        nearly all users have something held out in their list, it takes longer instead: 1.2 to 1.4 times as long.

        Args:
            score: Maps ids of users (int32 [B]) to the scores of all items [B, I], in TensorFlow operations, such as
                `lambda users: model.score_all_items(users, "buy")`.
            score_items: In its place: maps ids of users (int32 [B]) and of items (int32 [S]) to scores [B, S], such as
                `lambda users, items: model.score_items(users, items, "buy")`.

        Returns:
            `ndcg_at_<k>`, `recall_at_<k>` and `precision_at_<k>` for each k.

        Raises:
            ValueError: If both or neither are given.
            tf.errors.InvalidArgumentError: If a score is NaN, of those that were computed.
        """
        check_one(score, score_items)
        if (score, score_items) != self._traced:
            # Kept for the next epoch, which then traces nothing.
            self._traced = score, score_items
            of_rows = tf.TensorSpec([None], tf.int32)
            self._rank = tf.function(self._sums, input_signature=[of_rows])
            self._in_reach = tf.function(self._may_be_found, input_signature=[of_rows, tf.TensorSpec([], tf.int32)])
        rows = np.arange(len(self.users), dtype=np.int32)
        if score_items is not None:
            rows = self._rows_in_reach(rows)
        means = self._rank(rows).numpy() / len(self.users)
        names = [f"{name}_at_{k}" for k in self.k for name in ("ndcg", "recall", "precision")]
        return dict(zip(names, means.tolist(), strict=True))

    def _scores(self, users: tf.Tensor) -> tf.Tensor:
        """Scores of all items [B, I], by the function that was given."""
        score, score_items = self._traced
        return score(users) if score_items is None else score_items(users, tf.range(self.num_items))

    def _rows_in_reach(self, rows: np.ndarray) -> np.ndarray:
        """Rows of users whose held-out items may be in the list: looks at a few items, then at more where needed."""
        last = ITEMS_A_PLACE * max(self.k)
        while len(rows) and GROWTH * last <= self.num_items:
            batches = np.split(rows, range(self.batch_size, len(rows), self.batch_size))
            rows = rows[np.concatenate([self._in_reach(batch, last) for batch in batches])]
            last *= GROWTH
        return rows

    def _may_be_found(self, rows: tf.Tensor, last: tf.Tensor) -> tf.Tensor:
        """Whether fewer than `max(k)` of the items 1 to `last` come before all that is held out [B]."""
        _, score_items = self._traced
        users, held_out = tf.gather(self.users, rows), tf.gather(self._held_out, rows)
        wanted, at = tf.unique(held_out.flat_values)
        own = tf.gather_nd(
            score_items(users, wanted), tf.stack([tf.cast(held_out.value_rowids(), tf.int32), at], axis=1)
        )
        own = tf.where(held_out.flat_values > 0, own, own.dtype.min)
        best = tf.reduce_max(held_out.with_flat_values(own), axis=1)
        others = self._without_known(score_items(users, tf.range(last + 1)), tf.gather(self._known, rows))[:, 1:]
        return tf.logical_not(out_of_reach(best, others, max(self.k)))

    def _sums(self, rows: tf.Tensor) -> tf.Tensor:
        """Sums of the users' values, batch by batch."""
        total = tf.zeros([3 * len(self.k)], tf.float64)
        for start in tf.range(0, tf.size(rows), self.batch_size):
            batch = rows[start : start + self.batch_size]
            total += tf.reduce_sum(self._values(self._scores(tf.gather(self.users, batch)), batch), axis=0)
        return total

    def _values(self, scores: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
        """Values of each user [B, 3 len(k)], float64."""
        scores = tf.ensure_shape(scores, [None, self.num_items])
        held_out = tf.gather(self._held_out, rows)
        found = tf.cast(self._found(scores, tf.gather(self._known, rows), held_out), tf.float64)
        discounts = tf.constant([1 / math.log2(position + 1) for position in range(1, max(self.k) + 1)], tf.float64)
        best = tf.cumsum(discounts)
        relevant = held_out.row_lengths()
        values = []
        for k in self.k:
            hits = tf.reduce_sum(found[:, :k], axis=1)
            gain = tf.reduce_sum(found[:, :k] * discounts[:k], axis=1)
            values += [
                gain / tf.gather(best, tf.minimum(relevant, k) - 1),
                hits / tf.cast(relevant, tf.float64),
                hits / k,
            ]
        return tf.stack(values, axis=1)

    def _found(self, scores: tf.Tensor, known: tf.RaggedTensor, held_out: tf.RaggedTensor) -> tf.Tensor:
        """Whether the item at each of the first positions was held out, bool [B, max k]."""
        scores = self._without_known(scores, known)
        # Item 0 is cut off and the positions counted from 1 again.
        first = tf.math.top_k(scores[:, 1:], k=max(self.k)).indices + 1
        wanted = held_out.to_tensor(default_value=0)
        return tf.reduce_any((first[:, :, tf.newaxis] == wanted[:, tf.newaxis]) & (wanted[:, tf.newaxis] > 0), axis=2)

    @staticmethod
    def _without_known(scores: tf.Tensor, known: tf.RaggedTensor) -> tf.Tensor:
        """Scores of the first items [B, S], those of known items replaced by minus infinity."""
        check = tf.debugging.Assert(
            tf.logical_not(tf.reduce_any(tf.math.is_nan(scores))),
            ["a score is NaN; look for NaN in the model's weights"],
        )
        with tf.control_dependencies([check] if check is not None else []):
            lowest = tf.constant(-math.inf, scores.dtype)
        at = tf.stack([known.value_rowids(), tf.cast(known.flat_values, tf.int64)], axis=1)
        at = tf.boolean_mask(at, at[:, 1] < tf.shape(scores, tf.int64)[1])
        return tf.tensor_scatter_nd_update(scores, at, tf.fill([tf.shape(at)[0]], lowest))

    def _lists(self, rows: Any, items: Any, name: str) -> tf.RaggedTensor:
        rows, items = np.asarray(rows, np.int64), np.asarray(items, np.int32)
        for what, values, size in (("rows", rows, len(self.users)), ("items", items, self.num_items)):
            if len(values) and not 0 <= values.min() <= values.max() < size:
                raise ValueError(f"{name}: {what} run from {values.min()} to {values.max()}, must be in [0, {size})")
        order = np.argsort(rows, kind="stable")
        return tf.RaggedTensor.from_value_rowids(items[order], rows[order], nrows=len(self.users))

    def _refuse_both(self, known: tuple[Any, Any], held_out: tuple[Any, Any]) -> None:
        keys = [np.asarray(rows, np.int64) * self.num_items + np.asarray(items) for rows, items in (known, held_out)]
        both = np.intersect1d(*keys)
        if len(both):
            row, item = divmod(int(both[0]), self.num_items)
            raise ValueError(
                f"item {item} of user {self.users[row]} is both known and held out ({len(both)} such pairs); it would "
                "never be in the list: take held-out pairs out of the known ones"
            )


def check_one(score: Any, score_items: Any) -> None:
    """Raises a ValueError unless one of the two is given."""
    if (score is None) == (score_items is None):
        raise ValueError(
            "give either score, of users, or score_items, of users and items; "
            f"{'neither' if score is None else 'both'} are given"
        )
