"""What every test starts from: quiet TensorFlow, fixed seeds, the global state of Keras as it was."""

import collections
import gc
import os
import sys
import zlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# What XLA compiles is run a few times and has to be right, not fast: LLVM's passes are a third of the time it takes.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true")

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("reproducible", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("exhaustive", settings.get_profile("reproducible"), max_examples=250)
settings.load_profile("reproducible")


def pytest_configure(config):
    """Before tests are imported, whose decorators may take a share of the number of examples."""
    if config.getoption("--exhaustive"):
        settings.load_profile("exhaustive")


def pytest_collection_finish(session):
    """Takes all that was imported out of the garbage collector, which else goes through it again with every trace.

    Traces are many objects that live on, so that it need not look for garbage as often either.
    """
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)


@pytest.fixture(autouse=True, scope="module")
def small_heap():
    """Does the same with what a file of tests leaves behind: graphs, which TensorFlow keeps to the end."""
    yield
    gc.collect()
    gc.freeze()


def pytest_unconfigure(config):
    """Gives it back, else bindings complain of leaks when the process ends."""
    gc.unfreeze()


@pytest.fixture(autouse=True)
def clean_keras():
    """Seeds Keras, and puts back the dtype policy; tests that never import Keras do not pay for it."""
    for keras in loaded_keras():
        keras.utils.set_random_seed(17)
    yield
    for keras in loaded_keras():
        keras.mixed_precision.set_global_policy("float32")


def loaded_keras():
    """Returns Keras 3, and Keras 2 in the tests of its stack, as far as they were imported."""
    return [sys.modules[name] for name in ("keras", "tf_keras") if name in sys.modules]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """Runs what TensorFlow would compile as plain Python in tests marked `eager`; before fixtures of a file are made.

    Tracing a training step takes a second or more, a few steps of a toy model do not. Tests of what tracing may change,
    and some of everything else, are marked `traced`; with `--exhaustive` all are traced, as users' steps are.
    """
    if "tensorflow" in sys.modules:
        eager = item.get_closest_marker("eager") and not item.get_closest_marker("traced")
        sys.modules["tensorflow"].config.run_functions_eagerly(
            bool(eager and not item.config.getoption("--exhaustive"))
        )


def pytest_addoption(parser):
    parser.addoption("--exhaustive", action="store_true", help="run all cases of tests, also those marked as variants")


def thin(config, items):
    """Leaves out what takes long and is covered in part by what stays, unless `--exhaustive` asks for everything.

    That are tests marked `thorough`, cases that the marker `quick` does not name, and two of three cases of a test
    marked `in_turns`; at which of three it begins depends on its name, so that every case has its turn in some tests.
    """
    if config.getoption("--exhaustive"):
        return
    left_out, in_turns = set(), collections.defaultdict(list)
    for item in items:
        case = item.callspec.id if hasattr(item, "callspec") else None
        quick = item.get_closest_marker("quick")
        if item.get_closest_marker("thorough") or (quick and case not in quick.args):
            left_out.add(item)
        elif case is not None and item.get_closest_marker("in_turns"):
            in_turns[item.path, item.originalname].append(item)
    for (_, name), cases in in_turns.items():
        first = zlib.crc32(name.encode()) % min(3, len(cases))
        left_out |= set(cases) - set(cases[first::3])
    config.hook.pytest_deselected(items=list(left_out))
    items[:] = [item for item in items if item not in left_out]


WITHOUT_KERAS = ("balancing", "gradients", "linalg")


def pytest_collection_modifyitems(config, items):
    """Where Keras 2 is looked at, keeps one case of every third test of the parts that know no Keras.

    GradCraft's case, if there is one; of all these tests with `--exhaustive`.
    """
    thin(config, items)
    if os.environ.get("TF_USE_LEGACY_KERAS") != "1":
        return
    kept, chosen = set(), {}
    for item in items:
        if item.path.parent.name not in WITHOUT_KERAS or not hasattr(item, "originalname"):  # a doctest has none
            kept.add(item)
            continue
        test = (item.path, item.originalname)
        if test not in chosen or ("GradCraft" in item.name and "GradCraft" not in chosen[test].name):
            chosen[test] = item
    kept |= set(list(chosen.values())[:: 1 if config.getoption("--exhaustive") else 3])
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = [item for item in items if item in kept]
