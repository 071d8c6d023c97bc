"""What every test starts from: quiet TensorFlow, fixed seeds, the global state of Keras as it was."""

import gc
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# What XLA compiles is run a few times and has to be right, not fast: LLVM's passes are a third of the time it takes.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true")

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("reproducible", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("reproducible")


def pytest_collection_finish(session):
    """Takes all that was imported out of the garbage collector, which else goes through it again with every trace."""
    gc.freeze()


@pytest.fixture(autouse=True)
def clean_keras():
    """Seeds Keras, and puts back the dtype policy; tests that never import Keras do not pay for it."""
    if "keras" in sys.modules:
        sys.modules["keras"].utils.set_random_seed(17)
    yield
    if "keras" in sys.modules:
        sys.modules["keras"].mixed_precision.set_dtype_policy("float32")
