"""MMoE on a prepared KuaiRand folder, six binary tasks, as a model of TensorFlow Recommenders.

    tf-gradcraft prepare kuairand ../shared/data/KuaiRand-Pure/data prepared/kuairand --split date
    TF_USE_LEGACY_KERAS=1 python examples/tfrs_kuairand.py prepared/kuairand --balancing gradcraft

Prints one line of JSON: exact AUC of each task on the test part, and their mean.
"""

import argparse
import json
import time

import tensorflow as tf
import tensorflow_recommenders as tfrs
from tensorflow import keras

import tf_gradcraft as gc
from tf_gradcraft.data_pipelines import PreparedData
from tf_gradcraft.models import MLP, FeatureEmbeddings, MultiGateMixture, NumericFeatures


class FeedbackModel(gc.tfrs.BalancedModel):
    """Embeddings and numbers, shared experts with a gate a task, a tower a task."""

    def __init__(self, schema, dimension=16):
        super().__init__()
        ids, numbers = schema.of_kind("categorical"), schema.of_kind("numeric", "statistic")
        self.ids, self.tasks = [feature.name for feature in ids], schema.task_names
        self.embeddings = FeatureEmbeddings(
            {feature.name: feature.table for feature in ids},
            {feature.table: feature.size for feature in ids},
            dimension,
        )
        self.width = dimension * len(ids)
        self.numbers = NumericFeatures(
            [{"name": f.name, "mean": f.mean, "std": f.std, "transform": f.transform} for f in numbers]
        )
        self.mixture = MultiGateMixture(len(self.tasks), num_experts=4, units=[256, 128, 64], dropout=0.5)
        self.towers = {
            task: keras.Sequential([MLP([32, 16], dropout=0.5), keras.layers.Dense(1, activation="sigmoid")])
            for task in self.tasks
        }
        self.rankings = {task: tfrs.tasks.Ranking(loss=keras.losses.BinaryCrossentropy()) for task in self.tasks}

    def call(self, features, training=False):
        embedded = self.embeddings({name: features[name] for name in self.ids})
        encoded = tf.concat([tf.reshape(embedded, [-1, self.width]), self.numbers(features)], axis=1)
        mixtures = self.mixture(encoded, training=training)
        return {task: self.towers[task](x, training=training) for task, x in zip(self.tasks, mixtures, strict=True)}

    def compute_task_losses(self, inputs, training=False):
        features, labels, *weights = inputs
        of_rows = weights[0] if weights else {}
        outputs = self(features, training=training)
        return {
            task: self.rankings[task](labels[task][:, tf.newaxis], outputs[task], sample_weight=of_rows.get(task))
            for task in self.tasks
        }


def main(arguments=None):
    """Trains one model and evaluates it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="a prepared folder")
    parser.add_argument("--balancing", default="gradcraft", help=f"one of: {', '.join(gc.balancing.names())}")
    parser.add_argument("--over", default="parameters", choices=("parameters", "representation"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=5)
    arguments = parser.parse_args(arguments)

    keras.utils.set_random_seed(arguments.seed)
    data = PreparedData(arguments.folder)
    train, _, test = data.load(batch_size=2048, seed=arguments.seed)
    model = FeedbackModel(data.schema)
    model.compile(keras.optimizers.Adam(1e-3), balancing=arguments.balancing, balance_over=arguments.over)
    start = time.perf_counter()
    model.fit(train, epochs=arguments.epochs, verbose=0)
    seconds = time.perf_counter() - start

    predictions = model.predict(test.map(lambda features, *rest: features), verbose=0)
    labels = data.columns("test", data.schema.task_names)
    auc = {task: gc.metrics.auc(labels[task], predictions[task][:, 0]) for task in data.schema.task_names}
    rounded = {task: round(float(value), 4) for task, value in (auc | {"mean": sum(auc.values()) / len(auc)}).items()}
    settings = {"balancing": arguments.balancing, "over": arguments.over, "seed": arguments.seed}
    print(json.dumps({**settings, "epochs": arguments.epochs, "seconds": round(seconds, 1), **rounded}))


if __name__ == "__main__":
    main()
