"""Validation of `fit` by ranking all items."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from tf_gradcraft.metrics import AllItemsRanking


class RankingValidation(keras.callbacks.Callback):
    """Ranks all items at the end of each epoch and puts the values into the logs, as `val_ndcg_at_10` and so on.

    Callbacks that look at them, such as `EarlyStopping(monitor="val_ndcg_at_10", mode="max")`, stand after this one in
    the list.

    Args:
        ranking: What to find among which items.
        score: Maps ids of users [B] to scores [B, I], see `AllItemsRanking.evaluate`.

    Example:
        >>> ranking = AllItemsRanking([1], known=([], []), held_out=([0], [2]), num_items=4, k=[1])
        >>> validation = RankingValidation(ranking, lambda users: tf.constant([[0.0, 0.1, 0.9, 0.2]]))
        >>> logs = {"loss": 0.5}
        >>> validation.on_epoch_end(0, logs)
        >>> logs["val_ndcg_at_1"]
        1.0
    """

    def __init__(self, ranking: AllItemsRanking, score: Callable[[tf.Tensor], tf.Tensor]) -> None:
        super().__init__()
        self.ranking = ranking
        self.score = score

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """See Keras."""
        if logs is not None:
            logs.update({f"val_{name}": value for name, value in self.ranking.evaluate(self.score).items()})
