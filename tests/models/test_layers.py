"""The layers by themselves: values against NumPy, configs, training, bad arguments."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_gradcraft.models import MLP, FeatureEmbeddings, Gate, GateControl, MultiGateMixture, NumericFeatures

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
    "MultiGateMixture": (lambda: MultiGateMixture(2, 3, [6, 3], dropout=0.1, l2=0.01), X),
    "GateControl": (
        lambda: GateControl(2, [6, 3], specific_experts=2, shared_experts=3, last=False, dropout=0.1, l2=0.01),
        [X, X + 1, X - 1],
    ),
    "GateControl, last": (lambda: GateControl(2, [6]), [X, X + 1, X - 1]),
    "FeatureEmbeddings": (lambda: feature_embeddings(l2=0.01), IDS),
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
        (lambda: FeatureEmbeddings({"a": "a"}, {"a": 3}, 0), "dimension=0 must be positive"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
