import pytest
from calling import RUN_OPTIONS, succeed

from tf_gradcraft.data_pipelines import datasets


@pytest.fixture(scope="session")
def raw(tmp_path_factory):
    """A raw log in which every task has positives in each part."""
    folder = tmp_path_factory.mktemp("raw")
    datasets.Synthetic.write(folder, rows=3000, seed=4, base_rates={"like": 0.2, "follow": 0.1})
    return folder


@pytest.fixture(scope="session")
def prepared(raw, tmp_path_factory):
    folder = tmp_path_factory.mktemp("prepared") / "synthetic"
    succeed("prepare", "synthetic", raw, folder)
    return folder


@pytest.fixture(scope="session")
def run(prepared, tmp_path_factory):
    """A run of GradCraft over three epochs."""
    folder = tmp_path_factory.mktemp("runs") / "gradcraft"
    succeed("train", prepared, "--out", folder, *RUN_OPTIONS)
    return folder
