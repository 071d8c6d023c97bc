"""Tasks: what their kinds take, how they are kept, labels that are checked, quantiles of watch time."""

import json

import numpy as np
import pytest

from tf_gradcraft.data_pipelines.checks import check_labels
from tf_gradcraft.data_pipelines.reading.layout import layout_of
from tf_gradcraft.data_pipelines.schema import Feature, Schema, Task
from tf_gradcraft.data_pipelines.task_kinds import TASK_KINDS
from tf_gradcraft.data_pipelines.watch_time import fit_duration_quantiles

SECONDS = Feature(name="seconds", kind="numeric")
WATCH = {"name": "watch", "kind": "watch_time", "loss": "duration_quantile", "duration": "seconds"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "binari"}, "task 't': kind='binari' is not known; did you mean 'binary'"),
        ({"loss": "mse"}, "loss of a binary task='mse' is not known"),
        ({"kind": "regression", "loss": "hubert"}, "did you mean 'huber'"),
        ({"kind": "multiclass"}, "kind='multiclass' with loss='crossentropy' needs classes"),
        ({"kind": "multiclass", "classes": 1}, "classes must be at least 2, got 1"),
        ({"classes": 3}, "classes has no meaning for kind='binary' with loss='crossentropy'"),
        ({"kind": "regression", "delta": 2.0}, "delta has no meaning for kind='regression' with loss='mse'"),
        ({"kind": "regression", "loss": "huber", "delta": -1.0}, "delta must be positive, got -1.0"),
        ({"kind": "regression", "transform": "log"}, "transform='log' is not known; use 'log1p'"),
        ({"kind": "watch_time", "transform": "log1p"}, "transform has no meaning for kind='watch_time'"),
        ({"kind": "watch_time", "loss": "duration_quantile"}, "needs duration"),
        ({"kind": "ranking", "list_size": 1}, "list_size must be at least 2, got 1"),
        ({"sample_space": "t"}, "sample_space names the task itself"),
        ({**WATCH, "boundaries": [2.0, 1.0], "quantiles": [[0, 1]] * 3}, "boundaries must increase"),
        ({**WATCH, "boundaries": [1.0], "quantiles": [[0, 1]]}, "1 boundaries and quantiles of 1 groups"),
        ({**WATCH, "quantiles": [[1.0, 0.0]]}, "must be finite, >= 0, and not decrease"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        Task(**{"name": "t", **arguments})


def test_every_kind_states_loss_link_and_metrics():
    for name, kind in TASK_KINDS.items():
        task = Task(name="t", kind=name, classes=3 if name == "multiclass" else None)
        assert task.loss == next(iter(kind.losses))
        assert task.link
        assert task.metrics
        assert task.outputs == (3 if name == "multiclass" else 1)
    assert Task(name="t", kind="regression", transform="log1p").link == "expm1"


def test_a_schema_keeps_tasks_of_all_kinds_and_reads_those_of_old_files(tmp_path):
    tasks = (
        Task(name="click", mask="seen"),
        Task(name="mood", kind="multiclass", classes=4),
        Task(name="watch", kind="watch_time", loss="duration_quantile", duration="seconds", quantiles=((0.0, 1.0),)),
        Task(name="buy", sample_space="click"),
        Task(name="order", kind="ranking", loss="list_mle", lists=None, list_size=7),
    )
    schema = Schema(features=(SECONDS,), tasks=tasks, group="user")
    schema.save(tmp_path)
    assert Schema.load(tmp_path) == schema
    assert len(set(Schema.load(tmp_path).tasks)) == 5
    path = tmp_path / "schema.json"
    old = json.loads(path.read_text()) | {"tasks": [{"name": "click", "kind": "binary", "mask": "seen"}]}
    path.write_text(json.dumps(old))
    assert Schema.load(tmp_path).tasks == tasks[:1]


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (Task(**{**WATCH, "duration": "second"}), "feature='second' is not known; did you mean 'seconds'"),
        (Task(**{**WATCH, "duration": "user"}), "duration='user' is no numeric feature"),
        (Task(name="order", kind="ranking", lists="query"), "feature='query' is not known"),
        (Task(name="order", kind="ranking"), "lists='group', but the schema names no group"),
        (Task(name="buy", sample_space="stars"), "sample_space='stars' is no binary task"),
    ],
)
def test_a_schema_refuses_a_task_that_refers_to_what_does_not_fit(task, message):
    user = Feature(name="user", kind="categorical", dtype="int64", size=3)
    stars = Task(name="stars", kind="regression")
    with pytest.raises(ValueError, match=message):
        Schema(features=(SECONDS, user), tasks=(stars, task))


