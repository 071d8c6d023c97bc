"""The multi-task tutorial of TensorFlow Recommenders (retrieval and rating on MovieLens 100K), balanced.

    TF_USE_LEGACY_KERAS=1 python examples/tfrs_movielens.py ../shared/data/ml-100k --balancing gradcraft --seed 1

Prints one line of JSON: top-K accuracy of the retrieval task against all films, and RMSE of the ratings, on 20,000 of
the 100,000 ratings that were not trained on.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import pandas as pd
import tensorflow as tf
import tensorflow_recommenders as tfrs
from tensorflow import keras

import tf_gradcraft as gc

WIDTH = 32
# What may be given for --balancing. The first three are the plain weights of the tutorial, of rating and retrieval.
METHODS = {
    "rating only": (None, {"retrieval": 0.0}),
    "retrieval only": (None, {"rating": 0.0}),
    "both, 1 and 1": (None, {}),
    "metabalance, target rating": (gc.balancing.MetaBalance(target="rating"), {}),
    "metabalance, target retrieval": (gc.balancing.MetaBalance(target="retrieval"), {}),
    "gradcraft": (gc.balancing.GradCraft(), {}),
}


class MovieModel(gc.tfrs.BalancedModel):
    """Two towers that two tasks share: which film a user sees, and how it is rated."""

    def __init__(self, users, films):
        super().__init__()
        self.user_model = self.tower(users)
        self.movie_model = self.tower(films)
        self.rating_model = keras.Sequential(
            [
                keras.layers.Dense(256, activation="relu"),
                keras.layers.Dense(128, activation="relu"),
                keras.layers.Dense(1),
            ]
        )
        self.rating = tfrs.tasks.Ranking(
            loss=keras.losses.MeanSquaredError(), metrics=[keras.metrics.RootMeanSquaredError("rmse")]
        )
        candidates = tf.data.Dataset.from_tensor_slices(films).batch(128).map(self.movie_model)
        self.retrieval = tfrs.tasks.Retrieval(metrics=tfrs.metrics.FactorizedTopK(candidates))

    @staticmethod
    def tower(names):
        lookup = keras.layers.StringLookup(vocabulary=names, mask_token=None)
        return keras.Sequential([lookup, keras.layers.Embedding(len(names) + 1, WIDTH)])

    def call(self, features):
        user = self.user_model(features["user_id"])
        movie = self.movie_model(features["movie_title"])
        return {"rating": self.rating_model(tf.concat([user, movie], axis=1)), "user": user, "movie": movie}

    def compute_task_losses(self, features, training=False):
        outputs = self(features)
        return {
            "rating": self.rating(labels=features["user_rating"], predictions=outputs["rating"]),
            # Against all films, which takes long, only when the model is evaluated.
            "retrieval": self.retrieval(outputs["user"], outputs["movie"], compute_metrics=not training),
        }


def read(folder):
    """Returns the ratings, by the title of the film, and all titles."""
    items = pd.read_csv(Path(folder) / "u.item", sep="|", header=None, usecols=[0, 1], encoding="latin-1")
    titles = dict(items.itertuples(index=False))
    data = pd.read_csv(Path(folder) / "u.data", sep="\t", header=None, names=["user", "item", "rating", "time"])
    ratings = {
        "user_id": data["user"].astype(str).to_numpy(object),
        "movie_title": data["item"].map(titles).to_numpy(object),
        "user_rating": data["rating"].to_numpy("float32")[:, np.newaxis],
    }
    return ratings, sorted(set(titles.values()))


def main(arguments=None):
    """Trains one model and evaluates it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="MovieLens 100K: u.data and u.item")
    parser.add_argument("--balancing", choices=METHODS, default="gradcraft")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--export", help="folder to export the model to, with an index for retrieval")
    arguments = parser.parse_args(arguments)

    keras.utils.set_random_seed(arguments.seed)
    ratings, films = read(arguments.folder)
    order = np.random.default_rng(42).permutation(len(ratings["user_id"]))  # the same split for all seeds
    train, test = (
        {name: column[rows] for name, column in ratings.items()} for rows in np.split(order, [len(order) * 4 // 5])
    )
    batches = tf.data.Dataset.from_tensor_slices(train).shuffle(100_000).batch(2048)

    model = MovieModel(sorted(set(ratings["user_id"])), films)
    balancing, loss_weights = METHODS[arguments.balancing]
    model.compile(keras.optimizers.Adagrad(0.1), balancing=balancing, loss_weights=loss_weights)
    start = time.perf_counter()
    model.fit(batches, epochs=arguments.epochs, verbose=0)
    seconds = time.perf_counter() - start
    found = model.evaluate(tf.data.Dataset.from_tensor_slices(test).batch(1024), return_dict=True, verbose=0)
    logs = {name.removeprefix("factorized_top_k/"): round(float(value), 4) for name, value in found.items()}
    wanted = {name: logs[name] for name in logs if "accuracy" in name or name == "rmse"}
    settings = {"balancing": arguments.balancing, "seed": arguments.seed, "epochs": arguments.epochs}
    print(json.dumps({**settings, "seconds": round(seconds, 1), **wanted}))

    if arguments.export:
        index = tfrs.layers.factorized_top_k.BruteForce(model.user_model, k=10)
        names = tf.data.Dataset.from_tensor_slices(films).batch(128)
        index.index_from_dataset(names.map(lambda name: (name, model.movie_model(name))))
        path = gc.tfrs.export(
            model,
            arguments.export,
            inputs={"user_id": tf.string, "movie_title": tf.string},
            predict=lambda features: {"rating": model(features)["rating"]},
            index=index,
            query={"user_id": tf.string},
        )
        print(path)


if __name__ == "__main__":
    main()
