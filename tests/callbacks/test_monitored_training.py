"""What a monitor records of a training, against gradients by tapes of their own; and that training stays as it is."""

import copy
import re
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
import toy

import tf_gradcraft as gc
from tf_gradcraft.balancing import GLS, GradCraft, Mean, MetaBalance
from tf_gradcraft.callbacks import GradientMonitor
from tf_gradcraft.training import observe_shares, telemetry

sys.path += [str(Path(__file__).parents[1] / name) for name in ("training", "models")]
import schemas
from weighing import plain_gradients

from tf_gradcraft.models import PLE, DSelectK, MMoE

pytestmark = pytest.mark.eager

EAGER = {"run_eagerly": True}


def gradients_by_variables(model, features, labels):
    """Gradients [T, N] by the shared variables, the first four: two tables, kernel and bias of the layer above."""
    by_task = plain_gradients(model, features, labels)
    assert all(of is not None for of_task in by_task for of in of_task[:4])
    return np.stack([np.concatenate([of.ravel() for of in of_task[:4]]) for of_task in by_task])


def gradients_by_representation(model, features, labels):
    """Gradients [T, N] by the marked layer's output, through the heads alone."""
    mark = next(layer for layer in model.layers if isinstance(layer, gc.SharedRepresentation))
    hidden = tf.constant(keras.Model(model.inputs, mark.input)(features))
    gradients = []
    for task in labels:
        with tf.GradientTape() as tape:
            tape.watch(hidden)
            predicted = tf.sigmoid(model.get_layer(f"{task}_logit")(hidden))
            loss = keras.losses.BinaryCrossentropy()(labels[task], predicted)
        gradients.append(tape.gradient(loss, hidden).numpy().ravel().astype(float))
    return np.stack(gradients)


@pytest.mark.in_turns
@pytest.mark.parametrize(
    ("balancing", "over", "aside"),
    [
        ("gradcraft", "parameters", False),
        ("metabalance", "representation", False),
        (None, "parameters", True),
        (None, "representation", True),
        ("uw", "parameters", True),
    ],
)
def test_the_first_step_is_what_tapes_of_their_own_say(balancing, over, aside):
    model = toy.compiled(
        balancing, loss_weights={"like": 0.01, "click": 3.0, "follow": 1.0}, balance_over=over, **EAGER
    )
    features, labels = toy.log(32)
    by = gradients_by_variables if over == "parameters" else gradients_by_representation
    gradients = by(model, features, labels) * np.array([[3.0], [0.01], [1.0]])
    monitor = GradientMonitor(every=1)
    toy.train(model, (features, labels), batch_size=32, epochs=1, callbacks=[monitor])
    story = monitor.story()
    assert (story["over"], story["tasks"]) == (over, list(toy.TASKS))
    lengths = np.linalg.norm(gradients, axis=1)
    np.testing.assert_allclose(story["steps"]["norms"][0], lengths, rtol=1e-5)
    cosines = gradients @ gradients.T / np.outer(lengths, lengths)
    np.testing.assert_allclose(story["epochs"][0]["cosines"], cosines, atol=1e-5)
    one, other = np.triu_indices(3, k=1)
    assert story["steps"]["conflict"] == [pytest.approx(np.mean(cosines[one, other] < 0))]
    weights = np.array(story["steps"]["weights"][0])
    if balancing is None:
        np.testing.assert_array_equal(weights, 1)
    update = weights @ gradients
    assert story["steps"]["residual_conflict"] == [pytest.approx(np.mean(gradients @ update < -1e-6 * lengths))]
    assert monitor.telemetry_for(model).layout.aside == aside


def test_the_weights_are_those_of_the_update():
    model = toy.compiled(GradCraft(), keras.optimizers.SGD(1.0), **EAGER)
    features, labels = toy.log(32)
    before = model.get_weights()
    by_task = plain_gradients(model, features, labels)
    monitor = GradientMonitor()
    toy.train(model, (features, labels), batch_size=32, epochs=1, callbacks=[monitor])
    weights = monitor.story()["steps"]["weights"][0]
    for position in range(4):
        update = sum(weight * of_task[position] for weight, of_task in zip(weights, by_task, strict=True))
        np.testing.assert_allclose(model.get_weights()[position], before[position] - update, atol=1e-6)


