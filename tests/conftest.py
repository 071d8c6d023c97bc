"""What every test starts from: quiet TensorFlow, fixed seeds, the global state of Keras as it was."""

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("reproducible", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("reproducible")


@pytest.fixture(autouse=True)
def clean_keras():
    """Seeds Keras, and puts back the dtype policy; tests that never import Keras do not pay for it."""
    if "keras" in sys.modules:
        sys.modules["keras"].utils.set_random_seed(17)
    yield
    if "keras" in sys.modules:
        sys.modules["keras"].mixed_precision.set_dtype_policy("float32")
