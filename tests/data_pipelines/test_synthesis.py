"""The generator of the synthetic log: what was chosen is what is measured, however the log is cut into files."""

import json

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from tf_gradcraft.data_pipelines.datasets import Synthetic, synthetic
from tf_gradcraft.data_pipelines.synthesis import impressions
from tf_gradcraft.data_pipelines.synthesis.impressions import number_of_blocks
from tf_gradcraft.data_pipelines.synthesis.settings import LogSettings
from tf_gradcraft.data_pipelines.synthesis.truth import draw_rows, find_truth
from tf_gradcraft.data_pipelines.synthesis.world import draw_world

CHOSEN = {"view": 0.4, "like": 0.05, "share": 0.02, "hide": 0.1}
COSINES = {("view", "like"): 0.5, ("view", "hide"): -0.7, ("like", "share"): 0.2}
NORMS = {"like": 0.25, "share": 0.1, "hide": 0.3}


@pytest.fixture(scope="module")
def drawn():
    settings = LogSettings(rows=130_000, seed=3, base_rates=CHOSEN, cosines=COSINES, norm_ratios=NORMS)
    world = draw_world(settings)
    truth = find_truth(settings, world)
    blocks = [draw_rows(settings, world, truth, number) for number in range(number_of_blocks(settings))]
    columns = {name: np.concatenate([block.log[name] for block in blocks]) for name in blocks[0].log}
    true = np.stack([np.concatenate([block.truth[task] for block in blocks]) for task in CHOSEN], axis=1)
    return settings, truth, columns, true, np.concatenate([block.latent for block in blocks])


def cosines_of(rows):
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit @ unit.T


def test_the_weights_have_the_chosen_angles(drawn):
    wanted = np.array([[1, 0.5, 0, -0.7], [0.5, 1, 0.2, 0], [0, 0.2, 1, 0], [-0.7, 0, 0, 1]])
    np.testing.assert_allclose(drawn[0].cosine_matrix(), wanted)
    np.testing.assert_allclose(cosines_of(drawn[1].weights), wanted, atol=1e-9)


def test_the_latent_directions_are_white_and_matches_correlate_as_chosen(drawn):
    settings, truth, _, _, latent = drawn
    np.testing.assert_allclose(latent.mean(axis=0), 0, atol=0.02)
    np.testing.assert_allclose(np.cov(latent.T), np.eye(6), atol=0.03)
    np.testing.assert_allclose(np.corrcoef((latent @ truth.weights.T).T), settings.cosine_matrix(), atol=0.03)


def test_gradients_at_the_start_have_the_chosen_angles_and_norms(drawn):
    settings, _, columns, true, latent = drawn
    # From the labels, as a model sees them: the gradient of the log loss by shared weights at 0.
    labels = np.stack([columns[task] for task in CHOSEN], axis=1)
    for values, tolerance in ((true, 0.06), (labels, 0.15)):
        gradients = -(values - values.mean(axis=0)).T @ latent / len(latent)
        np.testing.assert_allclose(cosines_of(gradients), settings.cosine_matrix(), atol=tolerance)
        norms = np.linalg.norm(gradients, axis=1)
        np.testing.assert_allclose(norms[1:] / norms[0], list(NORMS.values()), rtol=2 * tolerance)


def test_rates_are_the_chosen_ones_and_labels_follow_the_truth(drawn):
    _, _, columns, true, _ = drawn
    for at, (task, rate) in enumerate(CHOSEN.items()):
        assert true[:, at].mean() == pytest.approx(rate, rel=1e-6)
        tenth = pd.qcut(true[:, at], 10, labels=False)
        expected = pd.Series(true[:, at]).groupby(tenth).mean()
        found = pd.Series(columns[task]).groupby(tenth).mean()
        assert ((found - expected).abs() < 5 * np.sqrt(expected / 13_000) + 1e-9).all()


def test_sessions_have_one_user_and_follow_the_time(drawn):
    log = pd.DataFrame(drawn[2])
    assert (np.diff(log["time_s"]) >= 0).all()
    assert log["time_s"].between(0, 14 * 86_400 - 1).all()
    sessions = log.groupby("session_id")
    assert (sessions["user_id"].min() == sessions["user_id"].max()).all()
    assert sessions.size().mean() == pytest.approx(5, rel=0.05)
    assert (sessions["time_s"].max() - sessions["time_s"].min()).median() < 300
    assert log["day"].nunique() == 14


def read_shards(path, name):
    return pq.read_table(path / name).to_pandas()


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(impressions, "BLOCK", 700)


