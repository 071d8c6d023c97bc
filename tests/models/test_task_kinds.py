"""Models with tasks of every kind: predictions, training with balancing, saving, export, sample spaces, the command."""

import dataclasses

import keras
import numpy as np
import pandas as pd
import pytest
import scipy.stats
import sklearn.metrics
import tensorflow as tf

import tf_gradcraft as gc
from tf_gradcraft.data_pipelines import TableSpec, prepare
from tf_gradcraft.data_pipelines.schema import Feature, Schema, Task
from tf_gradcraft.data_pipelines.vocabulary import Vocabulary
from tf_gradcraft.data_pipelines.watch_time import fit_duration_quantiles
from tf_gradcraft.models import AITM, ESMM, PLE, SharedBottom

ROWS = 600
SMALL = {"embedding_dim": 4, "tower_units": [8], "dropout": 0.0}


def log():
    """A small log whose labels follow from latent vectors of users and videos."""
    random = np.random.default_rng(0)
    users, videos = random.integers(0, 40, ROWS), random.integers(0, 30, ROWS)
    taste, topic = random.normal(size=(40, 2)), random.normal(size=(30, 2))
    fit = (taste[users] * topic[videos]).sum(axis=1)
    seconds = random.choice([10.0, 60.0, 300.0], 30)[videos]
    click = random.random(ROWS) < 1 / (1 + np.exp(-2 * fit))
    share = np.clip(0.5 + 0.2 * fit + 0.1 * random.normal(size=ROWS), 0.02, 1)
    labels = {
        "click": click,
        "buy": click & (random.random(ROWS) < 1 / (1 + np.exp(-fit))),
        "mood": np.digitize(fit + 0.3 * random.normal(size=ROWS), [-0.5, 0.5]),
        "rating": 3 + fit + 0.3 * random.normal(size=ROWS),
        "spent": np.expm1(np.clip(1.5 + fit, 0, None)),
        "watch": np.where(click, share * 3, 0.0),
        "viewed": share * seconds,
        "order": np.digitize(fit, [0.0, 1.0]),
        "sequence": np.digitize(fit, [0.0, 1.0]),
    }
    features = {"user": users + 1, "video": videos + 1, "seconds": seconds}
    return features, {task: of_task.astype("float32") for task, of_task in labels.items()}


FEATURES, LABELS = log()
FEATURES = {name: of.astype("int32" if name != "seconds" else "float32") for name, of in FEATURES.items()}
FEATURES["group"] = FEATURES["user"].astype("int64")
TASKS = (
    Task(name="click"),
    Task(name="buy", sample_space="click"),
    Task(name="mood", kind="multiclass", classes=3),
    Task(name="rating", kind="regression", loss="huber"),
    Task(name="spent", kind="regression", transform="log1p"),
    Task(name="watch", kind="watch_time"),
    fit_duration_quantiles(
        Task(name="viewed", kind="watch_time", loss="duration_quantile", duration="seconds"),
        LABELS["viewed"],
        FEATURES["seconds"],
        levels=21,
    ),
    Task(name="order", kind="ranking"),
    Task(name="sequence", kind="ranking", loss="list_mle", lists="user", list_size=20),
)
CLASSES = {"mood": 3}


def schema(tasks=TASKS):
    return Schema(
        features=(
            Feature(name="user", kind="categorical", dtype="int64", size=41),
            Feature(name="video", kind="categorical", dtype="int64", size=31, side="candidate"),
            Feature(name="seconds", kind="numeric", transform="log1p", mean=4.0, std=1.0, side="candidate"),
        ),
        tasks=tasks,
        group="user",
        vocabularies={"user": Vocabulary(np.arange(100, 140)), "video": Vocabulary(np.arange(500, 530))},
    )


@pytest.fixture(scope="module")
def trained():
    """A model of all kinds of tasks, trained with GradCraft; its losses before, and what `fit` returned."""
    keras.utils.set_random_seed(2)
    model = SharedBottom(schema(), bottom_units=[16], **SMALL)
    model.compile(gc.optimizers.LazyAdam(0.01), balancing="gradcraft")
    before = model.evaluate(FEATURES, LABELS, batch_size=ROWS, verbose=0, return_dict=True)
    valid = {"validation_data": (FEATURES, LABELS), "validation_freq": 10}
    history = model.fit(FEATURES, LABELS, **valid, batch_size=200, epochs=30, verbose=0)
    return model, before, history.history


@pytest.fixture(scope="module")
def predicted(trained):
    return trained[0].predict(FEATURES, batch_size=ROWS, verbose=0)


def test_every_task_learns(trained):
    model, before, _ = trained
    after = model.evaluate(FEATURES, LABELS, batch_size=ROWS, verbose=0, return_dict=True)
    for task in model.schema.task_names:
        # The likelihood of an order of rows that are alike has a floor well above 0.
        share = 0.96 if task == "sequence" else 0.9
        assert after[f"{task}_loss"] < share * before[f"{task}_loss"], task


