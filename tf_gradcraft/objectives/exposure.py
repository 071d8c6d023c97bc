"""Differences between groups of items in the attention that a ranking gives them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from tf_gradcraft.objectives.group_means import check_groups, mean_squared_gap, membership, weights_of
from tf_gradcraft.training.labelled_rows import score_of
from tf_gradcraft.training.objective import Objective, column_of, of_task
from tf_gradcraft.training.row_lists import list_numbers


@keras.saving.register_keras_serializable("tf_gradcraft")
@dataclasses.dataclass(frozen=True, kw_only=True)
class ExposureDisparity(Objective):
    r"""Squared gap between groups of items in their mean exposure.

    The exposure of a row is its chance to stand first in its list, times the length n of the list:
    $e_i = n \, e^{s_i} / \sum_{j} e^{s_j}$ with the scores s behind the predictions (the logits of probabilities), so
    that 1 is an equal share. The loss is $\frac{1}{|P|} \sum_{(g, h) \in P} (\bar e_g - \bar e_h)^2$ over pairs P of
    groups.

    Zehlike and Castillo, "Reducing Disparate Exposure in Ranking: A Learning To Rank Approach", WWW 2020, where only a
    group that is worse off counts, and the sums run over one query each; here over the batch. What a group deserves by
    its relevance is not looked at.

    Args:
        task: The task that ranks.
        feature: Name of the column of the batch with the group of each row's item.
        groups: Two or more values of it, as they stand in the batch. Other rows take exposure, but are not compared.
        lists: Name of the column that tells the lists apart; None: the batch is one list.
        weight: Factor of the loss before balancing.

    Raises:
        ValueError: If there are not two or more different groups, or the task or a column is not known.

    Example:
        >>> objective = ExposureDisparity(task="click", feature="seller", groups=(1, 2))
        >>> scores = tf.math.log(tf.constant([[3.0], [1.0]]))
        >>> round(float(objective.loss({"seller": tf.constant([1, 2])}, {}, {"click": scores}, None)), 4)  # 1.5 and 0.5
        1.0
    """

    task: str
    feature: str
    groups: tuple[Any, ...]
    lists: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "groups", tuple(self.groups))
        check_groups(self.groups, "ExposureDisparity")

    def loss(
        self,
        x: Mapping[str, tf.Tensor],
        y: Mapping[str, tf.Tensor],
        y_pred: Mapping[str, tf.Tensor],
        sample_weight: Any,
        layer: Any = None,
    ) -> tf.Tensor:
        """See `Objective.loss`."""
        prediction = of_task(y_pred, self.task, "ExposureDisparity")
        score = score_of(prediction)
        scores = tf.cast(tf.reshape(prediction if score is None else score, [-1]), tf.float32)
        rows = tf.size(scores)
        counted = tf.cast(weights_of(sample_weight, self.task, rows) != 0, tf.float32)
        members = membership(x, self.feature, self.groups, "ExposureDisparity") * counted[:, tf.newaxis]
        numbers = tf.zeros([rows], tf.int32)
        if self.lists is not None:
            numbers = list_numbers(column_of(x, self.lists, "ExposureDisparity"))
        return mean_squared_gap(exposure(scores, counted, numbers), members)


def exposure(scores: tf.Tensor, counted: tf.Tensor, numbers: tf.Tensor) -> tf.Tensor:
    """Returns each row's chance to stand first in its list times the length of the list [B].

    Args:
        scores: Scores [B].
        counted: 1 for rows that are there, 0 for others [B].
        numbers: Number of each row's list, int32 [B], below B.
    """
    rows = tf.size(scores)
    scores = tf.where(counted == 0, tf.float32.min, scores)
    largest = tf.gather(tf.math.unsorted_segment_max(scores, numbers, rows), numbers)
    odds = counted * tf.exp(scores - tf.stop_gradient(largest))
    total, length = (tf.gather(tf.math.unsorted_segment_sum(of, numbers, rows), numbers) for of in (odds, counted))
    return length * tf.math.divide_no_nan(odds, total)
