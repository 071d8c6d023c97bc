"""A toy retrieval and rating model, as TensorFlow Recommenders has it and moved over."""

import numpy as np
import tensorflow as tf
import tensorflow_recommenders as tfrs
from tensorflow import keras

from tf_gradcraft.tfrs import BalancedModel

USERS, FILMS, WIDTH, ROWS = ["u1", "u2", "u3"], ["a", "b", "c", "d", "e"], 4, 16
REGULARIZER = 0.1


def rows(seed=0, count=ROWS):
    random = np.random.default_rng(seed)
    return {
        "user": random.choice(USERS, count),
        "film": random.choice(FILMS, count),
        "stars": random.integers(1, 6, (count, 1)).astype("float32"),
    }


def batches(seed=0, count=ROWS, batch=8):
    return tf.data.Dataset.from_tensor_slices(rows(seed, count)).batch(batch)


class Towers:
    """What both models have in common."""

    def build_towers(self, dropout=0.0):
        self.user_model = self.tower(USERS)
        self.film_model = self.tower(FILMS)
        penalty = keras.regularizers.L2(REGULARIZER)
        self.rating_model = keras.Sequential(
            [
                keras.layers.Dense(6, activation="tanh", kernel_regularizer=penalty),
                keras.layers.Dropout(dropout),
                keras.layers.Dense(1),
            ]
        )
        self.rating = tfrs.tasks.Ranking(
            loss=keras.losses.MeanSquaredError(), metrics=[keras.metrics.RootMeanSquaredError("rmse")]
        )
        candidates = tf.data.Dataset.from_tensor_slices(FILMS).batch(2).map(self.film_model)
        self.retrieval = tfrs.tasks.Retrieval(metrics=tfrs.metrics.FactorizedTopK(candidates, ks=(1, 3)))

    @staticmethod
    def tower(names):
        lookup = keras.layers.StringLookup(vocabulary=names, mask_token=None)
        return keras.Sequential([lookup, keras.layers.Embedding(len(names) + 1, WIDTH)])

    def call(self, features, training=False):
        user, film = self.user_model(features["user"]), self.film_model(features["film"])
        stars = self.rating_model(tf.concat([user, film], axis=1), training=training)
        return {"stars": stars, "user": user, "film": film}

    def losses_of(self, features, training):
        outputs = self(features, training=training)
        return {
            "rating": self.rating(labels=features["stars"], predictions=outputs["stars"]),
            "retrieval": self.retrieval(outputs["user"], outputs["film"]),
        }


class Plain(Towers, tfrs.Model):
    """The model before it moves over."""

    def __init__(self, **settings):
        super().__init__()
        self.build_towers(**settings)

    def compute_loss(self, features, training=False):
        losses = self.losses_of(features, training)
        return losses["rating"] + losses["retrieval"]


class Balanced(Towers, BalancedModel):
    """The model that has moved over."""

    def __init__(self, **settings):
        super().__init__()
        self.build_towers(**settings)

    def compute_task_losses(self, features, training=False):
        return self.losses_of(features, training)

    def get_config(self):
        return {}


def made(kind=Balanced, optimizer=None, seed=3, **settings):
    """Returns a compiled model that is the same for the same seed; its steps run eagerly, which is fast to start."""
    keras.utils.set_random_seed(seed)
    model = kind(**{name: settings.pop(name) for name in ("dropout",) if name in settings})
    model(rows(count=2))
    settings.setdefault("run_eagerly", True)
    model.compile(optimizer or keras.optimizers.SGD(0.05), **settings)
    return model


def values(model):
    return [variable.numpy() for variable in model.trainable_variables]