@pytest.mark.parametrize(
    ("task", "good", "bad", "message"),
    [
        (Task(name="t"), [0, 1], 2, "the value 2.0 in row 2 is no label of a binary task"),
        (Task(name="t", kind="multiclass", classes=3), [0, 2], 1.5, "is no class of the task"),
        (Task(name="t", kind="regression"), [-3.5, 1e9], np.inf, "is no finite number"),
        (Task(name="t", kind="regression", transform="log1p"), [0, 1e9], -1, r"is no label of this regression task"),
        (Task(name="t", kind="watch_time"), [0, 3.5], -1, r"watch_time task \(finite, >= 0\)"),
        (Task(name="t", kind="ranking"), [0, 2], np.inf, "ranking task"),
        (Task(name="t", kind="ranking"), [0, 2], np.nan, "is missing or NaN"),
    ],
)
def test_labels_are_checked_by_kind(task, good, bad, message):
    check_labels(np.array(good), task, "log.csv", "t", "repair it")
    with pytest.raises(ValueError, match=rf"log.csv, column 't': .*{message}.* \(1 of 3 rows\); repair it"):
        check_labels(np.array([*good, bad]), task, "log.csv", "t", "repair it")


def test_quantiles_of_watch_time_are_those_of_each_group_of_durations():
    random = np.random.default_rng(0)
    durations = random.choice([5.0, 10.0, 10.0, 10.0, 60.0, 90.0, 300.0], 500)
    times = random.random(500) * durations
    task = fit_duration_quantiles(Task(**WATCH), times, durations, groups=4, levels=11)
    edges = [-np.inf, *task.boundaries, np.inf]
    assert list(task.boundaries) == sorted(set(task.boundaries))
    assert set(task.boundaries) <= set(durations)
    for low, high, quantiles in zip(edges[:-1], edges[1:], task.quantiles, strict=True):
        inside = times[(durations >= low) & (durations < high)]
        assert len(inside) > 50
        np.testing.assert_allclose(quantiles, np.quantile(inside, np.linspace(0, 1, 11)))
    alike = fit_duration_quantiles(Task(**WATCH), times, np.full(500, 7.0))
    assert alike.boundaries == ()
    assert len(alike.quantiles) == 1


@pytest.mark.parametrize(
    ("task", "times", "durations", "message"),
    [
        (Task(name="t"), [1.0], [1.0], "only 'duration_quantile' has quantiles to fit"),
        (Task(**WATCH), [], [], "needs one watch time and one duration a row"),
        (Task(**WATCH), [1.0, np.nan], [1.0, 2.0], "must be finite; leave other rows out"),
    ],
)
def test_quantiles_need_rows_that_are_finite(task, times, durations, message):
    with pytest.raises(ValueError, match=message):
        fit_duration_quantiles(task, np.array(times), np.array(durations))


def test_loading_a_task_brings_the_labels_that_open_its_sample_space():
    tasks = (Task(name="click"), Task(name="like"), Task(name="buy", sample_space="click"))
    layout = layout_of(Schema(features=(SECONDS,), tasks=tasks), tasks=["buy"])
    assert layout.columns == ["seconds", "group", "buy", "click"]
    batch = {"seconds": [1.0], "group": [0], "click": [1.0], "buy": [0.0], "like": [1.0]}
    assert layout.element(batch) == ({"seconds": [1.0], "group": [0]}, {"buy": [0.0], "click": [1.0]})
