"""The synthetic log: seeded, with the rates it promises, learnable, fast."""

import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

from tf_gradcraft.data_pipelines import datasets
from tf_gradcraft.data_pipelines.datasets import synthetic


def auc(labels: np.ndarray, scores: np.ndarray) -> float:
    ranks, positives = pd.Series(scores).rank().to_numpy(), labels.sum()
    return (ranks[labels == 1].sum() - positives * (positives + 1) / 2) / (positives * (len(labels) - positives))


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    return datasets.Synthetic.write(tmp_path_factory.mktemp("raw"), rows=60_000, seed=0)


@pytest.fixture(scope="module")
def tables(log):
    return pd.read_csv(log.path / "log.csv"), pd.read_parquet(log.path / synthetic.TRUTH_FILE)


def test_base_rates_and_true_probabilities(tables):
    rows, truth = tables
    assert list(truth) == list(synthetic.TASKS)
    assert len(truth) == len(rows) == 60_000
    for task, rate in synthetic.BASE_RATES.items():
        assert truth[task].mean() == pytest.approx(rate, rel=1e-6)
        assert rows[task].mean() == pytest.approx(rate, abs=5 * np.sqrt(rate / 60_000))
        # Calibrated in every tenth of the predictions.
        tenth = pd.qcut(truth[task], 10, labels=False)
        expected = truth[task].groupby(tenth).mean()
        spread = 5 * np.sqrt(expected / 6000) + 1e-9
        assert ((rows[task].groupby(tenth).mean() - expected).abs() < spread).all()


def test_tasks_conflict(tables):
    log_odds = np.log(tables[1] / (1 - tables[1]))
    correlation = log_odds.corr()
    assert correlation.loc["click", "long_view"] > 0.2
    assert correlation.loc["click", "follow"] < 0


def test_nothing_of_the_truth_is_in_the_raw_log(log, tables):
    assert list(tables[0]) == list(synthetic.LOG_TYPES)
    data_columns = set(tables[0]) | set(pd.read_csv(log.path / "users.csv")) | set(pd.read_csv(log.path / "videos.csv"))
    assert data_columns == {*synthetic.LOG_TYPES, *synthetic.USER_TYPES, *synthetic.VIDEO_TYPES}


def test_seed_decides(tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        datasets.Synthetic.write(tmp_path / name, rows=500, seed=seed)
    read = {name: [(p.name, p.read_bytes()) for p in sorted((tmp_path / name).iterdir())] for name in "abc"}
    assert read["a"] == read["b"]
    assert read["a"] != read["c"]


def test_prepared_rates_carry_signal_but_less_than_the_truth(log, tables, tmp_path):
    start = time.process_time()
    data = log.prepare(tmp_path / "out")
    assert time.process_time() - start < 10  # CPU time; about 0.6 s
    rows, truth = tables
    late = (rows["day"] >= 13).to_numpy()
    test = data.columns("test")
    assert data.rows["test"] == late.sum()
    for task in ("click", "long_view", "like"):
        popularity = auc(test[task], test[f"user_id_{task}_rate"] + test[f"video_id_{task}_rate"])
        best = auc(rows[task][late].to_numpy(), truth[task][late].to_numpy())
        assert 0.6 < popularity < best - 0.05


def test_random_split_and_own_tasks(tmp_path):
    log = datasets.Synthetic.write(tmp_path / "raw", rows=3000, base_rates={"like": 0.2}, tasks=["like", "click"])
    data = log.prepare(tmp_path / "out", split="random")
    assert data.schema.task_names == ("like", "click")
    assert data.manifest["label_rates"]["train"]["like"] == pytest.approx(0.2, abs=0.05)


@pytest.mark.parametrize("arguments", [{"rows": 0}, {"base_rates": {"like": 1.0}}, {"base_rates": {"lik": 0.1}}])
def test_bad_arguments(tmp_path, arguments):
    with pytest.raises(ValueError, match=r"positive|did you mean 'like'"):
        datasets.Synthetic.write(tmp_path / "raw", **arguments)
    assert not (tmp_path / "raw").exists()


def test_missing_file(tmp_path):
    log = datasets.Synthetic.write(tmp_path / "raw", rows=500)
    (tmp_path / "raw" / "users.csv").unlink()
    with pytest.raises(FileNotFoundError, match=r"users\.csv does not exist"):
        log.prepare(tmp_path / "out")


def test_registry():
    assert {"kuairand", "synthetic"} <= set(datasets.names())
    assert datasets.get("synthetic") is datasets.Synthetic
    with pytest.raises(ValueError, match="did you mean 'kuairand'"):
        datasets.get("kuairnd")


def test_preparing_needs_no_tensorflow():
    code = (
        "import sys; from tf_gradcraft.data_pipelines import PreparedData, Schema, datasets; "
        "assert 'tensorflow' not in sys.modules, 'tensorflow was imported'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
