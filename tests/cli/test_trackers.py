"""TensorBoard and MLflow: what they are given can be read back with their own readers."""

import importlib.util

import pytest
from calling import FAST, fail, read_json, succeed

from tf_gradcraft.cli import trackers


@pytest.fixture
def nothing_installed(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)


def test_tensorboard_has_the_values_of_each_epoch(prepared, tmp_path):
    pytest.importorskip("tensorboard", reason="TensorBoard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    options = ["--epochs", "2", "--balancing", "sum", *FAST]
    succeed("train", prepared, "--out", tmp_path / "run", "--tensorboard", tmp_path / "logs", *options)
    events = EventAccumulator(str(tmp_path / "logs" / "validation"))
    events.Reload()
    found = [float(make_ndarray(event.tensor_proto)) for event in events.Tensors("epoch_click_auc")]
    assert found == pytest.approx(read_json(tmp_path / "run" / "history.json")["val_click_auc"], abs=1e-6)


def test_what_is_missing_is_said_before_anything_is_done(prepared, run, tmp_path, nothing_installed):
    error = fail("train", prepared, "--out", tmp_path / "run", "--tensorboard", tmp_path / "logs", *FAST)
    assert "--tensorboard needs tensorboard, which is not installed: run pip install" in error
    assert "log-mlflow needs mlflow, which is not installed" in fail("log-mlflow", run)
    assert not list(tmp_path.iterdir())


def test_mlflow_has_parameters_metrics_by_epoch_and_files(run, tmp_path):
    mlflow = pytest.importorskip("mlflow", reason="MLflow is not installed")
    store = tmp_path / "my store"
    for _ in range(2):
        called = succeed("log-mlflow", run, "--tracking-uri", store, "--experiment", "small")
    client = mlflow.MlflowClient(tracking_uri=store.resolve().as_uri())
    experiment = client.get_experiment_by_name("small")
    found = client.search_runs([experiment.experiment_id])
    assert len(found) == 2
    assert found[0].info.run_id in called.out
    assert found[0].info.status == "FINISHED"
    assert found[0].info.run_name == run.name
    params = found[0].data.params
    assert (params["model"], params["balancing_settings.tau"], params["tasks"]) == (
        "shared_bottom",
        "0.25",
        "click, like",
    )
    for name, values in read_json(run / "history.json").items():
        steps = client.get_metric_history(found[0].info.run_id, name)
        assert [(value.step, value.value) for value in steps] == list(enumerate(values, 1))
    assert found[0].data.metrics["best_epoch"] == read_json(run / "metrics.json")["epoch"]
    files = {file.path for file in client.list_artifacts(found[0].info.run_id)}
    assert {"config.json", "history.json", "metrics.json", "model.keras"} <= files


def test_mlflow_is_asked_for_a_run_only(tmp_path):
    pytest.importorskip("mlflow", reason="MLflow is not installed")
    assert "is no run folder" in fail("log-mlflow", tmp_path)


def test_names_that_mlflow_does_not_take_are_changed():
    assert trackers.parameters({"a@b": 1, "deep": {"x": {"y": [1, 2]}}}) == {"a_b": "1", "deep.x.y": "1, 2"}