def test_files_of_any_size_hold_the_same_log(tmp_path, small_blocks):
    log = Synthetic.write(tmp_path / "one", rows=3000, seed=5)
    one = pd.read_csv(tmp_path / "one" / "log.csv")
    for rows_per_file in (333, 700, 1000, 9999):
        path = tmp_path / str(rows_per_file)
        cut = Synthetic.write(path, rows=3000, seed=5, rows_per_file=rows_per_file)
        sizes = [pq.read_metadata(file).num_rows for file in sorted((path / "log").iterdir())]
        assert sizes[:-1] == [rows_per_file] * (3000 // rows_per_file - (3000 % rows_per_file == 0))
        pd.testing.assert_frame_equal(read_shards(path, "log"), one)
        pd.testing.assert_frame_equal(pd.DataFrame(cut.truth()), pd.DataFrame(log.truth()))
    # From Parquet files as from the CSV file, prepared rows are the same; written again, no old file stays.
    one_way, other = log.prepare(tmp_path / "p1"), cut.prepare(tmp_path / "p2")
    for name, values in one_way.columns("train").items():
        np.testing.assert_array_equal(values, other.columns("train")[name])
    Synthetic.write(path, rows=3000, seed=5)
    assert sorted(p.name for p in path.iterdir()) == sorted(p.name for p in log.path.iterdir())


def test_blocks_are_drawn_one_by_one_and_memory_does_not_grow(tmp_path, small_blocks, monkeypatch):
    lengths = []
    write_table = pq.ParquetWriter.write_table
    monkeypatch.setattr(pq.ParquetWriter, "write_table", lambda *a: (lengths.append(len(a[1])), write_table(*a)))
    Synthetic.write(tmp_path, rows=5000, users=50, videos=50, rows_per_file=5000)
    assert max(lengths) == 700


def test_delayed_feedback_is_missing_at_the_end_of_the_log(tmp_path):
    rates = {"view": 0.4, "follow": 0.3}
    day = 86_400.0
    path = tmp_path / "log"
    log = Synthetic.write(
        path, 40_000, 2, base_rates=rates, cosines={("view", "follow"): 0.2}, delays={"follow": 2 * day}
    )
    rows, truth = pd.read_csv(path / "log.csv"), pd.DataFrame(log.truth())
    assert log.tasks == ("view", "follow")
    assert json.loads((path / "settings.json").read_text())["delays"] == {"follow": 2 * day}
    assert (rows["follow"] <= truth["follow_final"]).all()
    assert truth["follow_final"].mean() == pytest.approx(0.3, abs=0.01)
    left = 14 * day - rows["time_s"]
    np.testing.assert_allclose(truth["follow_observed"], truth["follow"] * (1 - np.exp(-left / (2 * day))))
    for _, at in rows.groupby("day").groups.items():
        assert rows["follow"][at].mean() == pytest.approx(truth["follow_observed"][at].mean(), abs=0.05)
    assert rows["follow"][rows["day"] == 14].mean() < 0.15 < 0.25 < rows["follow"][rows["day"] <= 7].mean()
    assert log.prepare(tmp_path / "prepared").schema.task_names == ("view", "follow")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"cosines": {("click", "folow"): 0.1}}, "task='folow' is not known; did you mean 'follow'"),
        ({"cosines": {("click", "follow"): 1.5}}, "a cosine is from -1 to 1"),
        (
            {"cosines": {("click", "like"): -0.9, ("click", "follow"): -0.9, ("like", "follow"): -0.9}},
            "no weights have these cosines: their matrix has the negative eigenvalue",
        ),
        ({"norm_ratios": {"follow": 3.0}}, r"the gradient of 'follow' can't be 3 times .* it is 0\.\d+ times at most"),
        ({"norm_ratios": {"follow": -1.0}}, "norm_ratios must be positive, got -1.0 for 'follow'"),
        ({"delays": {"follw": 1.0}}, "did you mean 'follow'"),
        ({"rows_per_file": 0}, "rows_per_file must be at least 1"),
        ({"base_rates": {"view": 0.5}}, "task='view' is not known"),
        ({"tasks": ["view"]}, "task='view' is not known"),
    ],
)
def test_bad_choices(tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        Synthetic.write(tmp_path / "raw", rows=2000, **arguments)
    assert not (tmp_path / "raw").exists()


def test_known_tasks_come_with_the_log(tmp_path):
    Synthetic.write(tmp_path, rows=300, base_rates={"view": 0.5, "buy": 0.1}, cosines={})
    assert Synthetic(tmp_path).tasks == ("view", "buy")
    with pytest.raises(ValueError, match="task='byu' is not known; did you mean 'buy'"):
        Synthetic(tmp_path, tasks=["byu"])
    assert Synthetic(tmp_path / "none").tasks == synthetic.TASKS
