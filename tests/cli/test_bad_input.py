"""Mistakes: one clear line, exit code 1, and everything that was there stays as it was."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from calling import FAST, call, fail, read_json, snapshot

from tf_gradcraft.cli import training
from tf_gradcraft.data_pipelines import PreparedData, datasets


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model", "plee"], "model='plee' is not known; did you mean 'ple'?"),
        (["--model", "esmm"], "model 'esmm' needs chain, which the command line does not set"),
        (["--backbone", "deepfn"], "backbone='deepfn' is not known; did you mean 'deepfm'?"),
        (["--balancing", "gradcarft"], "balancing='gradcarft' is not known; did you mean 'gradcraft'?"),
        (["--set", "taw=0.1"], "balancing 'gradcraft': hyper-parameter='taw' is not known; did you mean 'tau'?"),
        (["--set", "tau=2"], "tau=2 is out of range; it must be in [0, 1]"),
        (["--set", "tau=big"], "balancing 'gradcraft': a --set has a value of the wrong type"),
        (["--set", "tau"], "--set 'tau' has no value; write name=value"),
        (["--set", "tau=0", "--set", "tau=1"], "--set tau is given twice"),
        (["--balancing", "metabalance", "--set", "target=clik"], "target='clik' is not known; did you mean 'click'?"),
        (["--tasks", "click,lik"], "task='lik' is not known; did you mean 'like'?"),
        (["--tasks", "click,click"], "click stands twice in 'click,click'"),
        (["--tasks", ","], "',' holds no name"),
        (["--epochs", "0"], "epochs must be at least 1, got 0"),
        (["--batch-size", "0"], "batch_size must be at least 1, got 0"),
        (["--learning-rate", "-1"], "learning_rate must be positive, got -1.0"),
        (["--balance-over", "representations"], "balance_over='representations' is not known; did you mean"),
        (["--balance-every", "0"], "balance_every must be at least 1, got 0"),
        (["--seed", "-1"], "seed must be at least 0, got -1"),
    ],
)
def test_train_refuses_unknown_names_and_numbers_before_it_loads_data(
    prepared, tmp_path, monkeypatch, options, message
):
    monkeypatch.setattr(PreparedData, "load", lambda *args, **kwargs: pytest.fail("the data was loaded"))
    assert message in fail("train", prepared, "--out", tmp_path / "run", *options)
    assert not list(tmp_path.iterdir())


def test_train_without_a_prepared_folder(tmp_path):
    error = fail("train", tmp_path / "nothing", "--out", tmp_path / "run")
    assert f"{tmp_path / 'nothing'} is no prepared folder" in error
    assert not list(tmp_path.iterdir())


def test_train_leaves_an_existing_run_alone(run, prepared):
    before = snapshot(run)
    assert "holds a run already; pass --overwrite" in fail("train", prepared, "--out", run, *FAST)
    assert snapshot(run) == before


@pytest.mark.parametrize("overwrite", [[], ["--overwrite"]])
def test_train_never_replaces_what_is_no_run(prepared, tmp_path, overwrite):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("years of work")
    error = fail("train", prepared, "--out", tmp_path / "thesis", *overwrite, *FAST)
    assert "exists and is no run folder" in error
    assert snapshot(tmp_path) == {"thesis/chapter.tex": b"years of work"}


@pytest.mark.parametrize("error", [ValueError("the disk melted"), KeyboardInterrupt()], ids=["error", "interrupt"])
def test_a_training_that_fails_leaves_the_old_run(run, prepared, tmp_path, monkeypatch, error):
    copied = shutil.copytree(run, tmp_path / "run")
    before = snapshot(tmp_path)

    def broken(job, callbacks=()):
        raise error

    monkeypatch.setattr(training, "train_model", broken)
    called = call("train", prepared, "--out", copied, "--overwrite", *FAST)
    assert called.code != 0
    assert snapshot(tmp_path) == before
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_task_without_positives_in_the_valid_part(tmp_path):
    datasets.Synthetic.write(tmp_path / "raw", rows=2000, seed=1, base_rates={"follow": 1e-9})
    datasets.Synthetic(tmp_path / "raw").prepare(tmp_path / "prepared")
    error = fail("train", tmp_path / "prepared", "--out", tmp_path / "run")
    assert "all labels of 'follow' in the valid part are 0, so its AUC is not defined; leave it out" in error


def test_prepare_refuses_unknown_names(raw, tmp_path):
    out = tmp_path / "out"
    assert "dataset='kuairad' is not known; did you mean 'kuairand'?" in fail("prepare", "kuairad", raw, out)
    assert "task='lik' is not known; did you mean 'like'?" in fail("prepare", "synthetic", raw, out, "--tasks", "lik")
    assert "split='data' is not known; did you mean 'date'?" in fail(
        "prepare", "synthetic", raw, out, "--split", "data"
    )
    assert "log.csv does not exist" in fail("prepare", "synthetic", tmp_path / "none", out)
    assert not list(tmp_path.iterdir())


def test_prepare_leaves_another_preparation_alone(raw, prepared):
    before = snapshot(prepared)
    assert "seed is 0 there, 3 here" in fail("prepare", "synthetic", raw, prepared, "--seed", "3")
    assert snapshot(prepared) == before


def test_prepare_never_replaces_what_is_no_prepared_folder(raw, tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    assert "is no prepared folder" in fail("prepare", "synthetic", raw, tmp_path, "--overwrite")
    assert snapshot(tmp_path) == {"thesis.tex": b"years of work"}


@pytest.mark.parametrize("command", [["evaluate"], ["export"]])
def test_commands_on_something_that_is_no_run(tmp_path, command):
    arguments = [*command, tmp_path, *([tmp_path / "ranker"] if command == ["export"] else [])]
    assert f"{tmp_path} is no run folder: it holds no config.json" in fail(*arguments)
    (tmp_path / "config.json").write_text('{"format": 1, "prep')
    assert "config.json can't be read" in fail(*arguments)
    (tmp_path / "config.json").write_text('{"format": 99}')
    assert "format 99, this version reads 1" in fail(*arguments)
    (tmp_path / "config.json").write_text('{"format": 1, "prepared": "p"}')
    assert "model.keras is missing" in fail(*arguments)


def test_evaluate_unknown_split(run):
    assert "split='tset' is not known; did you mean 'test'?" in fail("evaluate", run, "--split", "tset")


def test_evaluate_refuses_a_folder_with_other_ids(run, raw, tmp_path):
    datasets.Synthetic(raw).prepare(tmp_path / "later", valid_from=8, test_from=10)
    before = snapshot(run)
    error = fail("evaluate", run, "--prepared", tmp_path / "later")
    assert "has other features or tasks than the run was trained on" in error
    assert snapshot(run) == before


def test_evaluate_refuses_the_same_sizes_with_other_values(run, prepared, tmp_path):
    """Same schema, but ids that mean something else."""
    from tf_gradcraft.cli.evaluation import open_data
    from tf_gradcraft.data_pipelines import Vocabulary
    from tf_gradcraft.models.loading import load_model

    model = load_model(run / "model.keras")
    values = model.schema.vocabularies["user_id"].values
    swapped = Vocabulary(values[::-1].copy(), model.schema.vocabularies["user_id"].statistics)
    model.schema.vocabularies["user_id"] = swapped
    with pytest.raises(ValueError, match="another vocabulary of 'user_id' than the run was trained on"):
        open_data(model, prepared)


def test_evaluate_says_where_to_give_a_moved_folder(run, tmp_path):
    copied = shutil.copytree(run, tmp_path / "run")
    config = read_json(run / "config.json") | {"prepared": str(tmp_path / "gone")}
    (copied / "config.json").write_text(json.dumps(config))
    assert "if it was moved, say where with --prepared" in fail("evaluate", copied)


def test_export_never_replaces_a_version(run, tmp_path):
    (tmp_path / "ranker" / "3").mkdir(parents=True)
    (tmp_path / "ranker" / "3" / "saved_model.pb").write_text("served")
    assert "version 3 exists" in fail("export", run, tmp_path / "ranker", "--version", "3")
    assert "version=0 is no version" in fail("export", run, tmp_path / "ranker", "--version", "0")
    assert snapshot(tmp_path) == {"ranker/3/saved_model.pb": b"served"}


def test_missing_and_malformed_options_are_usage_errors(prepared):
    assert call("train", prepared).code == 2
    called = call("train", prepared, "--out", "run", "--epochs", "many")
    assert called.code == 2
    assert "Traceback" not in called.err


def test_debug_shows_the_error_itself(tmp_path):
    with pytest.raises(FileNotFoundError, match="is no run folder"):
        call("--debug", "evaluate", tmp_path)


def test_the_installed_command_reports_one_line(tmp_path):
    command = Path(sys.executable).parent / "tf-gradcraft"
    done = subprocess.run([command, "evaluate", tmp_path], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        f"error: {tmp_path} is no run folder: it holds no config.json; run `tf-gradcraft train` first"
    ]