def test_metrics_are_those_of_the_kind_on_the_rows_that_count(trained, predicted):
    model, _, history = trained
    logs = model.evaluate(FEATURES, LABELS, batch_size=128, verbose=0, return_dict=True)
    of_task = {t.name: [n for n in logs if n.startswith(f"{t.name}_") and n != f"{t.name}_loss"] for t in TASKS}
    assert of_task["mood"] == ["mood_accuracy", "mood_log_loss"]
    assert of_task["viewed"] == ["viewed_rmse", "viewed_mae"]
    assert of_task["sequence"] == ["sequence_ndcg_at_10"]
    clicked = LABELS["click"] == 1
    oracles = {
        "buy_auc": sklearn.metrics.roc_auc_score(LABELS["buy"][clicked], predicted["buy"][clicked, 0]),
        "mood_log_loss": sklearn.metrics.log_loss(LABELS["mood"], predicted["mood"].astype("float64")),
        "rating_rmse": sklearn.metrics.root_mean_squared_error(LABELS["rating"], predicted["rating"]),
        "spent_mae": sklearn.metrics.mean_absolute_error(LABELS["spent"], predicted["spent"]),
        "order_ndcg_at_10": gc.metrics.ndcg_at_k(LABELS["order"], predicted["order"], FEATURES["user"], k=10),
    }
    for name, expected in oracles.items():
        np.testing.assert_allclose(logs[name], expected, rtol=1e-4, err_msg=name)
    assert {f"val_{name}" for name in oracles} <= set(history)


def test_predictions_are_in_the_unit_of_the_label(predicted):
    for task, values in predicted.items():
        assert values.shape == (ROWS, CLASSES.get(task, 1)), task
    np.testing.assert_allclose(predicted["mood"].sum(axis=1), 1, rtol=1e-5)
    for task in ("rating", "spent", "viewed"):
        assert scipy.stats.spearmanr(predicted[task][:, 0], LABELS[task]).statistic > 0.4, task
    # No item is predicted to be watched longer than any item of its group was.
    for seconds in (10.0, 60.0, 300.0):
        inside = FEATURES["seconds"] == seconds
        assert predicted["viewed"][inside].max() <= LABELS["viewed"][inside].max() * (1 + 1e-6)


def test_a_file_keeps_everything_and_training_goes_on(trained, predicted, tmp_path):
    model = trained[0]
    model.save(tmp_path / "model.keras")
    loaded = gc.load_model(tmp_path / "model.keras")
    assert loaded.schema == model.schema
    again = loaded.predict(FEATURES, batch_size=ROWS, verbose=0)
    for task, values in predicted.items():
        np.testing.assert_array_equal(again[task], values, err_msg=task)
    assert loaded.default_losses()["sequence"].get_config() == loaded.loss["sequence"].get_config()
    history = loaded.fit(FEATURES, LABELS, batch_size=300, epochs=1, verbose=0).history
    assert np.isfinite(history["loss"]).all()


def test_an_export_predicts_the_same_and_ranks_only_what_has_one_score(trained, predicted, tmp_path):
    model = trained[0]
    path = gc.serving.export(model, tmp_path / "all")
    exported = tf.saved_model.load(path).signatures
    assert set(exported) == {"serving_default", "serving_examples"}
    rows = slice(0, 7)
    raw = {"user": FEATURES["user"][rows] + 99, "video": FEATURES["video"][rows] + 499}
    raw = {name: tf.constant(of, tf.int64) for name, of in raw.items()}
    served = exported["serving_default"](**raw, seconds=tf.constant(FEATURES["seconds"][rows]))
    for task, values in predicted.items():
        np.testing.assert_allclose(served[task], values[rows], rtol=1e-4, atol=1e-5, err_msg=task)
    with pytest.raises(ValueError, match="the signature rank needs one score a task; mood has one a class"):
        gc.serving.export(model, tmp_path / "rank", signatures=["rank"])
    single = tuple(task for task in TASKS if task.outputs == 1)
    one_score = SharedBottom(schema(single), bottom_units=[8], **SMALL)
    ranking = tf.saved_model.load(gc.serving.export(one_score, tmp_path / "single")).signatures["rank"]
    weights = {f"{task.name}_weight": tf.ones([1]) for task in single}
    scored = ranking(
        **weights,
        num_candidates=tf.constant([-1]),
        user=raw["user"][:1],
        video=raw["video"][tf.newaxis],
        seconds=tf.constant(FEATURES["seconds"][rows])[tf.newaxis],
    )
    x = {**{name: tf.constant(of[rows]) for name, of in FEATURES.items()}, "user": tf.repeat(FEATURES["user"][:1], 7)}
    expected = one_score(x)
    for task in (task.name for task in single):
        np.testing.assert_allclose(scored[task][0], expected[task][:, 0], rtol=1e-4, atol=1e-5, err_msg=task)


@pytest.mark.thorough
def test_a_mix_of_kinds_trains_under_xla_and_over_the_representation():
    mix = schema(tuple(task for task in TASKS if task.name in ("click", "rating", "viewed", "order")))
    losses = {}
    for jit in (False, True):
        keras.utils.set_random_seed(1)
        model = SharedBottom(mix, bottom_units=[8], **SMALL)
        model.compile(keras.optimizers.SGD(0.05), balancing="gradcraft", balance_over="representation", jit_compile=jit)
        losses[jit] = model.fit(FEATURES, LABELS, batch_size=200, epochs=2, shuffle=False, verbose=0).history["loss"]
    np.testing.assert_allclose(losses[True], losses[False], rtol=1e-3)
    assert losses[True][-1] < losses[True][0]


