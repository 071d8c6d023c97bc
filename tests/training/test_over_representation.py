"""`balance_over="representation"` through `compile`: the update, the marks of the models, what is refused and saved."""

import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
import toy
from weighing import CountingLosses, Fixed, after_step, plain_gradients, state_of

import tf_gradcraft as gc
from tf_gradcraft.balancing import GradCraft, MetaBalance
from tf_gradcraft.training.shared_representation import recording_representation

sys.path.append(str(Path(__file__).parents[1] / "models"))
import schemas

from tf_gradcraft.models import AITM, CGC, ESCM2, ESMM, PLE, STEM, DSelectK, HoME, MMoE, OMoE, SharedBottom

pytestmark = pytest.mark.eager

RATE = 0.5
SMALL = {"tower_units": [3], "embedding_dim": 2, "dropout": 0.0}
CHAIN = ("task1", "task0", "task2")
MODELS = {
    "shared bottom": lambda s: SharedBottom(s, bottom_units=[4], **SMALL),
    "mmoe": lambda s: MMoE(s, num_experts=2, expert_units=[4], **SMALL),
    "ple of one level": lambda s: PLE(s, expert_units=[4], specific_experts=2, **SMALL),
    "ple of two levels": lambda s: PLE(s, expert_units=[4], num_levels=2, **SMALL),
    "ple of three levels": lambda s: PLE(s, expert_units=[4], num_levels=3, **SMALL),
    "stem": lambda s: STEM(s, expert_units=[4], **SMALL),
    "home": lambda s: HoME(
        s, groups=[["task0"], ["task1", "task2"]], meta_units=[5], expert_units=[4], rank=2, **SMALL
    ),
    "aitm": lambda s: AITM(s, chain=CHAIN, expert_units=[4], order_penalty=0.0, **SMALL),
    "esmm": lambda s: ESMM(s, chain=CHAIN, **SMALL),
}
# Of these only the marks are looked at: they part as models above do, or have losses of their own.
FURTHER = {
    "omoe": lambda s: OMoE(s, num_experts=2, expert_units=[4], **SMALL),
    "dselect-k": lambda s: DSelectK(s, num_experts=2, num_selected=1, expert_units=[4], **SMALL),
    "cgc": lambda s: CGC(s, expert_units=[4], **SMALL),
    "escm2": lambda s: ESCM2(s, chain=CHAIN, estimator="dr", **SMALL),
}
ROWS = 8
# Encoded features are 9 wide: three embeddings of length 2 and three numbers; there are three tasks.
MARKS = {
    "shared bottom": [(ROWS, 4)],
    "mmoe": [(2, ROWS, 4), (ROWS, 9)],
    # What the tasks' own experts and gates see; the shared expert.
    "ple of one level": [(ROWS, 9), (ROWS, 4)],
    # On the first level what gates see: the features, an expert of each task, the shared one. On the last the shared.
    "ple of two levels": [(ROWS, 9), *[(ROWS, 4)] * 4, (ROWS, 4)],
    # The same on the middle level, where the tasks' inputs differ; nothing on the first.
    "ple of three levels": [*[(ROWS, 4)] * 3, *[(ROWS, 4)] * 4, (ROWS, 4)],
    # The shared expert, and the shared features as gates see them.
    "stem": [(ROWS, 4), (ROWS, 9)],
    # The common representation and that of two groups, and an expert on each.
    "home": [(ROWS, 5), (ROWS, 4)] * 3,
    # What the last task's network sees, and what the towers of the other two.
    "aitm": [(ROWS, 9), (ROWS, 4), (ROWS, 4)],
    # What the last task's tower sees, and the logits of the other two.
    "esmm": [(ROWS, 9), (ROWS, 1), (ROWS, 1)],
    "escm2": [(ROWS, 9), (ROWS, 1), (ROWS, 1)],
    "omoe": [(ROWS, 4)],
    "dselect-k": [(2, ROWS, 4), (ROWS, 9)],
    "cgc": [(ROWS, 9), (ROWS, 4)],
}


def schema_model(name):
    """A model, and a batch in which every embedding is looked up by several rows."""
    schema = schemas.schema(num_tasks=3)
    features, labels, _ = schemas.batch(schema, rows=ROWS)
    keras.utils.set_random_seed(4)
    model = (MODELS | FURTHER)[name](schema)
    return model, tf.nest.map_structure(tf.constant, features), model.prepare_labels(labels, None)[0]


def gram_at_the_marks(model, features, labels, monkeypatch):
    """The Gram matrix by variables that stand in for the marked tensors and hold their values."""
    held = []

    def replaced(make):
        def call(self, inputs):
            made = {}
            for tensor in tf.nest.flatten(inputs):
                if id(tensor) not in made:
                    made[id(tensor)] = make(tensor)
            return tf.nest.map_structure(lambda tensor: made[id(tensor)], inputs)

        monkeypatch.setattr(gc.SharedRepresentation, "call", call)

    replaced(lambda tensor: held.append(tf.Variable(tensor)) or tensor)
    model(features, training=True)
    rows = []
    for task in labels:
        left = iter(held)
        replaced(lambda tensor, left=left: tf.identity(next(left)))
        with tf.GradientTape() as tape:
            loss = keras.losses.BinaryCrossentropy()(labels[task], model(features, training=True)[task])
        gradients = tape.gradient(loss, held, unconnected_gradients="zero")
        rows.append(np.concatenate([np.ravel(gradient).astype(float) for gradient in gradients]))
    monkeypatch.undo()
    return np.array(rows) @ np.array(rows).T