WAYS = {
    "graph": {},
    "eager": EAGER,
    "several steps": {"steps_per_execution": 3},
    "xla": {"jit_compile": True},
}
TRAININGS = [
    ("gradcraft", "graph", {}),
    (None, "several steps", {}),
    ("uw", "xla", {}),
    ("gradcraft", "eager", {"balance_every": 2}),
    ("metabalance", "eager", {"balance_over": "representation", "balance_every": 2}),
    (MetaBalance(parts="variable"), "eager", {}),
    (Mean(parts="variable"), "eager", {}),
    (GLS(), "eager", {"balance_over": "representation", "balance_every": 2}),
    ("famo", "eager", {}),
    (None, "eager", {"balance_over": "representation"}),
]


@pytest.mark.in_turns
@pytest.mark.traced
@pytest.mark.parametrize(("balancing", "way", "settings"), TRAININGS, ids=[f"{b}-{w}" for b, w, _ in TRAININGS])
@pytest.mark.quick("gradcraft-graph", "None-several steps", "metabalance-eager", "None-eager", "famo-eager")
def test_training_is_the_same_bit_for_bit(balancing, way, settings):
    trained, monitor = [], GradientMonitor(every=3)
    for callbacks in ([], [monitor]):
        model = toy.compiled(balancing, l2=0.01, **settings, **WAYS[way])
        history = toy.train(model, callbacks=callbacks, validation_data=toy.log(16, seed=9))
        trained.append((model, history))
    (plain, without), (watched, history) = trained
    assert toy.difference(plain, watched) == 0
    assert {name: history[name] for name in without} == without
    assert set(history) - set(without) == {
        *(f"gradient_{value}_{task}" for value in ("norm", "weight") for task in toy.TASKS),
        "gradient_conflict",
        "gradient_residual_conflict",
    }
    # Eight steps; with balance_every=2 steps 0, 2, 4 and 6 measure, and what is due waits for one that does.
    waits = settings.get("balance_every") == 2 and not isinstance(balancing, GLS)
    assert monitor.story()["steps"]["step"] == ([0, 4] if waits else [0, 3, 6])
    assert np.isfinite(monitor.story()["steps"]["norms"]).all()


@pytest.mark.parametrize("balancing", ["gradcraft", None])
def test_the_loss_scale_of_half_precision_does_not_reach_the_record(balancing):
    norms = []
    for optimizer in (keras.optimizers.SGD(0.1), keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1))):
        model = toy.compiled(balancing, optimizer, **EAGER)
        monitor = GradientMonitor(every=1)
        toy.train(model, toy.log(16), epochs=1, callbacks=[monitor])
        norms.append(monitor.story()["steps"]["norms"])
    np.testing.assert_allclose(norms[0], norms[1], rtol=1e-5)


def test_dropout_draws_the_same_masks_with_a_measurement_beside_the_step():
    def trained(callbacks):
        schema = schemas.schema(num_tasks=2)
        features, labels, _ = schemas.batch(schema, rows=16)
        keras.utils.set_random_seed(3)
        model = MMoE(schema, num_experts=2, expert_units=[4], tower_units=[3], embedding_dim=2, dropout=0.5, l2=0.01)
        model.compile("sgd", metrics={}, **EAGER)
        labels = {task: labels[task] for task in schema.task_names}
        model.fit(features, labels, batch_size=8, epochs=2, shuffle=False, verbose=0, callbacks=callbacks)
        return model

    assert toy.difference(trained([]), trained([GradientMonitor(every=1)])) == 0


