import pytest
from small_search import write_prepared


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    return write_prepared(tmp_path_factory.mktemp("search") / "prepared")
