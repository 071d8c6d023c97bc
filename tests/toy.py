"""A toy log and toy models for it: two embedded ids and numbers, three binary tasks."""

import keras
import numpy as np

from tf_gradcraft import MultiTaskModel, SharedRepresentation

TASKS = ("click", "like", "follow")
USERS, ITEMS, NUMBERS = 30, 20, 4


def log(rows=64, seed=0, tasks=TASKS):
    """Returns features and labels of a batch; labels depend on the features."""
    random = np.random.default_rng(seed)
    numbers = random.normal(size=(rows, NUMBERS)).astype("float32")
    features = {
        "user": random.integers(0, USERS, rows).astype("int32"),
        "item": random.integers(0, ITEMS, rows).astype("int32"),
        "numbers": numbers,
    }
    labels = {}
    for position, task in enumerate(tasks):
        score = numbers @ np.random.default_rng(position).normal(size=NUMBERS) + random.normal(size=rows)
        labels[task] = (score > 0.3 * position).astype("float32")[:, np.newaxis]
    return features, labels


def labels_weights(rows=64, seed=1, tasks=TASKS):
    """Returns sample weights by task, some of them 0."""
    random = np.random.default_rng(seed)
    return {task: random.integers(0, 3, rows).astype("float32") for task in tasks}


def tensors(tasks=TASKS, l2=0.0, marked=False):
    """Returns inputs and outputs: embeddings and a layer, marked on request, that all share; a last layer a task."""
    inputs = {
        "user": keras.Input((), name="user", dtype="int32"),
        "item": keras.Input((), name="item", dtype="int32"),
        "numbers": keras.Input((NUMBERS,), name="numbers"),
    }
    penalty = keras.regularizers.L2(l2) if l2 else None
    embedded = [
        keras.layers.Embedding(USERS, 3, name="users")(inputs["user"]),
        keras.layers.Embedding(ITEMS, 3, name="items")(inputs["item"]),
    ]
    encoded = keras.layers.Concatenate(name="encoded")([*embedded, inputs["numbers"]])
    shared = keras.layers.Dense(6, activation="tanh", kernel_regularizer=penalty, name="shared")(encoded)
    if marked:
        shared = SharedRepresentation()(shared)
    outputs = {}
    for task in tasks:
        logit = keras.layers.Dense(1, kernel_regularizer=penalty, name=f"{task}_logit", dtype="float32")(shared)
        outputs[task] = keras.layers.Activation("sigmoid", name=task, dtype="float32")(logit)
    return inputs, outputs


def model(kind=MultiTaskModel, tasks=TASKS, l2=0.0, seed=3, marked=False):
    """Returns a model that is the same for the same seed."""
    keras.utils.set_random_seed(seed)
    inputs, outputs = tensors(tasks, l2, marked)
    return kind(inputs=inputs, outputs=outputs)


def crossentropy(tasks=TASKS):
    return dict.fromkeys(tasks, "binary_crossentropy")


def compiled(balancing, optimizer=None, tasks=TASKS, l2=0.0, **settings):
    """Returns a compiled toy model; plain SGD by default, whose steps are traced fast."""
    made = model(tasks=tasks, l2=l2, marked=settings.get("balance_over") == "representation")
    settings.setdefault("loss", crossentropy(tasks))
    made.compile(optimizer=optimizer or keras.optimizers.SGD(0.3), balancing=balancing, **settings)
    return made


def train(made, data=None, epochs=2, batch_size=16, **settings):
    """Trains on the toy log in a fixed order and returns the history."""
    features, labels = data or log()
    history = made.fit(features, labels, batch_size=batch_size, epochs=epochs, shuffle=False, verbose=0, **settings)
    return history.history


def difference(one, other):
    """Returns the largest difference between the weights of two models."""
    pairs = zip(one.get_weights(), other.get_weights(), strict=True)
    return max(float(np.abs(a.astype("float64") - b).max()) for a, b in pairs)