def test_a_copy_is_a_new_monitor_and_the_old_one_goes_on():
    monitor = GradientMonitor(every=1, log_dir=None, warn=False)
    model = toy.compiled("gradcraft", **EAGER)
    toy.train(model, epochs=1, callbacks=[monitor])
    copied = copy.deepcopy([monitor])[0]
    assert (copied.every, copied.warn, copied.story()["epochs"]) == (1, False, [])
    toy.train(model, epochs=1, callbacks=[monitor])
    assert [epoch["epoch"] for epoch in monitor.story()["epochs"]] == [1, 2]
    assert monitor.story()["steps"]["step"] == list(range(8))
    # Another model is another record; so is another method.
    toy.train(toy.compiled("gradcraft", **EAGER), epochs=1, callbacks=[monitor])
    assert monitor.story()["steps"]["step"] == list(range(4))
    model = toy.compiled("uw", tasks=toy.TASKS[:2], **EAGER)
    toy.train(model, toy.log(tasks=toy.TASKS[:2]), epochs=1, callbacks=[monitor])
    assert monitor.story()["tasks"] == list(toy.TASKS[:2])
    model.compile(keras.optimizers.SGD(0.1), loss=toy.crossentropy(toy.TASKS[:2]), balancing="gradcraft", **EAGER)
    toy.train(model, toy.log(tasks=toy.TASKS[:2]), epochs=1, callbacks=[monitor])
    assert (monitor.story()["balancing"], len(monitor.story()["epochs"])) == ("GradCraft", 1)


def test_nothing_of_it_stays_in_the_model(tmp_path):
    monitor = GradientMonitor(every=1)
    plain, watched = (toy.compiled("gradcraft", **EAGER) for _ in range(2))
    toy.train(plain)
    toy.train(watched, callbacks=[monitor])
    keys = [
        [key for key, _ in tf.train.list_variables(tf.train.Checkpoint(model).save(tmp_path / str(i)))]
        for i, model in enumerate((plain, watched))
    ]
    assert keys[0] == keys[1]
    watched.save(tmp_path / "model.keras")
    loaded = gc.load_model(tmp_path / "model.keras")
    assert loaded.telemetry is None
    steps = monitor.telemetry_for(watched).steps
    toy.train(watched)  # a fit without the monitor leaves it alone
    assert watched.telemetry is None
    assert monitor.telemetry_for(watched).steps == steps


def test_a_longer_epoch_is_noted_all_over_it(monkeypatch):
    monkeypatch.setattr(telemetry, "CAPACITY", 10)
    monitor = GradientMonitor(every=1)
    model = toy.compiled("gradcraft", tasks=toy.TASKS[:2], **EAGER)
    toy.train(model, toy.log(25, tasks=toy.TASKS[:2]), batch_size=1, epochs=1, callbacks=[monitor])
    assert monitor.story()["steps"]["step"] == list(range(0, 25, 3))


def gates_of(model, settings, features, labels):
    monitor = GradientMonitor(every=1)
    model.compile(keras.optimizers.SGD(0.0), metrics={}, **settings, **EAGER)
    model.fit(features, labels, batch_size=16, epochs=1, verbose=0, callbacks=[monitor])
    return monitor.story()["epochs"][0]["gates"]


@pytest.mark.parametrize("balancing", ["gradcraft", None])
def test_the_shares_of_gates_are_those_of_their_scores(balancing):
    schema = schemas.schema(num_tasks=2)
    features, labels, _ = schemas.batch(schema, rows=16)
    labels = {task: labels[task] for task in schema.task_names}
    model = MMoE(schema, num_experts=3, expert_units=[4], tower_units=[3], embedding_dim=2, dropout=0.0)
    mixture = model.get_layer("mixture")
    seen = keras.Model(model.inputs, mixture.input)({name: features[name] for name in model._inputs_struct}).numpy()
    gates = gates_of(model, {"balancing": balancing}, features, labels)
    assert [gate["task"] for gate in gates] == list(schema.task_names)
    for layer, gate in zip(mixture.gates, gates, strict=True):
        scores = seen @ layer.scores.kernel.numpy()
        shares = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        np.testing.assert_allclose(gate["shares"], shares.mean(axis=0), atol=1e-5)
        entropy = -(shares * np.log(shares)).sum(axis=1) / np.log(3)
        assert gate["entropy"] == pytest.approx(entropy.mean(), abs=1e-5)


