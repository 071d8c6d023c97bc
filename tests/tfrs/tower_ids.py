"""A model of two tasks over integer ids, whose losses are sums over rows by the global batch size, as replicas need."""

import numpy as np
import tensorflow as tf
import tensorflow_recommenders as tfrs
from tensorflow import keras

import tf_gradcraft as gc

BATCH = 16


class TowerIds(gc.tfrs.BalancedModel):
    def __init__(self, rows):
        super().__init__()
        self.rows = rows
        self.users = keras.layers.Embedding(20, 4)
        self.hidden = keras.layers.Dense(6, activation="tanh")
        self.mark = gc.SharedRepresentation()
        self.heads = [keras.layers.Dense(1), keras.layers.Dense(1)]
        squares = keras.losses.MeanSquaredError(reduction="none")
        events = keras.losses.BinaryCrossentropy(from_logits=True, reduction="none")
        self.rating, self.watched = tfrs.tasks.Ranking(loss=squares), tfrs.tasks.Ranking(loss=events)

    def compute_task_losses(self, features, training=False):
        hidden = self.mark(self.hidden(self.users(features["user"])))
        outputs = [head(hidden) for head in self.heads]
        by_row = {
            "rating": self.rating(labels=features["rating"], predictions=outputs[0]),
            "watched": self.watched(labels=features["watched"], predictions=outputs[1]),
        }
        return {task: tf.reduce_sum(loss) / self.rows for task, loss in by_row.items()}


def batches(count=64):
    random = np.random.default_rng(1)
    rows = {
        "user": random.integers(0, 20, count),
        "rating": random.integers(1, 6, (count, 1)).astype("float32"),
        "watched": random.integers(0, 2, (count, 1)).astype("float32"),
    }
    return tf.data.Dataset.from_tensor_slices(rows).batch(BATCH, drop_remainder=True)


def made(rows=BATCH, **settings):
    keras.utils.set_random_seed(5)
    model = TowerIds(rows)
    model.compute_task_losses({name: of[:1] for name, of in next(iter(batches())).items()})
    model.compile(keras.optimizers.Adagrad(0.1), **settings)
    return model


def values(model):
    return [variable.numpy() for variable in model.trainable_variables]
