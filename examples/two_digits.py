"""An image model with two heads: which digit is on the left, which one on the right.

`python examples/two_digits.py` makes pictures of two handwritten digits that overlap, from the 8 x 8 digits that
scikit-learn ships (the idea of MultiMNIST: Sabour et al., NIPS 2017; Sener and Koltun, NeurIPS 2018). One small
convolutional network serves both heads. Nothing here is a recommender: any Keras model with named outputs balances.
"""

import argparse

import keras
import numpy as np
from sklearn.datasets import load_digits

import tf_gradcraft as gc

TASKS = ("left", "right")


def pictures(images: np.ndarray, digits: np.ndarray, rows: int, random: np.random.Generator):
    """Returns pictures [rows, 8, 12, 1] of two digits that share four columns, and `{"left": ..., "right": ...}`."""
    left, right = random.integers(0, len(images), (2, rows))
    both = np.zeros((rows, 8, 12, 1), "float32")
    both[:, :, :8, 0] = images[left]
    both[:, :, 4:, 0] = np.maximum(both[:, :, 4:, 0], images[right])
    return both, {"left": digits[left], "right": digits[right]}


def load(rows: int, seed: int):
    """Returns `((pictures, labels), (pictures, labels))` for training and test, made of different digits."""
    digits = load_digits()
    images, random = digits.images.astype("float32") / 16, np.random.default_rng(seed)
    order = random.permutation(len(images))
    train, test = order[: len(order) * 3 // 4], order[len(order) * 3 // 4 :]
    return tuple(
        pictures(images[part], digits.target[part], count, random) for part, count in ((train, rows), (test, rows // 4))
    )


def build() -> gc.MultiTaskModel:
    """Returns the model: convolutions that both heads share, and a dense head each."""
    inputs = keras.Input((8, 12, 1))
    x = inputs
    for filters in (16, 32):
        x = keras.layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
        x = keras.layers.MaxPooling2D(2)(x)
    shared = keras.layers.Dense(64, activation="relu")(keras.layers.Flatten()(x))
    outputs = {}
    for task in TASKS:
        head = keras.layers.Dense(32, activation="relu")(shared)
        outputs[task] = keras.layers.Dense(10, activation="softmax", name=task)(head)
    return gc.MultiTaskModel(inputs=inputs, outputs=outputs)


def main(arguments: list[str] | None = None) -> dict[str, float]:
    """Trains and returns the test accuracy by head."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--balancing", default="gradcraft", help="a method of tf_gradcraft.balancing.names()")
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    keras.utils.set_random_seed(options.seed)
    (x, y), (x_test, y_test) = load(options.rows, options.seed)
    model = build()
    model.compile(
        optimizer=keras.optimizers.Adam(2e-3),
        loss=dict.fromkeys(TASKS, "sparse_categorical_crossentropy"),
        metrics={task: ["accuracy"] for task in TASKS},
        balancing=options.balancing,
    )
    model.fit(x, y, batch_size=128, epochs=options.epochs, verbose=2)
    results = model.evaluate(x_test, y_test, batch_size=500, return_dict=True, verbose=0)
    accuracy = {task: results[f"{task}_accuracy"] for task in TASKS}
    print(options.balancing, {task: round(value, 3) for task, value in accuracy.items()})
    return accuracy


if __name__ == "__main__":
    main()