# Tracing takes seconds a model; all of them are traced where it is tested that they learn.
TRACED = ("mmoe", "ple of two levels", "aitm")


@pytest.mark.in_turns
@pytest.mark.parametrize("name", MODELS)
def test_a_step_of_the_models_is_the_weighted_losss_gradient_and_the_gram_that_of_the_marks(name, monkeypatch):
    model, features, labels = schema_model(name)
    expected_gram = gram_at_the_marks(model, features, labels, monkeypatch)
    balancer = Fixed()
    expected = after_step(model, plain_gradients(model, features, labels), balancer.given, RATE)
    model.compile(
        keras.optimizers.SGD(RATE),
        metrics={},
        balancing=balancer,
        balance_over="representation",
        run_eagerly=name not in TRACED,
    )
    model.train_on_batch(features, labels)
    for variable, value in zip(model.trainable_variables, expected, strict=True):
        np.testing.assert_allclose(variable, value, rtol=0, atol=1e-6, err_msg=variable.path)
    gram = state_of(model, "gram")[0]
    np.testing.assert_allclose(gram, expected_gram, rtol=1e-4, atol=1e-6 * expected_gram.max())


@pytest.mark.in_turns
@pytest.mark.parametrize("name", MARKS)
@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_the_marks_of_the_models(name, policy):
    keras.mixed_precision.set_dtype_policy(policy)
    model, features, _ = schema_model(name)
    with recording_representation() as representation:
        model(features)
    assert sorted(tuple(tensor.shape) for tensor in representation.tensors) == sorted(MARKS[name])
    half = tf.float16 if policy == "mixed_float16" else tf.float32
    # Logits are in float32 whatever the policy.
    assert {tensor.dtype for tensor in representation.tensors if tensor.shape[-1] > 1} == {half}
    assert len(representation.mixtures) == (name in ("mmoe", "dselect-k"))


def only_shared(kind):
    """A model whose only shared variable is a table, or a bias."""
    keras.utils.set_random_seed(1)
    inputs = keras.Input((), dtype="int32") if "table" in kind else keras.Input((4,))
    shared = keras.layers.Embedding(20, 4, "normal") if "table" in kind else Bias()
    hidden = gc.SharedRepresentation()(shared(inputs))
    outputs = {
        task: keras.layers.Dense(1, "sigmoid")(keras.layers.Dense(3, "tanh")(hidden)) for task in ("a", "b", "c")
    }
    return gc.MultiTaskModel(inputs=inputs, outputs=outputs)


class Bias(keras.layers.Layer):
    def build(self, shape):
        self.bias = self.add_weight(shape=shape[-1:], initializer="normal")

    def call(self, inputs):
        return inputs + self.bias


@pytest.mark.thorough
@pytest.mark.traced
@pytest.mark.parametrize("method", [GradCraft(tau=1), MetaBalance(parts="all"), "pcgrad"], ids=str)
@pytest.mark.parametrize("kind", ["distinct rows of a table", "a bias and a batch of one"])
def test_both_ways_agree_where_the_representation_is_all_that_is_shared(kind, method):
    random = np.random.default_rng(0)
    rows = 1 if "one" in kind else 9
    features = random.permutation(20)[:rows] if "table" in kind else random.normal(size=(rows, 4)).astype("float32")
    labels = {task: random.integers(0, 2, (rows, 1)).astype("float32") for task in ("a", "b", "c")}
    trained = []
    for over in ("parameters", "representation"):
        model = only_shared(kind)
        start = model.get_weights()
        model.compile(keras.optimizers.SGD(3.0), toy.crossentropy("abc"), balancing=method, balance_over=over)
        for _ in range(3):
            model.train_on_batch(features, labels)
        trained.append(model)
    assert toy.difference(*trained) < 1e-5
    assert np.abs(start[0] - trained[0].get_weights()[0]).max() > 0.01


def test_penalties_and_loss_weights_act_as_over_parameters():
    weights = {"click": 0.5, "like": 3.0, "follow": 1.0}
    model = toy.compiled(
        Fixed(), keras.optimizers.SGD(RATE), l2=0.05, loss_weights=weights, balance_over="representation"
    )
    features, labels = toy.log(16)
    by_task = [
        [None if gradient is None else factor * gradient for gradient in of_task]
        for factor, of_task in zip(weights.values(), plain_gradients(model, features, labels), strict=True)
    ]
    with tf.GradientTape() as tape:
        model(features)
        penalty = tf.add_n(model.losses)
    penalties = [0 if gradient is None else gradient for gradient in tape.gradient(penalty, model.trainable_variables)]
    expected = after_step(model, by_task, Fixed().given, RATE)
    model.train_on_batch(features, labels)
    for variable, value, of_penalty in zip(model.trainable_variables, expected, penalties, strict=True):
        np.testing.assert_allclose(variable, value - RATE * of_penalty, rtol=0, atol=2e-6, err_msg=variable.path)


