"""Differences between groups in what is predicted for them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from tf_gradcraft.objectives.group_means import check_groups, mean_squared_gap, membership, weights_of
from tf_gradcraft.training.objective import Objective, of_task


@keras.saving.register_keras_serializable("tf_gradcraft")
@dataclasses.dataclass(frozen=True, kw_only=True)
class DemographicParity(Objective):
    r"""Squared gap between groups in a task's mean prediction.

    $$\ell = \frac{1}{|P|} \sum_{(g, h) \in P} (m_g - m_h)^2, \quad
    m_g = \frac{\sum_{i \in g} w_i p_i}{\sum_{i \in g} w_i}$$

    over the pairs of groups that the batch has rows of; for two groups it is the squared gap. Demographic parity
    (Dwork et al., "Fairness Through Awareness", ITCS 2012) in the form of a penalty on mean predictions, as in
    Kamishima et al., "Recommendation Independence", FAT* 2018. Rows of the task's sample weight 0 do not count.

    The means are those of a batch: take batches in which every group has many rows. Across the replicas of
    `tf.distribute` each looks at its own rows.

    Args:
        task: The task whose predictions [B, 1] are looked at.
        feature: Name of the column of the batch with the group of each row: an input of the model or another column.
        groups: Two or more values of it, as they stand in the batch (of prepared data: ids). Other rows do not count.
        weight: Factor of the loss before balancing.

    Raises:
        ValueError: If there are not two or more different groups, or the task or column is not known.

    Example:
        >>> objective = DemographicParity(task="click", feature="gender", groups=(1, 2))
        >>> x, p = {"gender": tf.constant([1, 1, 2])}, {"click": tf.constant([[0.2], [0.4], [0.6]])}
        >>> round(float(objective.loss(x, {}, p, None)), 4)
        0.09
    """

    task: str
    feature: str
    groups: tuple[Any, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "groups", tuple(self.groups))
        check_groups(self.groups, type(self).__name__)

    def loss(
        self,
        x: Mapping[str, tf.Tensor],
        y: Mapping[str, tf.Tensor],
        y_pred: Mapping[str, tf.Tensor],
        sample_weight: Any,
        layer: Any = None,
    ) -> tf.Tensor:
        """See `Objective.loss`."""
        what = type(self).__name__
        predictions = tf.reshape(of_task(y_pred, self.task, what), [-1])
        weights = weights_of(sample_weight, self.task, tf.size(predictions))
        weights = self.counted(y, weights)
        members = membership(x, self.feature, self.groups, what) * weights[:, tf.newaxis]
        return mean_squared_gap(tf.cast(predictions, tf.float32), members)

    def counted(self, y: Mapping[str, tf.Tensor], weights: tf.Tensor) -> tf.Tensor:
        """Returns the weights [B] with which rows count."""
        return weights


@keras.saving.register_keras_serializable("tf_gradcraft")
@dataclasses.dataclass(frozen=True, kw_only=True)
class EqualOpportunity(DemographicParity):
    r"""Squared gap between groups in a task's mean prediction on its positive rows.

    As `DemographicParity`, over the rows whose label is 1 alone: those who would click are to be predicted alike.
    Hardt, Price and Srebro, "Equality of Opportunity in Supervised Learning", NeurIPS 2016, with mean predictions in
    place of rates of positive decisions.

    Args:
        task: The binary task whose predictions and labels are looked at.
        feature: Name of the column of the batch with the group of each row.
        groups: Two or more values of it, as they stand in the batch. Other rows do not count.
        weight: Factor of the loss before balancing.

    Example:
        >>> objective = EqualOpportunity(task="click", feature="gender", groups=(1, 2))
        >>> x, p = {"gender": tf.constant([1, 1, 2])}, {"click": tf.constant([[0.2], [0.4], [0.6]])}
        >>> round(float(objective.loss(x, {"click": tf.constant([0.0, 1.0, 1.0])}, p, None)), 4)
        0.04
    """

    def counted(self, y: Mapping[str, tf.Tensor], weights: tf.Tensor) -> tf.Tensor:
        """Returns the weights [B] with which rows count: 0 where the label is not 1."""
        labels = tf.reshape(tf.cast(of_task(y, self.task, type(self).__name__), tf.float32), [-1])
        return tf.where(labels == 1, weights, 0.0)
