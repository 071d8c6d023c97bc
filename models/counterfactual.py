"""Risk of a conditional probability over all rows, from the rows where its condition was met."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow import keras


@keras.utils.register_keras_serializable("tf_gradcraft")
class EntireSpace(keras.layers.Layer):
    """Multiplies the probability of an earlier event and a conditional one, and lets the product carry its parts.

    Called with `[earlier, conditional]` or `[earlier, conditional, error]` [B, 1]. The returned tensor has the
    attributes `conditional` and `error` (None where it is not given), so that a loss gets at them; Keras's sigmoid
    hands its logits on to the crossentropy in the same way.

    Example:
        >>> product = EntireSpace()([tf.constant([[0.5]]), tf.constant([[0.2]])])
        >>> round(float(product[0, 0]), 3), round(float(product.conditional[0, 0]), 3), product.error
        (0.1, 0.2, None)
    """

    def call(self, inputs: list[tf.Tensor]) -> tf.Tensor:
        """Maps probabilities [B, 1] to their product."""
        earlier, conditional, *error = inputs
        product: Any = earlier * conditional
        product.conditional, product.error = conditional, error[0] if error else None
        return product

    def compute_output_shape(self, input_shape: Any) -> Any:
        """See Keras."""
        return tuple(input_shape[0])


def counterfactual_risk(
    happened: tf.Tensor,
    label: tf.Tensor,
    propensity: tf.Tensor,
    predicted: Any,
    weights: tf.Tensor | None,
    min_propensity: float,
) -> tf.Tensor:
    r"""Estimates the mean crossentropy of a conditional probability over all rows, without selection bias.

    With o = 1 where the earlier event happened, $\hat o$ its predicted probability, $\delta$ the crossentropy of label
    and conditional probability, and $\hat\delta$ the predicted error, it is the mean over the rows of

    - $\frac{o}{\hat o} \delta$ where no error is predicted (IPS),
    - $\hat\delta + \frac{o}{\hat o} (\delta - \hat\delta) + \frac{o}{\hat o} (\delta - \hat\delta)^2$ (DR); the last
      term teaches $\hat\delta$.

    Nothing is learnt through $\hat o$.

    Wang et al., SIGIR 2022.

    Args:
        happened: o [B, 1], 0 or 1.
        label: Labels [B, 1]; they count where o is 1.
        propensity: $\hat o$ [B, 1].
        predicted: What `EntireSpace` returned.
        weights: Weights of the rows [B, 1], or None.
        min_propensity: Smallest $\hat o$ that counts.

    Returns:
        The risk; on a replica of `tf.distribute` its part, as Keras's losses are.
    """
    if weights is None:
        weights = tf.ones_like(happened)
    # Rows without a label may carry a NaN.
    happened, label = (tf.where(weights == 0, 0.0, values) for values in (happened, label))
    inverse = happened / tf.maximum(tf.stop_gradient(propensity), min_propensity)
    risk = keras.losses.binary_crossentropy(label, predicted.conditional)[:, tf.newaxis]
    if predicted.error is not None:
        gap = risk - predicted.error
        risk = predicted.error + inverse * (gap + tf.square(gap))
    else:
        risk = inverse * risk
    mean = tf.math.divide_no_nan(tf.reduce_sum(weights * risk), tf.reduce_sum(weights))
    return mean / tf.distribute.get_strategy().num_replicas_in_sync