class WithCall(gc.MultiTaskModel):
    """A subclass that marks in its `call`, and has a layer that two tasks share beside the mark."""

    def __init__(self):
        super().__init__()
        self.shared = keras.layers.Dense(5, activation="tanh")
        self.mark = gc.SharedRepresentation()
        self.beside = keras.layers.Dense(5)
        self.towers = {task: keras.layers.Dense(1, activation="sigmoid", name=task) for task in toy.TASKS}

    def call(self, inputs):
        hidden = self.mark(self.shared(inputs["numbers"]))
        seen = {"click": hidden, "like": self.beside(inputs["numbers"]) + hidden}
        seen["follow"] = self.beside(inputs["numbers"]) * hidden
        return {task: tower(seen[task]) for task, tower in self.towers.items()}


@pytest.mark.traced
@pytest.mark.parametrize("run_eagerly", [False, True])
def test_a_subclass_that_marks_in_its_call(run_eagerly):
    model = WithCall()
    features, labels = toy.log(16)
    model(features)
    expected = after_step(model, plain_gradients(model, features, labels), Fixed().given, RATE)
    model.compile(
        keras.optimizers.SGD(RATE),
        toy.crossentropy(),
        balancing=Fixed(),
        balance_over="representation",
        run_eagerly=run_eagerly,
    )
    model.train_on_batch(features, labels)
    for variable, value in zip(model.trainable_variables, expected, strict=True):
        np.testing.assert_allclose(variable, value, rtol=0, atol=1e-6, err_msg=variable.path)


def test_a_part_a_variable_is_one_part_and_parts_by_regex_are_refused():
    model = toy.compiled(MetaBalance(), balance_over="representation")
    toy.train(model, epochs=1)
    assert state_of(model, "norms").shape == (1, 3)
    with pytest.raises(ValueError, match=r"one part, the representation; got parts={'tables': 'embeddings'}"):
        toy.compiled(GradCraft(parts={"tables": "embeddings"}), balance_over="representation")


@pytest.mark.traced
@pytest.mark.parametrize("run_eagerly", [False, True])
def test_a_model_that_marks_nothing_is_refused_in_the_first_step(run_eagerly):
    model = toy.model()
    model.compile(
        loss=toy.crossentropy(), balancing="gradcraft", balance_over="representation", run_eagerly=run_eagerly
    )
    with pytest.raises(ValueError, match=r"marks no shared representation: place a tf_gradcraft\.SharedRepresentation"):
        toy.train(model)


def test_methods_that_look_at_losses_need_no_mark():
    trained = []
    for over in ("parameters", "representation"):
        model = toy.model()
        model.compile(keras.optimizers.SGD(RATE), toy.crossentropy(), balancing=CountingLosses(), balance_over=over)
        toy.train(model, epochs=1)
        trained.append(model)
    assert toy.difference(*trained) == 0


@pytest.mark.traced
def test_nothing_is_traced_again():
    traces = []

    class Counted(gc.MultiTaskModel):
        def __init__(self):
            inputs, outputs = toy.tensors(marked=True)
            super().__init__(inputs=inputs, outputs=outputs)

        def compute_task_losses(self, *arguments, **settings):
            traces.append(len(traces))
            return super().compute_task_losses(*arguments, **settings)

    model = Counted()
    model.compile("sgd", loss=toy.crossentropy(), balancing="gradcraft", balance_over="representation", balance_every=2)
    counts = []
    after = keras.callbacks.LambdaCallback(on_batch_end=lambda batch, logs: counts.append(len(traces)))
    toy.train(model, toy.log(40), epochs=2, callbacks=[after])
    assert len(counts) == 6
    assert counts[-1] == counts[0]


def test_marks_change_nothing_else():
    features, _ = toy.log(8)
    marked, plain = toy.model(marked=True), toy.model()
    for task, predicted in plain.predict(features, verbose=0).items():
        np.testing.assert_array_equal(marked.predict(features, verbose=0)[task], predicted)


@pytest.mark.parametrize("policy", ["float32", "mixed_float16", "mixed_bfloat16"])
def test_a_tensor_is_handed_on_as_it_is_whatever_the_policy(policy):
    keras.mixed_precision.set_dtype_policy(policy)
    layer, wide = gc.SharedRepresentation(), tf.constant([[1.0, 1 / 3]])
    with recording_representation() as representation:
        marked = layer([wide, wide])
    for tensor in (*marked, layer(wide)):
        assert tensor.dtype == tf.float32
        np.testing.assert_array_equal(tensor, wide)
    assert len(representation.tensors) == 1
