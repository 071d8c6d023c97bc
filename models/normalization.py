"""Numeric features: transformed, normalised and put side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf
from tensorflow import keras


@keras.utils.register_keras_serializable("tf_gradcraft")
class NumericFeatures(keras.layers.Layer):
    r"""Normalises numeric features with known statistics: $(f(x) - \mu) / \sigma$.

    Args:
        features: For each feature a dict with `name`, `mean`, `std`, and `transform`: None, or `"log1p"` for
            $f(x) = \mathrm{sign}(x) \log(1 + |x|)$.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> layer = NumericFeatures([{"name": "age", "mean": 30.0, "std": 10.0, "transform": None}])
        >>> layer({"age": tf.constant([20.0, 40.0])}).numpy().tolist()
        [[-1.0], [1.0]]
    """

    def __init__(self, features: Sequence[Mapping[str, Any]], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.features = [dict(feature) for feature in features]

    def call(self, inputs: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Maps `{feature: values [B]}` to [B, F]."""
        values = tf.stack([tf.cast(inputs[feature["name"]], tf.float32) for feature in self.features], axis=-1)
        logarithmic = [feature["transform"] == "log1p" for feature in self.features]
        if any(logarithmic):
            values = tf.where(logarithmic, tf.sign(values) * tf.math.log1p(tf.abs(values)), values)
        mean, std = ([feature[key] for feature in self.features] for key in ("mean", "std"))
        return tf.cast((values - tf.constant(mean, tf.float32)) / tf.constant(std, tf.float32), self.compute_dtype)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """See Keras."""
        return (next(iter(input_shape.values()))[0], len(self.features))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "features": self.features}
