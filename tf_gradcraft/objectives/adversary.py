"""An adversary that tries to tell the group of a row by what is predicted for it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from tf_gradcraft.objectives.gradient_reversal import GradientReversal
from tf_gradcraft.objectives.group_means import check_groups, membership, weights_of
from tf_gradcraft.training.labelled_rows import score_of
from tf_gradcraft.training.objective import Objective, of_task


@keras.saving.register_keras_serializable("tf_gradcraft")
@dataclasses.dataclass(frozen=True, kw_only=True)
class Adversary(Objective):
    r"""Crossentropy of a small network that tells groups apart by a task's score, with its gradient reversed.

    The network learns to lower the loss; the model below the `GradientReversal`, shared layers and the task's tower, to
    raise it, so that the prediction tells less and less of the group. Zhang, Lemoine and Mitchell, "Mitigating Unwanted
    Biases with Adversarial Learning", AIES 2018 (demographic parity), with the gradient reversal of Ganin et al. in
    place of their projection: that is what balancing is there for. To work on a hidden layer of a model of your own,
    add an output behind a `GradientReversal`.

    The score is the logit of a probability, or what else is behind a prediction. All groups weigh alike, however many
    rows they have. The network is private to this objective.

    Args:
        task: The task whose score is looked at.
        feature: Name of the column of the batch with the group of each row.
        groups: Two or more values of it, as they stand in the batch. Other rows do not count.
        units: Widths of the network's hidden layers.
        scale: Factor $\lambda$ of the reversed gradient.
        weight: Factor of the loss before balancing; it scales both gradients.

    Raises:
        ValueError: If there are not two or more different groups, or the task or column is not known.

    Example:
        >>> objective = Adversary(task="click", feature="gender", groups=(1, 2))
        >>> layer = objective.make_layer({})
        >>> x, p = {"gender": tf.constant([1, 2])}, {"click": tf.constant([[0.3], [0.3]])}
        >>> bool(objective.loss(x, {}, p, None, layer) >= 0.6931)  # equal scores tell nothing: log(2) at best
        True
    """

    task: str
    feature: str
    groups: tuple[Any, ...]
    units: tuple[int, ...] = (16,)
    scale: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "groups", tuple(self.groups))
        object.__setattr__(self, "units", tuple(self.units))
        check_groups(self.groups, "Adversary")

    def make_layer(self, outputs: Mapping[str, Any]) -> keras.layers.Layer:
        """Returns the network: scores to logits of the groups."""
        output = outputs.get(self.task)
        width = 1 if output is None else output.shape[-1]
        hidden = [keras.layers.Dense(units, "relu") for units in self.units]
        network = keras.Sequential([GradientReversal(self.scale), *hidden, keras.layers.Dense(len(self.groups))])
        network.build((None, width))
        return network

    def loss(
        self,
        x: Mapping[str, tf.Tensor],
        y: Mapping[str, tf.Tensor],
        y_pred: Mapping[str, tf.Tensor],
        sample_weight: Any,
        layer: Any = None,
    ) -> tf.Tensor:
        """See `Objective.loss`."""
        prediction = of_task(y_pred, self.task, "Adversary")
        score = score_of(prediction)
        score = tf.cast(prediction if score is None else score, tf.float32)
        members = membership(x, self.feature, self.groups, "Adversary")
        weights = members * weights_of(sample_weight, self.task, tf.shape(score)[0])[:, tf.newaxis]
        # Each group's rows add up to 1, so that a large group is no better bet than a small one.
        shares = tf.math.divide_no_nan(weights, tf.reduce_sum(weights, axis=0))
        losses = -tf.reduce_sum(shares * tf.nn.log_softmax(tf.cast(layer(score), tf.float32)))
        present = tf.math.count_nonzero(tf.reduce_sum(weights, axis=0), dtype=tf.float32)
        return tf.math.divide_no_nan(losses, present)
