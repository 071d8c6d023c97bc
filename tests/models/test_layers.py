"""The layers by themselves: values against NumPy, configs, training, bad arguments."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from tf_gradcraft.models import (
    MLP,
    FeatureEmbeddings,
    Gate,
    GateControl,
    GatedExpert,
    InformationTransfer,
    MultiGateMixture,
    NumericFeatures,
    OrderPenalty,
    SelectingGate,
    SelfGate,
    TaskEmbeddings,
)

X = np.random.default_rng(0).normal(size=(5, 4)).astype("float32")
NUMBERS = [
    {"name": "age", "mean": 30.0, "std": 10.0, "transform": None},
    {"name": "duration", "mean": 2.0, "std": 0.5, "transform": "log1p"},
]
IDS = {"user": np.array([1, 0, 8]), "friend": np.array([2, 2, 1]), "item": np.array([4, 0, 1])}
NUMERIC = {"age": np.array([20.0, 45.0, 30.0]), "duration": np.array([0.0, -12.5, 1e6])}


def softmax(scores):
    shares = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return shares / shares.sum(axis=-1, keepdims=True)


def feature_embeddings(**settings):
    return FeatureEmbeddings({"user": "user", "friend": "user", "item": "item"}, {"user": 9, "item": 5}, 4, **settings)


LAYERS = {
    "MLP": (lambda: MLP([6, 3], activation="tanh", dropout=0.1, l2=0.01), X),
    "Gate": (lambda: Gate(3), (X, [X, 2 * X, 3 * X])),
    "SelectingGate": (lambda: SelectingGate(4, 2, gamma=0.5, entropy=0.1), (X, [X, 2 * X, 3 * X, X + 1])),
    "SelfGate": (lambda: SelfGate(2, 1), (X, [X, 2 * X], [3 * X])),
    "GatedExpert": (lambda: GatedExpert([6, 3], rank=2, dropout=0.1, l2=0.01), X),
    "InformationTransfer": (lambda: InformationTransfer(4), [X[:, :3], X]),
    "OrderPenalty": (lambda: OrderPenalty(0.5), [X[:, :1], X[:, 1:2]]),
    "MultiGateMixture": (lambda: MultiGateMixture(2, 3, [6, 3], dropout=0.1, l2=0.01), X),
    "GateControl": (
        lambda: GateControl(2, [6, 3], specific_experts=2, shared_experts=3, last=False, dropout=0.1, l2=0.01),
        [X, X + 1, X - 1],
    ),
    "GateControl, last": (lambda: GateControl(2, [6]), [X, X + 1, X - 1]),
    "FeatureEmbeddings": (lambda: feature_embeddings(l2=0.01), IDS),
    "MultiGateMixture, selecting": (lambda: MultiGateMixture(2, 4, [3], num_selected=2, entropy=0.1), X),
    "TaskEmbeddings": (
        lambda: TaskEmbeddings(2, {"user": "user", "friend": "user", "item": "item"}, {"user": 9, "item": 5}, 4),
        IDS,
    ),
    "NumericFeatures": (lambda: NumericFeatures(NUMBERS), NUMERIC),
}
every_layer = pytest.mark.parametrize(("make", "inputs"), LAYERS.values(), ids=LAYERS)


def tensors(inputs):
    return tf.nest.map_structure(tf.convert_to_tensor, inputs)


@every_layer
def test_a_config_makes_a_layer_that_computes_the_same(make, inputs):
    layer = make()
    expected = layer(tensors(inputs))
    clone = keras.layers.deserialize(keras.layers.serialize(layer))
    assert clone.get_config() == layer.get_config()
    clone(tensors(inputs))
    clone.set_weights(layer.get_weights())
    tf.nest.map_structure(np.testing.assert_array_equal, clone(tensors(inputs)), expected)


@every_layer
def test_the_output_shape_is_known_without_a_call(make, inputs):
    layer = make()
    outputs = layer(tensors(inputs))
    computed = layer.compute_output_shape(tf.nest.map_structure(np.shape, inputs))
    shapes = [tuple(output.shape) for output in outputs] if isinstance(outputs, list) else tuple(outputs.shape)
    assert computed == shapes


@every_layer
def test_every_variable_has_a_gradient(make, inputs):
    layer = make()
    with tf.GradientTape() as tape:
        outputs = layer(tensors(inputs))
        loss = tf.add_n([tf.reduce_sum(tf.sin(output)) for output in tf.nest.flatten(outputs)])
    assert all(gradient is not None for gradient in tape.gradient(loss, layer.trainable_variables))


@pytest.mark.in_turns
@pytest.mark.parametrize("name", ["MLP", "MultiGateMixture", "GateControl, last"])
def test_a_layer_alone_in_a_plain_keras_model_fits(name):
    make, _ = LAYERS[name]
    inputs = keras.Input((4,))
    outputs = make()([inputs] * 3 if "Control" in name else inputs)
    first = outputs[0] if isinstance(outputs, list) else outputs
    model = keras.Model(inputs, keras.layers.Dense(1)(first))
    model.compile(keras.optimizers.Adam(0.05), "mse")
    losses = model.fit(X, X[:, :1], epochs=20, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


def test_an_mlp_is_dense_layers_one_after_the_other():
    layer = MLP([6, 3], activation="tanh")
    output = layer(tf.constant(X)).numpy()
    first, first_bias, second, second_bias = layer.get_weights()
    expected = np.tanh(np.tanh(X @ first + first_bias) @ second + second_bias)
    np.testing.assert_allclose(output, expected, rtol=1e-5, atol=1e-6)


def test_an_mlp_without_layers_passes_its_input_on():
    np.testing.assert_array_equal(MLP([])(tf.constant(X)), X)


def test_a_gate_mixes_by_softmax():
    gate = Gate(3)
    experts = [X, 2 * X, np.cos(X)]
    output = gate((tf.constant(X), [tf.constant(e) for e in experts])).numpy()
    shares = softmax(X @ gate.get_weights()[0])
    np.testing.assert_allclose(output, np.einsum("be,ebh->bh", shares, np.stack(experts)), rtol=1e-5, atol=1e-6)


def test_a_mixture_gates_the_same_experts_for_every_task():
    layer = MultiGateMixture(2, 3, [4])
    outputs = layer(tf.constant(X))
    experts = np.stack([expert(tf.constant(X)) for expert in layer.experts])
    for output, gate in zip(outputs, layer.gates, strict=True):
        shares = softmax(X @ gate.scores.kernel.numpy())
        np.testing.assert_allclose(output, np.einsum("be,ebh->bh", shares, experts), rtol=1e-5, atol=1e-6)


def test_gate_control_mixes_own_and_shared_experts_and_passes_all_on():
    layer = GateControl(2, [4], specific_experts=2, shared_experts=1, last=False)
    inputs = [X, X + 1, X - 1]
    outputs = layer([tf.constant(i) for i in inputs])
    assert len(outputs) == 3
    own = [[expert(tf.constant(i)).numpy() for expert in e] for i, e in zip(inputs, layer.of_tasks, strict=False)]
    shared = [expert(tf.constant(inputs[-1])).numpy() for expert in layer.shared]
    mixed = [(inputs[0], layer.gates[0], own[0] + shared), (inputs[1], layer.gates[1], own[1] + shared)]
    mixed.append((inputs[2], layer.shared_gate, own[0] + own[1] + shared))
    for output, (looked_at, gate, experts) in zip(outputs, mixed, strict=True):
        shares = softmax(looked_at @ gate.scores.kernel.numpy())
        np.testing.assert_allclose(output, np.einsum("be,ebh->bh", shares, np.stack(experts)), rtol=1e-5, atol=1e-6)


def selected(x, gate, gamma):
    """Shares of the experts by the definition of the gate, expert by expert."""
    kernel, bias = gate.get_weights()
    scores = (x @ kernel + bias).reshape(len(x), gate.num_selected, 1 + gate.num_bits).astype(float)
    t = scores[..., 1:]
    on = np.where(t <= -gamma / 2, 0, np.where(t >= gamma / 2, 1, -2 * t**3 / gamma**3 + 1.5 * t / gamma + 0.5))
    chosen = np.ones((len(x), gate.num_selected, gate.num_experts))
    for expert in range(gate.num_experts):
        for bit in range(gate.num_bits):
            chosen[..., expert] *= on[..., bit] if expert & 2**bit else 1 - on[..., bit]
    return np.einsum("bk,bke->be", softmax(scores[..., 0]), chosen), chosen


@pytest.mark.parametrize("spread", [0.3, 20.0], ids=["in the cubic part", "mostly selected"])
def test_a_selecting_gate_mixes_what_its_selectors_choose(spread):
    gate = SelectingGate(8, 2, gamma=0.8, entropy=0.1)
    experts = [np.cos(e + X) for e in range(8)]
    gate.build((X.shape, [X.shape] * 8))
    random = np.random.default_rng(1)
    gate.set_weights([spread * random.normal(size=weights.shape) for weights in gate.get_weights()])
    output = gate((tf.constant(X), [tf.constant(e) for e in experts])).numpy()
    shares, chosen = selected(X, gate, 0.8)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    np.testing.assert_allclose(output, np.einsum("be,ebh->bh", shares, np.stack(experts)), rtol=1e-4, atol=1e-5)
    entropy = -np.sum(chosen * np.log(np.where(chosen > 0, chosen, 1)), axis=(1, 2)).mean()
    assert float(gate.losses[0]) == pytest.approx(0.1 * entropy, rel=1e-4)
    if spread > 1:
        assert ((shares > 1e-9).sum(axis=1) <= 2).mean() >= 0.5


def test_a_self_gate_adds_own_experts_once_more():
    experts = [X, 2 * X, np.cos(X)]
    for own in (1, 2):
        layer = SelfGate(own, 3 - own)
        output = layer((X, experts[:own], experts[own:])).numpy()
        shares = softmax(X @ layer.gate.scores.kernel.numpy())
        scores = X @ layer.own.kernel.numpy()
        of_own = softmax(scores) if own == 2 else 1 / (1 + np.exp(-scores))
        expected = np.einsum("be,ebh->bh", shares, np.stack(experts))
        expected += np.einsum("be,ebh->bh", of_own, np.stack(experts[:own]))
        np.testing.assert_allclose(output, expected, rtol=1e-5, atol=1e-6)


def test_a_gated_expert_weighs_features_and_normalises():
    layer = GatedExpert([3], rank=2)
    output = layer(tf.constant(X), training=True).numpy()
    narrow, wide = layer.narrow.kernel.numpy(), layer.wide.kernel.numpy()
    gated = 2 / (1 + np.exp(-(X @ narrow @ wide))) * X
    hidden = gated @ layer.last.dense[0].kernel.numpy() + layer.last.dense[0].bias.numpy()
    normal = (hidden - hidden.mean(axis=0)) / np.sqrt(hidden.var(axis=0) + 1e-3)
    np.testing.assert_allclose(output, normal / (1 + np.exp(-normal)), rtol=1e-4, atol=1e-5)


def test_information_is_transferred_by_attention_over_both():
    layer = InformationTransfer(4)
    earlier = X[:, :3]
    output = layer([tf.constant(earlier), tf.constant(X)]).numpy()
    information = np.maximum(earlier @ layer.information.kernel.numpy() + layer.information.bias.numpy(), 0)
    value, key, query = (part.kernel.numpy() for part in (layer.value, layer.key, layer.query))
    scores = np.stack([np.sum((u @ key) * (u @ query), axis=1) for u in (information, X)], axis=1) / 2
    weights = softmax(scores)
    expected = weights[:, :1] * (information @ value) + weights[:, 1:] * (X @ value)
    np.testing.assert_allclose(output, expected, rtol=1e-4, atol=1e-5)


def test_features_that_name_one_table_share_its_rows():
    layer = feature_embeddings()
    output = layer(tensors(IDS)).numpy()
    rows = layer.embeddings.numpy()
    assert rows.shape == (14, 4)
    np.testing.assert_array_equal(output[:, 0], rows[IDS["user"]])
    np.testing.assert_array_equal(output[:, 1], rows[IDS["friend"]])
    np.testing.assert_array_equal(output[:, 2], rows[9 + IDS["item"]])


def test_the_embedding_penalty_is_that_of_the_looked_up_rows_and_its_gradient_is_sparse():
    layer = feature_embeddings(l2=0.3)
    layer(tensors(IDS))
    with tf.GradientTape() as tape:
        output = layer(tensors(IDS))
        (penalty,) = layer.losses
    assert float(penalty) == pytest.approx(0.3 * np.mean(np.sum(output.numpy() ** 2, axis=(1, 2))), rel=1e-5)
    gradient = tape.gradient(penalty, layer.embeddings)
    assert isinstance(gradient, tf.IndexedSlices)
    assert gradient.values.shape[0] == 9


def test_numbers_are_transformed_and_normalised():
    output = NumericFeatures(NUMBERS)(tensors(NUMERIC)).numpy()
    np.testing.assert_allclose(output[:, 0], [-1.0, 1.5, 0.0], rtol=1e-6)
    expected = (np.sign(NUMERIC["duration"]) * np.log1p(np.abs(NUMERIC["duration"])) - 2.0) / 0.5
    np.testing.assert_allclose(output[:, 1], expected, rtol=1e-5)


def test_dropout_acts_in_training_only():
    layer = MLP([50], dropout=0.5)
    x = tf.ones([4, 4])
    np.testing.assert_array_equal(layer(x), layer(x, training=False))
    dropped = layer(x, training=True).numpy()
    kept = dropped != 0
    np.testing.assert_allclose(dropped[kept], 2 * layer(x).numpy()[kept], rtol=1e-5)
    assert 0 < np.mean(kept[layer(x).numpy() > 0]) < 1


def test_the_kernel_penalty_is_the_sum_of_squares():
    layer = MLP([6, 3], l2=0.1)
    layer(tf.constant(X))
    kernels = [weights for weights in layer.get_weights() if weights.ndim == 2]
    assert float(tf.add_n(layer.losses)) == pytest.approx(0.1 * sum((k**2).sum() for k in kernels), rel=1e-5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MLP([4, 0]), r"units must be positive, got \[4, 0\]"),
        (lambda: MLP([4], dropout=1.0), r"dropout=1.0 is out of range; it must be in \[0, 1\)"),
        (lambda: MLP([4], l2=-1e-3), "l2=-0.001 must not be negative"),
        (lambda: Gate(0), "num_experts=0 must be positive"),
        (lambda: Gate(3)((tf.ones([2, 4]), [tf.ones([2, 4])] * 2)), "made for 3 experts, got 2"),
        (lambda: GateControl(2, [4], shared_experts=0), "shared_experts >= 1"),
        (lambda: SelectingGate(6), "num_experts=6 must be a power of two"),
        (lambda: SelectingGate(4, 5), "num_selected=5 must be from 1 to num_experts=4"),
        (lambda: SelectingGate(4, gamma=0), "gamma > 0 and entropy >= 0"),
        (lambda: SelectingGate(4)((tf.ones([2, 4]), [tf.ones([2, 4])] * 2)), "made for 4 experts, got 2"),
        (lambda: SelfGate(0, 2), "num_own >= 1"),
        (lambda: GatedExpert([]), "at least one width"),
        (lambda: OrderPenalty(-0.1), "factor=-0.1 must not be negative"),
        (lambda: FeatureEmbeddings({"a": "a"}, {"a": 3}, 0), "dimension=0 must be positive"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
