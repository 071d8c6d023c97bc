"""The examples that are no recommenders, run on fewer rows, learn something."""

import importlib.util
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def example(name):
    """Imports an example by its path."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_two_heads_on_pictures_read_both_digits():
    accuracy = example("two_digits").main(["--rows", "4000", "--epochs", "3"])
    assert min(accuracy.values()) > 0.5  # chance is 0.1


def test_three_heads_of_three_kinds_on_text():
    results = example("docstrings").main(["--epochs", "6"])
    assert results["package_accuracy"] > results["constant package_accuracy"] + 0.1
    assert results["is_class_auc"] > 0.6
    assert results["parameters_rmse"] < results["constant parameters_rmse"]
