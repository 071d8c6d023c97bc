"""Tuners: all kinds, resuming, failures, Hyperband's rounds, memory."""

import gc
import itertools
import json
import weakref

import keras
import keras_tuner
import numpy as np
import pytest
from small_search import SPACE, Free

from tf_gradcraft.tuning import MultiTaskHyperModel, Range, make_tuner, task_weights
from tf_gradcraft.tuning.trials import read_trials
from tf_gradcraft.tuning.tuners import KINDS

GRID = list(itertools.product([1, 2, 3], [10, 20]))
SCORE = keras_tuner.Objective("val_score", "max")


def searched(folder, kind="random", max_trials=6, space=None, **kwargs):
    """Runs what is left of a search; returns the tuner and the hypermodel."""
    space = Free() if space is None else space
    tuner = make_tuner(kind, space, folder, max_trials=max_trials, objective=SCORE, max_epochs=4, **kwargs)
    tuner.search()
    return tuner, space


def ran(folder):
    return [(trial.values["a"], trial.values["b"]) for trial in read_trials(folder)]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "hyperband"])
@pytest.mark.quick("bayesian")
def test_a_small_space_is_searched_from_the_defaults_without_repeating(kind, tmp_path):
    tuner, space = searched(tmp_path / "search", kind)
    assert space.ran[0] == (1, 10)
    assert sorted(space.ran) == GRID
    assert tuner.get_best_hyperparameters()[0].values == {"a": 3, "b": 20}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stop_at", [0, 1, 4])
@pytest.mark.quick("1-random", "4-hyperband", "0-grid")
def test_an_interrupted_search_goes_on_and_repeats_nothing(kind, stop_at, tmp_path):
    first = Free(interrupt_at=stop_at)
    with pytest.raises(KeyboardInterrupt):
        searched(tmp_path / "search", kind, space=first)
    _, second = searched(tmp_path / "search", kind)
    assert len(first.ran) == stop_at
    assert len(second.ran) == 6 - stop_at
    trials = read_trials(tmp_path / "search")
    assert [trial.status for trial in trials] == ["COMPLETED"] * 6
    assert [trial.metrics["val_score"] for trial in trials] == [a + b / 100 for a, b in ran(tmp_path / "search")]
    if kind in ("random", "grid"):
        assert sorted(first.ran + second.ran) == GRID
    _, third = searched(tmp_path / "search", kind)
    assert third.ran == []
    assert len(read_trials(tmp_path / "search")) == 6


def test_a_trial_whose_end_was_written_while_the_oracle_s_was_not_is_not_run_again(tmp_path):
    searched(tmp_path / "search", "grid", max_trials=3)
    path = tmp_path / "search" / "oracle.json"
    state = json.loads(path.read_text())
    last = state["end_order"].pop()
    path.write_text(json.dumps(state | {"ongoing_trials": {"tuner0": last}}))
    tuner, space = searched(tmp_path / "search", "grid", max_trials=3)
    assert space.ran == []
    assert tuner.oracle.end_order[-1] == last


def test_a_trial_that_the_oracle_s_file_does_not_know_yet_is_run(tmp_path):
    searched(tmp_path / "search", "grid", max_trials=2)
    oracle = (tmp_path / "search" / "oracle.json").read_text()
    with pytest.raises(KeyboardInterrupt):
        searched(tmp_path / "search", "grid", max_trials=6, space=Free(interrupt_at=0))
    (tmp_path / "search" / "oracle.json").write_text(oracle)
    _, space = searched(tmp_path / "search", "grid", max_trials=6)
    assert sorted(ran(tmp_path / "search")) == GRID
    assert len(space.ran) == 4


def test_more_trials_can_be_added(tmp_path):
    _, first = searched(tmp_path / "search", max_trials=2)
    _, second = searched(tmp_path / "search", max_trials=6)
    assert sorted(first.ran + second.ran) == GRID


def test_a_failed_trial_is_told_and_the_search_goes_on(tmp_path):
    told = []
    space = Free(fail_if=lambda values: values["a"] == 2)
    searched(
        tmp_path / "s", "grid", space=space, listener=lambda trial, best, seconds: told.append((trial, best, seconds))
    )
    failed = [trial for trial, _, _ in told if trial.status != "COMPLETED"]
    assert [trial.hyperparameters.values["a"] for trial in failed] == [2, 2]
    assert all("ValueError: a of 2 is too much" in trial.message for trial in failed)
    assert [trial.status for trial in read_trials(tmp_path / "s")].count("FAILED") == 2
    assert told[-1][1].hyperparameters.values == {"a": 3, "b": 20}
    assert all(seconds >= 0 for _, _, seconds in told)