def test_gates_of_levels_and_selecting_gates_are_found():
    schema = schemas.schema(num_tasks=2)
    features, labels, _ = schemas.batch(schema, rows=16)
    labels = {task: labels[task] for task in schema.task_names}
    small = {"expert_units": [4], "tower_units": [3], "embedding_dim": 2}
    gates = gates_of(PLE(schema, num_levels=2, **small), {"balancing": "gradcraft"}, features, labels)
    assert [len(gate["shares"]) for gate in gates] == [2, 2, 3, 2, 2]
    assert [gate["task"] for gate in gates] == [*schema.task_names, None, *schema.task_names]
    assert len({gate["name"] for gate in gates}) == 5
    gates = gates_of(DSelectK(schema, num_experts=4, **small), {"balancing": "uw"}, features, labels)
    assert [len(gate["shares"]) for gate in gates] == [4, 4]
    for gate in gates:
        assert sum(gate["shares"]) == pytest.approx(1, abs=1e-5)


def test_a_gate_of_ones_own_is_seen_if_it_shows_itself():
    class TwoWays(keras.layers.Layer):
        def call(self, inputs):
            shares = tf.stack([tf.fill(tf.shape(inputs)[:1], 0.99), tf.fill(tf.shape(inputs)[:1], 0.01)])
            observe_shares(self, shares)
            return inputs * shares[0][:, tf.newaxis]

    inputs, outputs = toy.tensors()
    outputs = {task: TwoWays(name=f"{task}_way")(output) for task, output in outputs.items()}
    model = gc.MultiTaskModel(inputs=inputs, outputs=outputs)
    model.compile(keras.optimizers.SGD(0.1), loss=toy.crossentropy(), balancing="gradcraft", **EAGER)
    monitor = GradientMonitor()
    with pytest.warns(UserWarning, match="gate .*click_way uses one of its 2 experts only: number 0 has 99%"):
        toy.train(model, callbacks=[monitor])


def test_alerts_are_warned_of_once(recwarn):
    model = toy.compiled(None, loss_weights={"click": 1.0, "like": 1e-4, "follow": 1.0}, **EAGER)
    monitor = GradientMonitor(every=1)
    for _ in range(2):
        toy.train(model, epochs=1, callbacks=[monitor])
    texts = " ".join(str(warning.message) for warning in recwarn)
    # The number of the second fit is another one.
    assert (
        len(re.findall(r"`like` is [\d,]+ times smaller than `\w+` and never balanced: check its labels", texts)) == 1
    )


def test_a_task_that_never_has_a_labelled_row():
    features, labels = toy.log()
    weights = {task: np.full(64, 0.0 if task == "like" else 1.0, "float32") for task in toy.TASKS}
    for balancing in ("gradcraft", None):
        model = toy.compiled(balancing, **EAGER)
        monitor = GradientMonitor(every=1, warn=False)
        model.fit(features, labels, sample_weight=weights, verbose=0, callbacks=[monitor])
        assert monitor.alerts()[0].startswith("`like` had no gradient in any of the 2 noted steps")
        assert monitor.story()["epochs"][0]["norms"][1] is None


def test_a_single_task_has_nothing_to_record(tmp_path):
    model = toy.compiled(None, tasks=["click"], **EAGER)
    monitor = GradientMonitor(every=1, log_dir=tmp_path / "log")
    history = toy.train(model, toy.log(tasks=["click"]), callbacks=[monitor])
    assert not any(name.startswith("gradient") for name in history)
    assert monitor.story()["epochs"] == []
    assert monitor.alerts() == []


def test_what_it_can_not_do_it_says(tmp_path):
    with pytest.raises(ValueError, match="every=0 must be a whole number"):
        GradientMonitor(every=0)
    with pytest.raises(ValueError, match=r"ends in .html \(a page\) or .png"):
        GradientMonitor().write_report(tmp_path / "report.pdf")
    model = toy.compiled("gradcraft", **EAGER)
    with pytest.raises(ValueError, match="give fit\\(\\) one GradientMonitor"):
        toy.train(model, callbacks=[GradientMonitor(), GradientMonitor()])
    inputs, outputs = toy.tensors()
    plain = keras.Model(inputs, outputs)
    plain.compile("sgd", loss=toy.crossentropy(), **EAGER)
    with pytest.raises(TypeError, match=r"records a .*MultiTaskModel"):
        toy.train(plain, callbacks=[GradientMonitor()])
