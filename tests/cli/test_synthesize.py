"""`tf-gradcraft synthesize`: options reach the generator, mistakes are one line."""

import json

import pandas as pd
import pytest
from calling import fail, succeed


def test_a_log_of_own_tasks_is_drawn_and_prepared(tmp_path):
    raw = tmp_path / "raw"
    options = ["--rate", "view=0.4", "--rate", "buy=0.1", "--cosine", "view,buy=-0.5", "--norm", "buy=0.2"]
    called = succeed("synthesize", raw, "--rows", 3000, "--rows-per-file", 2000, "--delay", "buy=3600", *options)
    assert "3,000 impressions with view, buy" in called.out
    settings = json.loads((raw / "settings.json").read_text())
    assert settings["cosines"] == [[1.0, -0.5], [-0.5, 1.0]]
    assert settings["norm_ratios"] == {"buy": 0.2}
    assert settings["delays"] == {"buy": 3600}
    assert len(list((raw / "log").iterdir())) == 2
    assert "view" in succeed("prepare", "synthetic", raw, tmp_path / "prepared").out


def test_the_same_log_as_from_python(tmp_path):
    from tf_gradcraft.data_pipelines import datasets

    succeed("synthesize", tmp_path / "one", "--rows", 500, "--seed", 3, "--users", 9, "--rate", "like=0.2")
    datasets.Synthetic.write(tmp_path / "two", rows=500, seed=3, users=9, base_rates={"like": 0.2})
    one, two = (pd.read_csv(tmp_path / name / "log.csv") for name in ("one", "two"))
    pd.testing.assert_frame_equal(one, two)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--rate", "like"], "--rate 'like' is no name=number; write it such as --rate like=0.05"),
        (["--rate", "like=0.1", "--rate", "like=0.2"], "--rate like is given twice"),
        (["--rate", "lik=0.1"], "did you mean 'like'"),
        (["--cosine", "click=0.5"], "--cosine click: name two tasks"),
        (["--norm", "follow=5"], "can't be 5 times"),
    ],
)
def test_mistakes_are_one_line(tmp_path, options, message):
    assert message in fail("synthesize", tmp_path / "raw", "--rows", 1000, *options)
    assert not (tmp_path / "raw").exists()
