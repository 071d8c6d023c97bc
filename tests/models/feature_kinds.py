"""A schema with every kind of feature, raw rows for it, and what preparation makes of them, in NumPy."""

import dataclasses

import numpy as np
import tensorflow as tf

from tf_gradcraft.data_pipelines.schema import Feature, Schema, Task
from tf_gradcraft.data_pipelines.vocabulary import Vocabulary

ITEMS, TAGS, CITIES = np.array(["i0", "i1", "i2", "i3"]), np.array([7, -3, 2**40]), np.array(["Ulm", "Ulm 2"])
FEATURES = (
    Feature(name="seen", kind="history", of="item", length=4),
    Feature(name="user", kind="categorical", dtype="int64", size=50, hashed=True),
    Feature(name="item", kind="categorical", dtype="string", size=5, side="candidate"),
    Feature(name="tags", kind="tags", dtype="int64", size=4, length=3, side="candidate"),
    Feature(name="cities", kind="tags", dtype="string", size=3, length=2, pooling="max"),
    Feature(name="last_cities", kind="tags", dtype="string", size=3, length=3, pooling="sum", table="cities"),
    Feature(name="age", kind="numeric", boundaries=(18.5, 30.0), missing=20.0),
    Feature(name="duration", kind="numeric", transform="log1p", mean=2.0, std=0.5, missing=7.5, side="candidate"),
    Feature(name="rate", kind="statistic", key="item", mean=0.5, std=0.3),
)
OWN_DIMENSIONS = {"user": 2, "tags": 4, "age": 2}


def schema(own_dimensions=False, num_tasks=2):
    """Returns the schema; with embeddings of three lengths if asked for."""
    own = OWN_DIMENSIONS if own_dimensions else {}
    return Schema(
        features=[dataclasses.replace(feature, dimension=own.get(feature.name)) for feature in FEATURES],
        tasks=[Task(name=f"task{position}") for position in range(num_tasks)],
        vocabularies={
            "item": Vocabulary(ITEMS, {"rate": np.linspace(0, 1, 5, dtype="float32")}),
            "tags": Vocabulary(TAGS),
            "cities": Vocabulary(CITIES),
            "last_cities": Vocabulary(CITIES),
        },
    )


def lists(random, size, rows, length):
    """Returns lists of ids of all lengths from 0, filled up with -1."""
    ids, lengths = random.integers(0, size, (rows, length)), random.integers(0, length + 1, (rows, 1))
    return np.where(np.arange(length) < lengths, ids, -1).astype("int32")


def batch(of, rows=16, seed=0):
    """Returns features and labels as data_pipelines delivers them."""
    random, features = np.random.default_rng(seed), {}
    for feature in of.features:
        if feature.listed:
            features[feature.name] = lists(random, feature.size, rows, feature.length)
        elif feature.kind == "categorical":
            features[feature.name] = random.integers(0, feature.size, rows).astype("int32")
        else:
            mean, std = (24, 10) if feature.boundaries else (feature.mean, feature.std)
            features[feature.name] = random.normal(mean, std, rows).astype("float32")
    labels = {task: random.integers(0, 2, (rows, 1)).astype("float32") for task in of.task_names}
    return tf.nest.map_structure(tf.constant, features), labels
