"""The whole path on a small log: prepare, train, evaluate, export."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from calling import RUN_OPTIONS, read_json, snapshot, succeed

import tf_gradcraft as gc
from tf_gradcraft.data_pipelines import PreparedData

COMMAND = Path(sys.executable).parent / "tf-gradcraft"


def test_prepare_shows_rows_and_label_rates(raw, tmp_path):
    called = succeed("prepare", "synthetic", raw, tmp_path / "out", "--split", "random", "--tasks", "like,click")
    data = PreparedData(tmp_path / "out")
    assert data.schema.task_names == ("like", "click")
    assert sum(data.rows.values()) == 3000
    for count in data.rows.values():
        assert f"{count:,}" in called.out
    for rates in data.manifest["label_rates"].values():
        assert f"{100 * rates['like']:.2f} %" in called.out
    assert f"fitting on {data.rows['train']:,} training rows" in called.err


def test_prepare_passes_its_options_on(raw, tmp_path):
    options = {"valid-from": 10, "test-from": 12, "k-core": 2, "min-count": 3, "seed": 9, "split": "date"}
    flags = [word for name, value in options.items() for word in (f"--{name}", value)]
    succeed("prepare", "synthetic", raw, tmp_path / "out", *flags)
    arguments = read_json(tmp_path / "out" / "manifest.json")["arguments"]
    assert {name.replace("-", "_"): value for name, value in options.items()}.items() <= arguments.items()


def test_preparing_again_does_nothing_and_otherwise_needs_overwrite(raw, prepared):
    before = snapshot(prepared)
    assert "nothing to do" in succeed("prepare", "synthetic", raw, prepared).err
    assert snapshot(prepared) == before


def test_train_passes_on_what_tasks_are_compared_on_and_how_often(prepared, tmp_path):
    options = ["--balance-over", "representation", "--balance-every", "2", "--epochs", "1"]
    succeed("train", prepared, "--out", tmp_path / "run", *RUN_OPTIONS, *options)
    config = gc.load_model(tmp_path / "run" / "model.keras").get_compile_config()
    assert (config["balance_over"], config["balance_every"]) == ("representation", 2)
    assert read_json(tmp_path / "run" / "config.json")["balance_over"] == "representation"


def test_run_folder(run, prepared):
    files = ["config.json", "history.json", "metrics.json", "model.keras"]
    assert sorted(path.name for path in run.iterdir()) == files
    config = read_json(run / "config.json")
    expected = {
        "format": 1,
        "prepared": str(prepared),
        "model": "shared_bottom",
        "balancing": "gradcraft",
        "balancing_settings": {"tau": 0.25},
        "tasks": ["click", "like"],
        "epochs": 3,
        "patience": 1,
        "batch_size": 512,
        "learning_rate": 1e-3,
        "model_settings": {"embedding_dim": 4, "backbone": "mlp", "dropout": 0.2, "l2": 0.0},
        "seed": 5,
        "monitor": "val_auc_mean",
        "monitor_gradients": False,
    }
    assert {name: config[name] for name in expected} == expected
    assert set(config["versions"]) == {"tf_gradcraft", "tensorflow", "keras", "numpy", "python"}
    assert config["data"]["inputs"] == read_json(prepared / "manifest.json")["inputs"]
    assert config["optimizer"]["name"] == "lazy_adam"


@pytest.mark.thorough
def test_the_record_of_gradients_is_kept_and_makes_no_difference(run, prepared, tmp_path):
    succeed("train", prepared, "--out", tmp_path / "run", *RUN_OPTIONS, "--monitor")
    story = read_json(tmp_path / "run" / "gradients.json")
    assert (story["balancing"], story["tasks"]) == ("GradCraft", ["click", "like"])
    # Every tenth step is noted; an epoch has fewer.
    assert [step for step in story["steps"]["step"] if step % 10] == []
    assert story["epochs"][0]["epoch"] == 1
    assert "<figure" in gc.callbacks.gradient_blocks(story)[-1]
    models = [gc.load_model(folder / "model.keras").get_weights() for folder in (run, tmp_path / "run")]
    for plain, watched in zip(*models, strict=True):
        np.testing.assert_array_equal(watched, plain)


def test_kept_epoch_is_the_best_one(run):
    history, metrics = read_json(run / "history.json"), read_json(run / "metrics.json")
    values = history["val_auc_mean"]
    assert metrics["epoch"] == 1 + int(np.argmax(values))
    assert metrics["metrics"]["auc_mean"] == max(values)
    assert metrics["metrics"]["click_auc"] == history["val_click_auc"][metrics["epoch"] - 1]


def test_saved_model_is_the_one_of_the_kept_epoch(run):
    called = succeed("evaluate", run, "--split", "valid")
    again, kept = read_json(run / "metrics_valid.json"), read_json(run / "metrics.json")
    for name in ("auc_mean", "gauc_mean", "click_auc", "like_gauc"):
        assert again["metrics"][name] == pytest.approx(kept["metrics"][name], abs=1e-6)
        assert f"{again['metrics'][name]:.4f}" in called.out
    model = gc.load_model(run / "model.keras")
    assert model.balancing == gc.balancing.GradCraft(tau=0.25)


def test_evaluate_equals_metrics_of_predictions(run, prepared):
    succeed("evaluate", run)
    found = read_json(run / "metrics_test.json")
    data = PreparedData(prepared)
    assert (found["split"], found["rows"]) == ("test", data.rows["test"])
    columns = data.columns("test")
    predicted = gc.load_model(run / "model.keras").predict(columns, batch_size=4096, verbose=0)
    for task in ("click", "like"):
        auc = gc.metrics.auc(columns[task], predicted[task])
        gauc = gc.metrics.group_auc(columns[task], predicted[task], columns["group"])
        assert found["metrics"][f"{task}_auc"] == pytest.approx(float(auc), abs=1e-6)
        assert found["metrics"][f"{task}_gauc"] == pytest.approx(float(gauc), abs=1e-6)


def test_evaluate_finds_a_moved_folder(run, prepared, tmp_path):
    shutil.copytree(prepared, tmp_path / "moved")
    shutil.copytree(run, tmp_path / "run")
    config = read_json(run / "config.json") | {"prepared": "gone"}
    (tmp_path / "run" / "config.json").write_text(json.dumps(config))
    succeed("evaluate", tmp_path / "run", "--prepared", tmp_path / "moved")
    assert (tmp_path / "run" / "metrics_test.json").is_file()


def test_export_takes_raw_features(run, raw, prepared, tmp_path):
    import tensorflow as tf

    called = succeed("export", run, tmp_path / "ranker")
    assert succeed("export", run, tmp_path / "ranker", "--version", 7).code == 0
    assert sorted(path.name for path in (tmp_path / "ranker").iterdir()) == ["1", "7"]
    served = tf.saved_model.load(tmp_path / "ranker" / "1").signatures["serving_default"]
    specs = served.structured_input_signature[1]
    assert all(name in called.out for name in (*specs, "click", "like"))
    log, users, videos = (pd.read_csv(raw / f"{name}.csv") for name in ("log", "users", "videos"))
    rows = log[log["day"] >= 13].sort_values(["time_s", "user_id", "video_id"]).merge(users).merge(videos)
    answers = served(**{name: tf.constant(rows[name].tolist(), spec.dtype) for name, spec in specs.items()})
    columns = PreparedData(prepared).columns("test")
    predicted = gc.load_model(run / "model.keras").predict(columns, batch_size=4096, verbose=0)
    for task in ("click", "like"):
        np.testing.assert_allclose(answers[task], predicted[task], rtol=0, atol=1e-6)


def test_one_task_is_trained_without_balancing(prepared, tmp_path):
    options = ["--epochs", "1", "--batch-size", "1024", "--model", "shared_bottom", "--embedding-dim", "2"]
    succeed("train", prepared, "--out", tmp_path / "run", "--tasks", "follow", *options)
    assert read_json(tmp_path / "run" / "config.json")["monitor"] == "val_follow_auc"
    assert "auc_mean" not in read_json(tmp_path / "run" / "metrics.json")["metrics"]


def test_overwrite_replaces_a_run_and_equal_seeds_give_equal_runs(run, prepared, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    (tmp_path / "run" / "metrics_test.json").write_text("{}")
    succeed("train", prepared, "--out", tmp_path / "run", "--overwrite", *RUN_OPTIONS)
    assert read_json(tmp_path / "run" / "history.json") == read_json(run / "history.json")
    assert not (tmp_path / "run" / "metrics_test.json").exists(), "metrics of the replaced run must not stay"
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_the_installed_command_is_quiet(run, tmp_path):
    """In a process of its own: results on stdout, steps on stderr, nothing of TensorFlow's C++ logs."""
    copied = shutil.copytree(run, tmp_path / "run")
    done = subprocess.run([COMMAND, "evaluate", copied], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "group AUC" in done.stdout
    lines = done.stderr.splitlines()
    assert lines[0] == "loading TensorFlow"
    assert [line for line in lines if not line.startswith(("loading", "reading", "evaluating"))] == []
