"""A text model with three heads, of three kinds: a class, a yes or no, and a number.

`python examples/docstrings.py` reads the docstrings that NumPy, pandas and scikit-learn ship and learns from the words
of each first paragraph which package it is from (3 classes), whether it describes a class (yes or no) and how many
parameters there are (a number, its logarithm). Their losses differ in size and in kind; the balancer sees gradients.
"""

import argparse
import importlib
import inspect
import math
import pkgutil
import warnings

import keras
import numpy as np

import tf_gradcraft as gc

PACKAGES = ("numpy", "pandas", "sklearn")


def described(package: str) -> dict[str, tuple[str, bool, int]]:
    """Returns `{first paragraph: (text, is a class, number of parameters)}` of what a package documents."""
    found = {}
    modules = [importlib.import_module(package)]
    for module in pkgutil.iter_modules(modules[0].__path__, f"{package}."):
        if not module.name.split(".")[-1].startswith(("_", "test", "conftest")):
            modules.append(importlib.import_module(module.name))
    for module in modules:
        for name, member in inspect.getmembers(module):
            owner = getattr(member, "__module__", None) or ""
            if name.startswith("_") or not owner.startswith(package):
                continue
            members = inspect.getmembers(member, callable) if inspect.isclass(member) else []
            for each in [member, *(value for own, value in members if not own.startswith("_"))]:
                text = (inspect.getdoc(each) or "").split("\n\n")[0]
                try:
                    parameters = [p for p in inspect.signature(each).parameters if p != "self"]
                except (TypeError, ValueError):
                    continue
                if len(text.split()) > 3:
                    found[text] = (text, inspect.isclass(each), len(parameters))
    return found


def load(seed: int):
    """Returns `((texts, labels), (texts, labels))` for training and test; no text is in both."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        by_package = [list(described(package).values()) for package in PACKAGES]
    rows = {text: (text, package, a_class, n) for package, of in enumerate(by_package) for text, a_class, n in of}
    table = [list(column) for column in zip(*rows.values(), strict=True)]
    texts, labels = (
        np.array(table[0]),
        {
            "package": np.array(table[1]),
            "is_class": np.array(table[2], "float32"),
            "parameters": np.log1p(np.array(table[3], "float32")),
        },
    )
    order = np.random.default_rng(seed).permutation(len(texts))
    parts = order[: len(order) * 3 // 4], order[len(order) * 3 // 4 :]
    return tuple((texts[part], {task: of[part] for task, of in labels.items()}) for part in parts)


def build(vocabulary: keras.layers.TextVectorization) -> gc.MultiTaskModel:
    """Returns the model: mean word embedding, a shared layer, and a head a task."""
    inputs = keras.Input((vocabulary.get_config()["output_sequence_length"],), dtype="int32")
    words = keras.layers.Embedding(vocabulary.vocabulary_size(), 32, mask_zero=True)(inputs)
    shared = keras.layers.Dense(64, activation="relu")(keras.layers.GlobalAveragePooling1D()(words))
    outputs = {
        "package": keras.layers.Dense(len(PACKAGES), activation="softmax", name="package")(shared),
        "is_class": keras.layers.Dense(1, activation="sigmoid", name="is_class")(shared),
        "parameters": keras.layers.Dense(1, name="parameters")(shared),
    }
    return gc.MultiTaskModel(inputs=inputs, outputs=outputs)


def main(arguments: list[str] | None = None) -> dict[str, float]:
    """Trains and returns the test metrics, and beside each what the best constant answer reaches."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--balancing", default="gradcraft", help="a method of tf_gradcraft.balancing.names()")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    keras.utils.set_random_seed(options.seed)
    (texts, y), (texts_test, y_test) = load(options.seed)
    vocabulary = keras.layers.TextVectorization(max_tokens=3000, output_sequence_length=40)
    vocabulary.adapt(texts)
    model = build(vocabulary)
    model.compile(
        optimizer=gc.optimizers.LazyAdam(3e-3),
        loss={"package": "sparse_categorical_crossentropy", "is_class": "binary_crossentropy", "parameters": "mse"},
        metrics={
            "package": ["accuracy"],
            "is_class": [keras.metrics.AUC(name="auc")],
            "parameters": [keras.metrics.RootMeanSquaredError(name="rmse")],
        },
        balancing=options.balancing,
    )
    model.fit(vocabulary(texts), y, batch_size=64, epochs=options.epochs, verbose=2)
    results = model.evaluate(vocabulary(texts_test), y_test, batch_size=256, return_dict=True, verbose=0)
    results = {name: value for name, value in results.items() if not name.endswith("loss")}
    commonest = np.bincount(y["package"]).argmax()
    results["constant package_accuracy"] = float((y_test["package"] == commonest).mean())
    spread = np.square(y_test["parameters"] - y["parameters"].mean()).mean()
    results["constant parameters_rmse"] = math.sqrt(spread)
    print(f"{options.balancing}, {len(texts)} texts", {name: round(value, 3) for name, value in results.items()})
    return results


if __name__ == "__main__":
    main()
