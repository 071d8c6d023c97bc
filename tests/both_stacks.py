"""Trains the same networks by the Keras of this process, 3 or 2, and writes what came out of each step to a file.

As a program: `[TF_USE_LEGACY_KERAS=1] python both_stacks.py FILE.npz`.
"""

import sys

import numpy as np
import tensorflow as tf
from tensorflow import keras

from tf_gradcraft.balancing import CAGrad, GradCraft, GradNorm, MetaBalance, UncertaintyWeighting
from tf_gradcraft.keras_stack import keras_major
from tf_gradcraft.models import MLP, FeatureEmbeddings, GateControl, MultiGateMixture, NumericFeatures

TASKS = ("click", "like", "follow")
ROWS, STEPS = 16, 3
NUMBERS = [
    {"name": "age", "mean": 30.0, "std": 10.0, "transform": None},
    {"name": "duration", "mean": 2.0, "std": 0.5, "transform": "log1p"},
]
# Network, method, settings of compile.
CASES = {
    "gradcraft": ("mmoe", lambda: GradCraft(tau=0.3), {}),
    "metabalance": ("ple", lambda: MetaBalance(target="like"), {}),
    "gradnorm every second step": ("mmoe", GradNorm, {"balance_every": 2}),
    "cagrad over the representation": ("ple", CAGrad, {"balance_over": "representation"}),
    "gradcraft over a mixture": ("mmoe", GradCraft, {"balance_over": "representation"}),
    "uncertainty weighting": ("mmoe", UncertaintyWeighting, {}),
    "sum": ("ple", lambda: None, {}),
}


class Network:
    """Embeddings and numbers, experts and gates, a tower a task; the same layers for both kinds of model."""

    def __init__(self, kind):
        tables = {"user": "user", "friend": "user", "item": "item"}
        self.layers = {
            "embeddings": FeatureEmbeddings(tables, {"user": 9, "item": 5}, 3, l2=0.1),
            "numbers": NumericFeatures(NUMBERS),
        }
        if kind == "mmoe":
            self.layers["mixture"] = MultiGateMixture(3, 2, [6, 4], l2=0.01)
        else:
            self.layers["first"] = GateControl(3, [6], 1, 2, last=False, feeds_last=True)
            self.layers["last"] = GateControl(3, [4], 1, 1)
        for task in TASKS:
            self.layers[f"{task}_tower"] = MLP([3], l2=0.01)
            self.layers[f"{task}_logit"] = keras.layers.Dense(1)

    def __call__(self, features):
        layers = self.layers
        embedded = layers["embeddings"]({name: features[name] for name in ("user", "friend", "item")})
        embedded = tf.reshape(embedded, [-1, 9])
        numbers = layers["numbers"]({name: features[name] for name in ("age", "duration")})
        encoded = tf.concat([embedded, numbers], axis=1)
        if "mixture" in layers:
            representations = layers["mixture"](encoded)
        else:
            representations = layers["last"](layers["first"]([encoded] * 4))
        towers = zip(TASKS, representations, strict=True)
        return {task: layers[f"{task}_logit"](layers[f"{task}_tower"](x)) for task, x in towers}

    def weights(self):
        return {f"{name}/{i}": v for name, layer in self.layers.items() for i, v in enumerate(layer.weights)}


def model_of(network):
    """Returns a model of the stack at hand, and its losses as compile takes them."""
    loss = {task: keras.losses.BinaryCrossentropy(from_logits=True) for task in TASKS}
    if keras_major() == 3:
        from tf_gradcraft import MultiTaskModel as Base

        settings = {"loss": loss}
    else:
        import tensorflow_recommenders as tfrs

        from tf_gradcraft.tfrs import BalancedModel as Base

        settings = {}

    class Model(Base):
        def __init__(self):
            super().__init__()
            self.parts = list(network.layers.values())
            if not settings:
                self.of_tasks = {task: tfrs.tasks.Ranking(loss=of_task) for task, of_task in loss.items()}

        def call(self, features):
            return network(features)

        if not settings:

            def compute_task_losses(self, inputs, training=False):
                features, labels = inputs
                outputs = self(features)
                return {task: of(labels[task], outputs[task]) for task, of in self.of_tasks.items()}

    return Model(), settings


def data():
    """Returns as many batches as there are steps, one below the other."""
    random, rows = np.random.default_rng(5), ROWS * STEPS
    features = {name: random.integers(0, 5, rows) for name in ("user", "friend", "item")}
    features |= {name: random.normal(20, 5, rows).astype("float32") for name in ("age", "duration")}
    labels = {task: random.integers(0, 2, (rows, 1)).astype("float32") for task in TASKS}
    return tf.data.Dataset.from_tensor_slices((features, labels)).batch(ROWS)


def recorded(balancer, log):
    """Returns the same balancer, which writes down Gram matrices and weights."""
    kind = type(balancer)

    def weights(self, gram, *args, **kwargs):
        weights, state = kind.weights(self, gram, *args, **kwargs)
        log[f"{len(log)} gram"] = gram.numpy()
        log[f"{len(log)} weights"] = weights.numpy()
        return weights, state

    return type(kind.__name__, (kind,), {"weights": weights})(**balancer.get_config())


def train(case, optimizer):
    """Returns all that came out of some steps, by name."""
    kind, make, settings = CASES[case]
    network = Network(kind)
    model, losses = model_of(network)
    batches = data()
    model(next(iter(batches))[0])
    random = np.random.default_rng(3)
    log = {}
    for name, variable in network.weights().items():
        variable.assign(random.normal(size=variable.shape).astype("float32") / 2)
        log[f"before {name}"] = variable.numpy()
    balancer = make()
    model.compile(optimizer, balancing=balancer and recorded(balancer, log), run_eagerly=True, **losses, **settings)
    names = {id(variable): name for name, variable in network.weights().items()}
    apply = model.optimizer.apply_gradients
    step = iter(range(STEPS))

    def apply_gradients(grads_and_vars, *args, **kwargs):
        pairs, number = list(grads_and_vars), next(step)
        for gradient, variable in pairs:
            if isinstance(gradient, tf.IndexedSlices) and balancer is not None:
                assert len(np.unique(gradient.indices)) == len(gradient.indices)
            log[f"{number} gradient {names[id(variable)]}"] = tf.convert_to_tensor(gradient).numpy()
        return apply(pairs, *args, **kwargs)

    model.optimizer.apply_gradients = apply_gradients
    model.fit(batches, verbose=0, shuffle=False)
    return log | {f"after {name}": variable.numpy() for name, variable in network.weights().items()}


def train_all():
    """Returns what came out of all cases, by name."""
    came_out = {}
    for position, case in enumerate(CASES):
        optimizer = keras.optimizers.Adagrad(0.1) if position % 2 else keras.optimizers.SGD(0.3)
        came_out |= {f"{case}: {name}": values for name, values in train(case, optimizer).items()}
    return came_out


if __name__ == "__main__":
    np.savez(sys.argv[1], **train_all())
