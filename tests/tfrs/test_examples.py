"""The examples run, on small data of the same form."""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from tf_gradcraft.data_pipelines import datasets

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def example(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def test_retrieval_and_rating_on_films(tmp_path, capsys):
    random = np.random.default_rng(0)
    (tmp_path / "u.item").write_text("".join(f"{i}|Film {i} (1990)|more\n" for i in range(1, 31)))
    rows = np.stack([random.integers(1, 9, 300), random.integers(1, 31, 300), random.integers(1, 6, 300)], axis=1)
    (tmp_path / "u.data").write_text("".join(f"{u}\t{i}\t{r}\t0\n" for u, i, r in rows))
    example("tfrs_movielens").main([str(tmp_path), "--epochs", "1", "--export", str(tmp_path / "export")])
    line, path = capsys.readouterr().out.splitlines()
    found = json.loads(line)
    assert 0 < found["rmse"] < 10
    assert found["top_100_categorical_accuracy"] == 1.0
    assert (Path(path) / "saved_model.pb").is_file()


def test_mmoe_on_a_prepared_folder(tmp_path, capsys):
    datasets.Synthetic.write(tmp_path / "raw", rows=6000, seed=1).prepare(tmp_path / "prepared")
    example("tfrs_kuairand").main([str(tmp_path / "prepared"), "--epochs", "1", "--over", "representation"])
    found = json.loads(capsys.readouterr().out)
    assert all(0 < found[task] < 1 for task in ("click", "long_view", "like", "follow")), found
    of_tasks = [found[task] for task in ("click", "long_view", "like", "follow")]
    assert found["mean"] == pytest.approx(np.mean(of_tasks), abs=1e-4)
