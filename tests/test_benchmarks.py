"""Benchmarks are run by hand; here, that each still finds what it imports from the others and from the library."""

import ast
import importlib.util
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"
IN_AN_ENVIRONMENT_OF_THEIR_OWN = {"torch", "torchjd"}


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_a_benchmark_imports_what_is_there(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module] if isinstance(node, ast.ImportFrom) else []
        for name in names:
            top = name.split(".")[0]
            if top not in IN_AN_ENVIRONMENT_OF_THEIR_OWN:
                assert (FOLDER / f"{top}.py").is_file() or importlib.util.find_spec(top), f"{path.name}: {name}"
