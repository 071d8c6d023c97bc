"""Who may import whom, what a bare import loads, and what is installed."""

import ast
import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest

import tf_gradcraft

ROOT = Path(tf_gradcraft.__file__).resolve().parent
PACKAGES = (
    *("balancing", "callbacks", "cli", "comparison", "data_pipelines", "files", "gradients", "keras_stack", "linalg"),
    *("metrics", "models", "objectives", "optimizers", "reporting", "run_report", "serving", "suggestions", "tfrs"),
    *("training", "tuning"),
)

# What a part of the library may import of the others (itself always; `suggestions` and `keras_stack` only hold
# what errors say, `files` how files are written).
MAY_IMPORT = {
    "balancing": {"linalg"},
    "callbacks": {"training", "reporting"},
    "cli": {"*"},
    "comparison": {"data_pipelines.manifest", "metrics.multi_task_gain", "reporting"},
    "data_pipelines": set(),
    "files": set(),
    "gradients": set(),
    "keras_stack": set(),
    "linalg": set(),
    "metrics": set(),
    "models": {"training", *(f"data_pipelines.{of}" for of in ("feature", "schema", "task", "vocabulary"))},
    "objectives": {"training"},
    "optimizers": {"gradients"},
    "reporting": set(),
    "run_report": {"callbacks", "data_pipelines", "metrics", "reporting", "serving"},
    "serving": {"models", "training", "data_pipelines"},
    "suggestions": set(),
    "tfrs": {"training", "balancing", "gradients", "serving.contract", "serving.versions"},
    "training": {"gradients", "balancing", "metrics"},
    "tuning": {"models", "data_pipelines", "training", "balancing", "optimizers", "reporting"},
}
# The one module that lets Keras find every class that a saved model may name.
EXCEPTIONS = {"models/loading.py": {"optimizers", "objectives"}}

KERAS_FREE = ("balancing", "data_pipelines", "gradients", "linalg", "suggestions")


def files_of(package):
    """Returns the files of a part; two of the packages lie beside the library's folder."""
    for folder in (ROOT, ROOT.parent):
        if (folder / f"{package}.py").is_file():
            return [folder / f"{package}.py"]
        if (folder / package / "__init__.py").is_file():
            return sorted((folder / package).rglob("*.py"))
    raise AssertionError(f"no part {package}")


def imported_by(path):
    """Returns the full names that a file imports anywhere, except for type checkers only."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for_types = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            for_types |= {id(child) for statement in node.body for child in ast.walk(statement)}
    names = set()
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def files():
    return [(package, path) for package in PACKAGES for path in files_of(package)]


every_file = pytest.mark.parametrize(
    ("package", "path"), files(), ids=[f"{package}/{path.stem}" for package, path in files()]
)


def test_every_part_of_the_library_has_a_rule():
    parts = {path.stem for path in ROOT.glob("*.py")} | {path.parent.name for path in ROOT.glob("*/__init__.py")}
    parts |= {"models", "data_pipelines"}
    assert parts - {"__init__", "__main__"} == set(MAY_IMPORT) == set(PACKAGES)


@every_file
def test_imports_run_in_the_allowed_direction(package, path):
    allowed = MAY_IMPORT[package] | EXCEPTIONS.get(f"{path.parent.name}/{path.name}", set())
    allowed |= {package, "files", "suggestions", "keras_stack"}
    if "*" in allowed:
        return
    for name in imported_by(path):
        if name.split(".")[0] == "tf_gradcraft":
            inner = name.removeprefix("tf_gradcraft").lstrip(".")
            # What the library's front page itself holds: the version.
            if inner in ("", "__version__"):
                continue
            assert any(inner == part or inner.startswith(part + ".") for part in allowed), f"{path.name}: {name}"


@every_file
def test_nothing_imports_the_top_level_folders_by_path(package, path):
    tops = {name.split(".")[0] for name in imported_by(path)}
    assert not tops & {"models", "data_pipelines", "tests"}


@every_file
def test_only_the_door_imports_tensorflow_recommenders(package, path):
    assert package == "tfrs" or "tensorflow_recommenders" not in {name.split(".")[0] for name in imported_by(path)}


@pytest.mark.parametrize("package", KERAS_FREE)
def test_these_parts_import_no_keras(package):
    for path in files_of(package):
        for name in imported_by(path):
            assert not {"keras", "tf_keras"} & set(name.split(".")), f"{path.name}: {name}"
        assert "tf.keras" not in path.read_text(encoding="utf-8"), path.name


def in_a_new_process(code, cwd):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=cwd).stdout


def test_a_bare_import_loads_neither_tensorflow_nor_keras(tmp_path):
    code = (
        "import sys, tf_gradcraft as gc; dir(gc); gc.__version__;"
        "print([name for name in ('tensorflow', 'keras', 'tf_keras', 'pandas', 'pyarrow') if name in sys.modules])"
    )
    assert in_a_new_process(code, tmp_path).strip() == "[]"


def test_the_schema_is_read_without_tensorflow(tmp_path):
    code = "import sys, tf_gradcraft.data_pipelines.schema; print('tensorflow' in sys.modules, 'keras' in sys.modules)"
    assert in_a_new_process(code, tmp_path).strip() == "False False"


@pytest.mark.parametrize("name", ["models", "data_pipelines"])
def test_no_top_level_package_of_a_common_name_is_installed(name, tmp_path):
    code = f"import importlib.util; print(importlib.util.find_spec({name!r}))"
    assert in_a_new_process(code, tmp_path).strip() == "None"
    assert "tf-gradcraft" not in importlib.metadata.packages_distributions().get(name, [])


@pytest.mark.parametrize("name", tf_gradcraft.__all__)
def test_every_public_name_loads(name):
    assert getattr(tf_gradcraft, name) is not None
    assert name in dir(tf_gradcraft)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'tf_gradcraft' has no attribute 'balancer'"):
        _ = tf_gradcraft.balancer
