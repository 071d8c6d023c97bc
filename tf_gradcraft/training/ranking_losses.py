"""Losses of ranking tasks: those of keras-rs, on the rows of a batch that are of one list."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from tf_gradcraft.suggestions import unknown_name
from tf_gradcraft.training.labelled_rows import LabelledRows, checked_labels
from tf_gradcraft.training.row_lists import rows_of_lists

RANKING_LOSSES = {
    "pairwise_logistic": "PairwiseLogisticLoss",
    "pairwise_hinge": "PairwiseHingeLoss",
    "pairwise_soft_zero_one": "PairwiseSoftZeroOneLoss",
    "list_mle": "ListMLELoss",
}


@keras.saving.register_keras_serializable("tf_gradcraft")
class TaskRanking(LabelledRows, keras.losses.Loss):
    r"""A ranking loss of one task, over the lists that a batch holds.

    A list is the labelled rows of one batch that share a key, or every `list_size` rows in a row. With the scores s and
    relevances y of a list:

    - pairwise: the mean over all pairs of one list with $y_i > y_j$, all lists of the batch together, of
      $\log(1 + e^{s_j - s_i})$ (`"pairwise_logistic"`; Burges et al., "Learning to Rank using Gradient Descent", ICML
      2005), $\max(0, 1 - (s_i - s_j))$ (`"pairwise_hinge"`) or $\sigma(s_j - s_i)$ (`"pairwise_soft_zero_one"`). A pair
      counts with the weight of its more relevant row.
    - `"list_mle"`: the mean over lists of two rows or more of
      $-\sum_i \log \frac{e^{s_i}}{\sum_{j \ge i} e^{s_j}}$, rows in descending order of y, equal ones as they stand in
      the batch. A list counts with the mean weight of its rows.
      Xia et al., "Listwise Approach to Learning to Rank", ICML 2008.

    A batch without a pair has loss 0. Only rows that meet in a batch are compared: keep the rows of a list together, or
    take large batches.

    Args:
        task: Name of the task, for error messages.
        loss: Name of the loss.
        lists: Name of the column that the lists are told apart by, for error messages; the predictions must carry its
            values [B] as their attribute `lists`, as those of models built from a schema do. None: every `list_size`
            rows in a row are a list, the last one may be shorter.
        list_size: Most rows of a list that count.
        **kwargs: Arguments of `keras.losses.Loss`.

    Raises:
        ValueError: If the loss is not known, or the predictions carry no lists.
        tf.errors.InvalidArgumentError: When a relevance is below 0 (not under XLA, where nothing can be raised).

    Example:
        >>> loss = TaskRanking("order", lists=None, list_size=2)
        >>> round(float(loss([[1.0], [0.0], [0.0], [2.0]], [[3.0], [3.0], [9.0], [9.0]])), 4)
        0.6931
    """

    problem = "a relevance is below 0"

    def __init__(
        self,
        task: str,
        loss: str = "pairwise_logistic",
        lists: str | None = "group",
        list_size: int = 50,
        **kwargs: Any,
    ) -> None:
        if loss not in RANKING_LOSSES:
            raise ValueError(f"task {task!r}: " + unknown_name("loss", loss, tuple(RANKING_LOSSES)))
        import keras_rs  # here, since reading any saved model loads this file

        super().__init__(task, loss, **kwargs)
        self.loss, self.lists, self.list_size = loss, lists, list_size
        if not hasattr(keras_rs.losses, RANKING_LOSSES[loss]):
            raise ValueError(f"task {task!r}: the loss {loss!r} needs keras-rs 0.4 or later, and with it Python 3.11")
        self._of_list = getattr(keras_rs.losses, RANKING_LOSSES[loss])()

    @staticmethod
    def is_label(labels: tf.Tensor) -> tf.Tensor:
        """Returns where labels are relevances."""
        return labels >= 0

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> tf.Tensor:
        """Returns the loss of relevances [B] or [B, 1] and scores [B, 1], as a scalar."""
        y_pred = tf.convert_to_tensor(y_pred)
        keys = getattr(y_pred, "lists", None)
        if self.lists is not None and keys is None:
            raise ValueError(
                f"task {self.task!r}: the batch has no column {self.lists!r}, which tells the lists apart; add it to "
                "the features of the batch, or give the task lists=None and rows in order of their lists"
            )
        scores = tf.reshape(y_pred, [-1])
        labels = tf.reshape(tf.cast(y_true, scores.dtype), tf.shape(scores))
        weights = tf.ones_like(scores) if sample_weight is None else tf.cast(sample_weight, scores.dtype)
        weights = tf.reshape(weights, tf.shape(scores))
        labels = tf.where(weights == 0, 0.0, labels)
        labels = checked_labels(labels, self.is_label(labels), self.task, self.problem)

        rows = rows_of_lists(keys if self.lists is not None else None, weights != 0, self.list_size)
        inside = rows >= 0
        labels, scores, weights = (tf.gather(of, tf.maximum(rows, 0)) for of in (labels, scores, weights))
        weights = tf.where(inside, weights, 0.0)
        losses, counts = self._of_list.compute_unreduced_loss(labels=labels, logits=scores, mask=inside)
        if self.loss == "list_mle":
            number = tf.reduce_sum(tf.cast(inside, scores.dtype), axis=-1, keepdims=True)
            mean = tf.math.divide_no_nan(tf.reduce_sum(weights, axis=-1, keepdims=True), number)
            counts *= tf.where(number >= 2, mean, 0.0)
        else:
            counts *= weights[:, :, tf.newaxis]
        mean = tf.math.divide_no_nan(tf.reduce_sum(losses * counts), tf.reduce_sum(counts))
        return mean / tf.distribute.get_strategy().num_replicas_in_sync

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = {"loss": self.loss, "lists": self.lists, "list_size": self.list_size}
        return {**super().get_config(), **config}