@pytest.mark.eager
def test_hyperband_trains_the_best_trials_further_from_their_weights_and_slots(small, tmp_path):
    iterations = {}

    class Watched(MultiTaskHyperModel):
        def fit(self, hp, model, *args, **kwargs):
            before = int(model.optimizer.iterations)
            history = super().fit(hp, model, *args, **kwargs)
            values = hp.values
            iterations[values["tuner/round"], len(iterations)] = (values["tuner/initial_epoch"], before, values)
            return history

    objective = task_weights({"click": 1, "like": 2})
    space = Watched(small, objective=objective, method="sum", learning_rate=Range(1e-3, 1e-1, log=True), **SPACE)
    tuner = make_tuner("hyperband", space, tmp_path / "search", max_trials=6, max_epochs=3)
    tuner.search()
    trials = {trial.name: trial for trial in read_trials(tmp_path / "search")}
    assert len(trials) == 6
    steps = space.data.steps(SPACE["batch_size"])
    promoted = [of for (round_number, _), of in iterations.items() if round_number == 1]
    assert promoted
    for initial_epoch, before, values in promoted:
        past = trials[values["tuner/trial_id"]]
        assert initial_epoch == 1
        assert before == steps * past.epoch  # its optimizer has seen the past trial's steps
        assert past.values["learning_rate"] == values["learning_rate"]
    for trial in trials.values():
        weighted = (trial.metrics["val_click_auc"] + 2 * trial.metrics["val_like_auc"]) / 3
        assert trial.score == pytest.approx(weighted) == trial.metrics["val_weighted"]
        state = json.loads((tmp_path / "search" / f"trial_{trial.name}" / "trial.json").read_text())
        assert trial.epoch <= state["hyperparameters"]["values"]["tuner/epochs"]


@pytest.mark.in_turns
@pytest.mark.eager
def test_metrics_of_a_trial_are_those_of_its_best_epoch_and_its_weights(small, tmp_path):
    histories = []

    class Kept(MultiTaskHyperModel):
        def fit(self, hp, model, *args, **kwargs):
            history = super().fit(hp, model, *args, **kwargs)
            histories.append(history.history)
            return history

    space = Kept(small, epochs=3, method="gradcraft", tau=0.5, learning_rate=[0.001, 0.05], **SPACE)
    tuner = make_tuner("grid", space, tmp_path / "search", max_trials=2)
    tuner.search()
    for trial, history in zip(read_trials(tmp_path / "search"), histories, strict=True):
        best = int(np.argmax(history["val_auc_mean"]))
        assert trial.epoch == best + 1
        assert trial.metrics == pytest.approx({name: values[best] for name, values in history.items()})
        model = tuner.load_model(tuner.oracle.trials[trial.name])
        _, valid, _ = space.data.load(256)
        logs = model.evaluate(valid, verbose=0, return_dict=True)
        assert logs["auc_mean"] == pytest.approx(trial.metrics["val_auc_mean"], abs=1e-6)


@pytest.mark.eager
def test_data_of_one_s_own_and_callbacks_with_state_are_taken(small, tmp_path):
    from tf_gradcraft.data_pipelines import PreparedData

    data = PreparedData(small)
    train, valid, _ = data.load(256)
    settings = {name: value for name, value in SPACE.items() if name != "batch_size"}
    space = MultiTaskHyperModel(data.schema, method=["gradcraft", "metabalance"], **settings, learning_rate=0.01)
    tuner = make_tuner("random", space, tmp_path / "search", max_trials=2)
    stopping = keras.callbacks.EarlyStopping("val_loss", patience=0)
    tuner.search(train, validation_data=valid, epochs=1, callbacks=[stopping])
    assert [trial.status for trial in read_trials(tmp_path / "search")] == ["COMPLETED"] * 2
    assert "batch_size" not in read_trials(tmp_path / "search")[0].values
    assert stopping.best is None  # each trial had a copy
    again = make_tuner("random", space, tmp_path / "without", max_trials=1)
    with pytest.raises(keras_tuner.errors.FatalValueError, match=r"call search\(train, validation_data=valid\)"):
        again.search()
    reading = make_tuner("random", MultiTaskHyperModel(data, **SPACE), tmp_path / "both", max_trials=1)
    with pytest.raises(keras_tuner.errors.FatalValueError, match="at the batch size of each trial"):
        reading.search(train)


@pytest.mark.eager
def test_the_model_of_an_ended_trial_is_let_go(small, tmp_path):
    alive = []
    counts = []

    class Weak(MultiTaskHyperModel):
        def fit(self, hp, model, *args, **kwargs):
            alive.append(weakref.ref(model))
            return super().fit(hp, model, *args, **kwargs)

    def count(trial, best, seconds):
        gc.collect()
        counts.append(sum(of() is not None for of in alive))

    space = Weak(small, epochs=1, learning_rate=Range(1e-3, 1e-1, log=True), **SPACE)
    tuner = make_tuner("random", space, tmp_path / "search", max_trials=3, listener=count)
    tuner.search()
    assert len(alive) == 3
    assert max(counts) <= 1


@pytest.mark.parametrize(
    ("kind", "objective", "message"),
    [
        ("hyprband", SCORE, "tuner='hyprband' is not known; did you mean 'hyperband'"),
        ("random", None, r"give an objective, such as tf_gradcraft.tuning.mean_auc\(\)"),
    ],
)
def test_wrong_arguments_are_refused(kind, objective, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        make_tuner(kind, Free(), tmp_path, max_trials=1, objective=objective)