def step(model, labels, weights):
    """What one plain step of a new model on all rows changes: its weights after."""
    model.compile(keras.optimizers.SGD(0.1), balancing=None)
    model.train_on_batch(FEATURES, labels, weights)
    return model.get_weights()


def test_a_sample_space_is_a_mask_of_the_other_tasks_labels():
    masked = dataclasses.replace(TASKS[1], sample_space=None)
    clicked = LABELS["click"]
    unknown = np.arange(ROWS) % 5 == 0  # whether these were clicked is not known
    half = np.where(np.arange(ROWS) % 2, 0.5, 1.0).astype("float32")
    weights = {"click": np.where(unknown, 0, 1).astype("float32"), "buy": half}
    by_hand = {**weights, "buy": half * clicked * ~unknown}
    labels = {task: LABELS[task] for task in ("click", "buy")}
    labels["buy"] = np.where(clicked == 1, labels["buy"], np.nan).astype("float32")
    after = []
    for tasks, given in (((TASKS[0], TASKS[1]), weights), ((TASKS[0], masked), by_hand)):
        keras.utils.set_random_seed(4)
        after.append(step(SharedBottom(schema(tasks), bottom_units=[4], **SMALL), labels, given))
    for one, other in zip(*after, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-7)


def test_a_model_of_the_later_task_alone_takes_the_labels_that_open_its_sample_space():
    model = SharedBottom(schema(TASKS[1:2]), bottom_units=[4], **SMALL)
    model.compile(keras.optimizers.SGD(0.1))
    logs = model.evaluate(FEATURES, {"click": LABELS["click"], "buy": LABELS["buy"]}, verbose=0, return_dict=True)
    predictions = model.predict(FEATURES, verbose=0)["buy"][:, 0]
    clicked = LABELS["click"] == 1
    expected = sklearn.metrics.roc_auc_score(LABELS["buy"][clicked], predictions[clicked])
    np.testing.assert_allclose(logs["buy_auc"], expected, rtol=1e-6)
    with pytest.raises(ValueError, match="task 'buy' counts only where 'click' happened, so the batch needs labels"):
        model.evaluate(FEATURES, {"buy": LABELS["buy"]}, verbose=0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: AITM(schema()), "AITM: chain: 'mood' is a multiclass task; what follows from one another are binary"),
        (lambda: ESMM(schema(), chain=("click", "rating")), "ESMM: chain: 'rating' is a regression task"),
        (
            lambda: PLE(schema((Task(name="v", kind="watch_time", loss="duration_quantile", duration="seconds"),))),
            "task 'v': its quantiles are not fitted; take the task that fit_duration_quantiles",
        ),
    ],
)
def test_models_refuse_tasks_that_do_not_fit(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_tasks_outside_a_chain_may_be_of_any_kind():
    model = ESMM(schema(TASKS[:3]), chain=("click", "buy"), **SMALL)
    predictions = model({name: tf.constant(of[:5]) for name, of in FEATURES.items()})
    assert (predictions["buy"] < predictions["click"]).numpy().all()
    np.testing.assert_allclose(tf.reduce_sum(predictions["mood"], axis=1), np.ones(5), rtol=1e-5)
    model.compile(keras.optimizers.SGD(0.1), balancing="gradcraft")
    assert np.isfinite(model.fit(FEATURES, LABELS, batch_size=300, verbose=0).history["loss"]).all()


def test_the_command_trains_and_evaluates_tasks_without_auc(tmp_path):
    from typer.testing import CliRunner

    from tf_gradcraft.cli import app

    prepare(
        pd.DataFrame({**FEATURES, **LABELS, "time": np.arange(ROWS)}),
        TableSpec(
            user="user",
            item="video",
            time="time",
            tasks=tuple(task for task in TASKS if task.name in ("rating", "mood", "order")),
            categorical={"user": "int64", "video": "int64"},
            numeric={"seconds": "log1p"},
        ),
        tmp_path / "prepared",
    )
    call = CliRunner(env={"COLUMNS": "200", "TERM": "dumb"}).invoke
    small = ["--model", "shared_bottom", "--embedding-dim", "2", "--epochs", "1", "--batch-size", "200"]
    run, tasks = str(tmp_path / "run"), ["--balancing", "sum", "--tasks", "rating,mood,order"]
    done = call(app, ["train", str(tmp_path / "prepared"), "--out", run, *small, *tasks])
    assert done.exit_code == 0, done.output
    assert "valid loss" in done.stderr  # no task has an AUC
    done = call(app, ["evaluate", run])
    assert done.exit_code == 0, done.output
    for title in ("RMSE", "MAE", "accuracy", "log loss", "NDCG@10"):
        assert title in done.stdout
    assert "AUC" not in done.stdout
