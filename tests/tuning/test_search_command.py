"""`tf-gradcraft search`: results, going on, bad input."""

import json
import re

import pandas as pd
import pytest
from typer.testing import CliRunner

from tf_gradcraft.cli import app
from tf_gradcraft.cli.search_config import SearchConfig, claim, parse_objective, parse_space
from tf_gradcraft.files.lock import alone
from tf_gradcraft.tuning.requirement import MissingTuningError, require_keras_tuner

FIXED = ["--model", "shared_bottom", "--method", "sum", "--epochs", "1", "--tuner", "grid"]
for _axis in ("units=4", "embedding_dim=2", "batch_size=256", "dropout=0", "balance_over=parameters"):
    FIXED += ["--space", _axis]
OPTIONS = [*FIXED, "--space", "learning_rate=0.001,0.05", "--objective", "click=1,like=3"]


def call(*arguments):
    result = CliRunner(env={"COLUMNS": "200", "TERM": "dumb"}).invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def fail(*arguments):
    result = call(*arguments)
    assert result.exit_code == 1
    [line] = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    return line


@pytest.mark.eager
def test_a_search_leaves_a_run_folder_a_table_and_a_report_and_goes_on(small, tmp_path):
    out = tmp_path / "search"
    first = call("search", small, "--out", out, *OPTIONS, "--trials", "1")
    assert first.exit_code == 0, first.stderr
    second = call("search", small, "--out", out, *OPTIONS, "--trials", "2")
    lines = [line for line in second.stderr.splitlines() if line.startswith("trial ")]
    assert len(lines) == 1
    assert re.match(r"trial 2/2  objective 0\.\d+  learning_rate 0.05  \d+\.\d s", lines[0])
    trials = pd.read_csv(out / "trials.csv")
    assert trials["learning_rate"].tolist() == [0.001, 0.05]
    assert (out / "pareto.html").read_text().count("<svg") == 2
    best = trials.iloc[trials["score"].argmax()]
    config = json.loads((out / "best" / "config.json").read_text())
    assert config["learning_rate"] == best["learning_rate"]
    assert config["model_settings"] == {"bottom_units": [4], "dropout": 0, "embedding_dim": 2}
    evaluated = call("evaluate", out / "best", "--split", "valid")
    assert evaluated.exit_code == 0, evaluated.stderr
    metrics = json.loads((out / "best" / "metrics_valid.json").read_text())["metrics"]
    for name in ("click_auc", "like_auc", "auc_mean", "gauc_mean"):
        assert metrics[name] == pytest.approx(best[f"val_{name}"], abs=1e-6)
    assert best["score"] == pytest.approx((best["val_click_auc"] + 3 * best["val_like_auc"]) / 4, abs=1e-6)
    line = fail("search", small, "--out", out, *OPTIONS, "--trials", "2", "--seed", "4")
    assert "holds another search: seed 0 is now 4; repeat its options, or choose another --out" in line


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--tuner", "hyprband"], "tuner='hyprband' is not known; did you mean 'hyperband'"),
        (["--objective", "acc"], "objective 'acc' is none of auc, gauc, click=1,like=2"),
        (["--objective", "clik=1"], "binary task='clik' is not known; did you mean 'click'"),
        (["--method", "gradcarft"], "method='gradcarft' is not known; did you mean 'gradcraft'"),
        (["--model", "pel"], "model='pel' is not known"),
        (["--space", "taau=0.1"], "--space='taau' is not known; did you mean 'tau'"),
        (["--space", "tau"], "is no name=values"),
        (["--space", "tau=0.1", "--space", "tau=0.2"], "--space tau is given twice"),
        (["--workers", "0"], "workers must be at least 1"),
        (["--trials", "0"], "trials must be at least 1"),
    ],
)
def test_bad_options_are_one_line_and_leave_no_folder(options, message, small, tmp_path):
    assert message in fail("search", small, "--out", tmp_path / "search", *options)
    assert not (tmp_path / "search").exists()


def test_other_folders_are_left_alone(tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").touch()
    config = SearchConfig(prepared="prepared")
    with pytest.raises(FileExistsError, match=r"exists and is no search \(no search.json\)"):
        claim(tmp_path / "other", config)
    claim(tmp_path / "new", config)
    new = tmp_path / "new"
    refused = pytest.raises(FileExistsError, match="is being searched by another command")
    with alone(new, "searched"), refused, alone(new, "searched"):
        pass
    with alone(new, "searched"):
        claim(tmp_path / "new", SearchConfig(prepared="prepared", trials=99))


def test_axes_of_methods_and_objectives_are_read():
    space = parse_space(["tau=0.1", "metabalance.target=like", "cagrad.c=0.2,0.4"])
    axes = SearchConfig(prepared="", space=space).axes()
    settings = {"metabalance": {"target": "like"}, "cagrad": {"c": [0.2, 0.4]}}
    assert axes == {"tau": 0.1, "balancing_settings": settings}
    assert parse_objective("gauc:a=1, b=0.5") == ("gauc", {"a": 1.0, "b": 0.5})


def test_a_missing_keras_tuner_is_one_line_that_names_the_extra(monkeypatch, small, tmp_path):
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "keras_tuner" else find(name))
    line = "needs KerasTuner, which is not installed: pip install 'tf-gradcraft[tuning]'"
    with pytest.raises(MissingTuningError, match=re.escape(line)):
        require_keras_tuner("a search")
    assert line in fail("search", small, "--out", tmp_path / "search")
