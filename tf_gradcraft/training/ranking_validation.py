"""Validation of `fit` by ranking all items."""

from __future__ import annotations

from typing import Any

import keras

from tf_gradcraft.metrics import AllItemsRanking
from tf_gradcraft.metrics.all_items import Score, ScoreItems, check_one


class RankingValidation(keras.callbacks.Callback):
    """Ranks all items at the end of each epoch and puts the values into the logs, as `val_ndcg_at_10` and so on.

    Callbacks that look at them, such as `EarlyStopping(monitor="val_ndcg_at_10", mode="max")`, stand after this one in
    the list.

    Args:
        ranking: What to find among which items.
        score: Maps ids of users [B] to scores [B, I], see `AllItemsRanking.evaluate`.
        score_items: In its place: maps ids of users [B] and of items [S] to scores [B, S]; faster, see there.

    Raises:
        ValueError: If both or neither are given.

    Example:
        >>> import tensorflow as tf
        >>> ranking = AllItemsRanking([1], known=([], []), held_out=([0], [2]), num_items=4, k=[1])
        >>> validation = RankingValidation(ranking, lambda users: tf.constant([[0.0, 0.1, 0.9, 0.2]]))
        >>> logs = {"loss": 0.5}
        >>> validation.on_epoch_end(0, logs)
        >>> logs["val_ndcg_at_1"]
        1.0
    """

    def __init__(
        self,
        ranking: AllItemsRanking,
        score: Score | None = None,
        *,
        score_items: ScoreItems | None = None,
    ) -> None:
        super().__init__()
        check_one(score, score_items)
        self.ranking = ranking
        self.score = score
        self.score_items = score_items

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """See Keras."""
        if logs is not None:
            values = self.ranking.evaluate(self.score, score_items=self.score_items)
            logs.update({f"val_{name}": value for name, value in values.items()})
