"""Schemas of several kinds, and batches for them."""

import numpy as np

from tf_gradcraft.data_pipelines.schema import Feature, Schema, Task
from tf_gradcraft.data_pipelines.vocabulary import Vocabulary

CATEGORICAL = (
    Feature(name="user", kind="categorical", dtype="int64", size=11),
    Feature(name="item", kind="categorical", dtype="string", size=7),
    Feature(name="last_item", kind="categorical", dtype="string", size=7, table="item"),
)
NUMERIC = (
    Feature(name="age", kind="numeric", mean=30.0, std=10.0),
    Feature(name="duration", kind="numeric", transform="log1p", mean=2.0, std=0.5),
)
STATISTIC = Feature(name="user_rate", kind="statistic", key="user", mean=0.1, std=0.2)


def schema(kind="all", num_tasks=3, group=None):
    """Returns a schema with features of the kind `"all"`, `"categorical"` or `"numeric"`."""
    features = {"all": (*CATEGORICAL, *NUMERIC, STATISTIC), "categorical": CATEGORICAL, "numeric": NUMERIC}[kind]
    items = np.array([f"i{position}" for position in range(6)])
    vocabularies = {
        "user": Vocabulary(np.arange(100, 110), {"user_rate": np.linspace(0, 1, 11, dtype="float32")}),
        "item": Vocabulary(items),
        "last_item": Vocabulary(items),
    }
    return Schema(
        features=features,
        tasks=tuple(Task(name=f"task{position}") for position in range(num_tasks)),
        group=group,
        vocabularies=vocabularies if kind != "numeric" else {},
    )


def batch(of, rows=32, seed=0):
    """Returns features, labels and weights of a batch, as data_pipelines delivers them."""
    random = np.random.default_rng(seed)
    features = {
        feature.name: random.integers(0, feature.size, rows).astype("int32")
        if feature.kind == "categorical"
        else random.normal(size=rows).astype("float32")
        for feature in of.features
    }
    if of.group:
        features["group"] = random.integers(0, 5, rows)
    labels = {task: random.integers(0, 2, (rows, 1)).astype("float32") for task in of.task_names}
    weights = {task: random.integers(0, 2, rows).astype("float32") for task in of.task_names}
    return features, labels, weights
