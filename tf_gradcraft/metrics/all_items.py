"""Ranking of all items for each user: NDCG, recall and precision of the first k, in batches in the graph."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tf_gradcraft.metrics.at_k import checked_k


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
        self._score: Any = None
        self._rank: Any = None
        self._known = self._lists(*known, name="known")
        self._held_out = self._lists(*held_out, name="held_out")
        self._refuse_both(known, held_out)
        if empty := np.flatnonzero(self._held_out.row_lengths().numpy() == 0).tolist():
            raise ValueError(
                f"held_out has no item for user {self.users[empty[0]]} (row {empty[0]}); leave that user out"
            )

    def evaluate(self, score: Callable[[tf.Tensor], tf.Tensor]) -> dict[str, float]:
        """Ranks every user.

        Args:
            score: Maps ids of users (int32 [B]) to the scores of all items [B, I], in TensorFlow operations, such as
                `lambda users: model.score_all_items(users, "buy")`.

        Returns:
            `ndcg_at_<k>`, `recall_at_<k>` and `precision_at_<k>` for each k.

        Raises:
            tf.errors.InvalidArgumentError: If a score is NaN.
        """
        if score is not self._score:
            # Kept for the next epoch, which then traces nothing.
            self._score, self._rank = score, tf.function(lambda: self._sums(score))
        means = self._rank().numpy() / len(self.users)
        names = [f"{name}_at_{k}" for k in self.k for name in ("ndcg", "recall", "precision")]
        return dict(zip(names, means.tolist(), strict=True))

    def _sums(self, score: Callable[[tf.Tensor], tf.Tensor]) -> tf.Tensor:
        """Sums of the users' values, batch by batch."""
        total = tf.zeros([3 * len(self.k)], tf.float64)
        for start in tf.range(0, len(self.users), self.batch_size):
            rows = tf.range(start, tf.minimum(start + self.batch_size, len(self.users)))
            total += tf.reduce_sum(self._values(score(tf.gather(self.users, rows)), rows), axis=0)
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
        check = tf.debugging.Assert(
            tf.logical_not(tf.reduce_any(tf.math.is_nan(scores))),
            ["a score is NaN; look for NaN in the model's weights"],
        )
        with tf.control_dependencies([check] if check is not None else []):
            lowest = tf.constant(-math.inf, scores.dtype)
        at = tf.stack([known.value_rowids(), tf.cast(known.flat_values, tf.int64)], axis=1)
        scores = tf.tensor_scatter_nd_update(scores, at, tf.fill([tf.shape(at)[0]], lowest))
        # Item 0 is cut off and the positions counted from 1 again.
        first = tf.math.top_k(scores[:, 1:], k=max(self.k)).indices + 1
        wanted = held_out.to_tensor(default_value=0)
        return tf.reduce_any((first[:, :, tf.newaxis] == wanted[:, tf.newaxis]) & (wanted[:, tf.newaxis] > 0), axis=2)

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
