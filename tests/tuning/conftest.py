import pytest
import tensorflow as tf
from small_search import write_prepared


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    return write_prepared(tmp_path_factory.mktemp("search") / "prepared")


@pytest.fixture
def eagerly():
    """Trials of a few steps are faster without graphs."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)
