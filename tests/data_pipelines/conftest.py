"""A prepared synthetic log, and a copy of it to spoil."""

import shutil

import pytest

from tf_gradcraft.data_pipelines import datasets


@pytest.fixture(scope="session")
def log(tmp_path_factory):
    return datasets.Synthetic.write(tmp_path_factory.mktemp("raw"), rows=1500, seed=2)


@pytest.fixture(scope="session")
def original(log, tmp_path_factory):
    folder = tmp_path_factory.mktemp("prepared") / "data"
    log.prepare(folder)
    return folder


@pytest.fixture
def folder(original, tmp_path):
    return shutil.copytree(original, tmp_path / "data")
