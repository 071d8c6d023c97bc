"""Per-task gradients of dense variables: who shares what, Gram matrices, combination."""

import numpy as np
import pytest
import tensorflow as tf

from tf_gradcraft.gradients import add_gradients, task_gradients, weighted_gradients

WEIGHTS = tf.constant([[0.5, -2.0, 3.0]], tf.float64)


class Network:
    """Three tasks over two shared kernels, one of which task "c" does not touch, and a private vector each for a, b."""

    def __init__(self):
        random = np.random.default_rng(0)
        self.kernel = tf.Variable(random.normal(size=(4, 5)), dtype=tf.float32, name="kernel")
        self.deep = tf.Variable(random.normal(size=(5, 5)), dtype=tf.float32, name="deep")
        self.of_a = tf.Variable(random.normal(size=(5, 1)), dtype=tf.float32, name="of_a")
        self.of_b = tf.Variable(random.normal(size=(5, 1)), dtype=tf.float32, name="of_b")
        self.unused = tf.Variable([1.0], name="unused")
        self.variables = [self.of_a, self.kernel, self.unused, self.deep, self.of_b]
        self.x = tf.constant(random.normal(size=(7, 4)), tf.float32)

    def losses(self):
        hidden = tf.tanh(self.x @ self.kernel)
        deep = tf.tanh(hidden @ self.deep)
        return {
            "a": tf.reduce_mean(tf.square(deep @ self.of_a - 1)),
            "b": tf.reduce_mean(tf.square(deep @ self.of_b + 1)),
            "c": tf.reduce_mean(hidden),
        }

    def separate(self):
        """Each task's gradients by a tape of its own, zeros where a task does not touch a variable."""
        result = {}
        for task in ("a", "b", "c"):
            with tf.GradientTape() as tape:
                loss = self.losses()[task]
            gradients = tape.gradient(loss, self.variables, unconnected_gradients="zero")
            result[task] = [gradient.numpy().astype(float) for gradient in gradients]
        return result

    def balanced(self, parts="all", weights=WEIGHTS):
        with tf.GradientTape(persistent=True) as tape:
            losses = self.losses()
        gradients = task_gradients(tape, losses, self.variables)
        return gradients, gradients.gram(parts), gradients.combine(weights)


def test_variables_of_one_task_are_private_and_those_of_several_are_shared():
    gradients, *_ = Network().balanced()
    assert gradients.tasks == ("a", "b", "c")
    assert gradients.shared == (1, 3)
    assert gradients.private == {0: 0, 4: 1}


def test_the_gram_matrix_equals_products_of_flattened_gradients():
    network = Network()
    _, gram, _ = network.balanced()
    flat = np.array(
        [np.concatenate([of_task[1].ravel(), of_task[3].ravel()]) for of_task in network.separate().values()]
    )
    assert gram.dtype == tf.float64
    assert gram.shape == [1, 3, 3]
    np.testing.assert_allclose(gram[0], flat @ flat.T, rtol=1e-5, atol=1e-9)
    np.testing.assert_array_equal(gram[0], tf.transpose(gram[0]))


def test_parts_have_a_gram_matrix_each_and_they_add_up():
    network = Network()
    separate = network.separate()
    gradients, by_variable, _ = network.balanced("variable", tf.ones([2, 3]))
    assert gradients.parts("variable").names == ("kernel:0", "deep:0")
    for part, position in enumerate(gradients.shared):
        flat = np.array([of_task[position].ravel() for of_task in separate.values()])
        np.testing.assert_allclose(by_variable[part], flat @ flat.T, rtol=1e-5, atol=1e-9)
    _, by_regex, _ = network.balanced({"lower": "kernel", "upper": "de+p"}, tf.ones([2, 3]))
    np.testing.assert_array_equal(by_regex, by_variable)
    _, with_other, _ = network.balanced({"upper": "deep"}, tf.ones([2, 3]))
    np.testing.assert_array_equal(with_other, by_variable[::-1])
    np.testing.assert_allclose(network.balanced()[1][0], tf.reduce_sum(by_variable, axis=0), rtol=1e-12)


def test_shared_variables_get_the_weighted_sum_and_private_ones_their_tasks_plain_gradient():
    network = Network()
    _, _, combined = network.balanced()
    a, b, c = network.separate().values()
    for position in (1, 3):
        expected = 0.5 * a[position] - 2 * b[position] + 3 * c[position]
        np.testing.assert_allclose(combined[position], expected, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(combined[0], a[0], rtol=1e-6)
    np.testing.assert_allclose(combined[4], b[4], rtol=1e-6)
    assert combined[2] is None


def test_each_part_is_combined_by_its_own_weights():
    network = Network()
    _, _, combined = network.balanced("variable", tf.constant([[1.0, 0.0, 0.0], [0.0, 2.0, 0.0]], tf.float64))
    a, b, _ = network.separate().values()
    np.testing.assert_allclose(combined[1], a[1], rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(combined[3], 2 * b[3], rtol=1e-6, atol=1e-8)


def test_the_graph_gives_what_eager_execution_gives():
    network = Network()
    _, gram, combined = network.balanced()
    in_graph = tf.function(lambda: network.balanced()[1:])
    graph_gram, graph_combined = in_graph()
    np.testing.assert_allclose(graph_gram, gram, rtol=1e-6)
    for one, other in zip(combined, graph_combined, strict=True):
        if one is not None:
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("weights", [[0.5, -2.0, 3.0], [0.0, 1.0, 0.0]])
def test_one_weighted_backward_pass_gives_what_separate_gradients_give(weights):
    network = Network()
    gradients, _, combined = network.balanced(weights=tf.constant([weights], tf.float64))
    with tf.GradientTape(persistent=True) as tape:
        losses = network.losses()
    in_one_pass = weighted_gradients(
        tape, list(losses.values()), tf.constant(weights, tf.float64), network.variables, gradients.private
    )
    assert in_one_pass[2] is None
    for position in (0, 1, 3, 4):
        np.testing.assert_allclose(in_one_pass[position], combined[position], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("weights", [[0.0, 1.0, 1.0], [1e-7, -2.0, 0.0]])
def test_private_gradients_of_half_precision_survive_weights_near_zero(weights):
    network = Network()

    def losses():
        hidden = tf.cast(tf.tanh(network.x @ network.kernel), tf.float16)
        towers = [tf.cast(tower, tf.float16) for tower in (network.of_a, network.of_b)]
        sums = [tf.cast(tf.tanh(hidden @ tower), tf.float32) for tower in towers]
        return [tf.reduce_mean(tf.square(s - 1)) for s in sums] + [tf.reduce_mean(tf.cast(hidden, tf.float32))]

    variables = [network.of_a, network.kernel, network.unused, network.of_b]
    with tf.GradientTape(persistent=True) as tape:
        values = losses()
    updates = weighted_gradients(tape, values, tf.constant(weights), variables, {0: 0, 3: 1}, private_apart=True)
    np.testing.assert_array_equal(updates[0], tape.gradient(values[0], network.of_a))
    np.testing.assert_array_equal(updates[3], tape.gradient(values[1], network.of_b))
    assert updates[2] is None
    expected = sum(w * tape.gradient(value, network.kernel) for w, value in zip(weights, values, strict=True))
    assert np.linalg.norm(updates[1] - expected) < 5e-3 * np.linalg.norm(expected)


def test_losses_may_be_a_sequence():
    variable = tf.Variable([1.0, 2.0])
    with tf.GradientTape(persistent=True) as tape:
        losses = [tf.reduce_sum(variable), tf.reduce_sum(variable**2)]
    gradients = task_gradients(tape, losses, [variable])
    assert gradients.tasks == ("0", "1")
    np.testing.assert_allclose(gradients.gram()[0], [[2, 6], [6, 20]])


def test_only_private_variables_give_a_zero_gram_matrix():
    one, other = tf.Variable(1.0), tf.Variable(2.0)
    with tf.GradientTape(persistent=True) as tape:
        losses = {"a": one**2, "b": other**2}
    gradients = task_gradients(tape, losses, [one, other])
    np.testing.assert_array_equal(gradients.gram(), np.zeros((1, 2, 2)))
    assert [float(g) for g in gradients.combine(tf.ones([1, 2]))] == [2.0, 4.0]


def test_a_loss_that_touches_no_variable_has_a_row_of_zeros():
    variable = tf.Variable(3.0)
    with tf.GradientTape(persistent=True) as tape:
        losses = {"a": variable**2, "b": tf.constant(1.0), "c": 2 * variable}
    gram = task_gradients(tape, losses, [variable]).gram()[0].numpy()
    np.testing.assert_array_equal(gram, [[36, 0, 12], [0, 0, 0], [12, 0, 4]])


def test_no_loss_and_no_dependence_are_errors():
    variable = tf.Variable(3.0)
    with tf.GradientTape(persistent=True) as tape:
        loss = tf.constant(1.0)
    with pytest.raises(ValueError, match="at least one loss"):
        task_gradients(tape, {}, [variable])
    with pytest.raises(ValueError, match="no loss depends on any of the variables"):
        task_gradients(tape, {"a": loss}, [variable])


def test_dense_gradients_are_added_and_none_is_nothing():
    one, other = tf.constant([1.0, 2.0]), tf.constant([10.0, 20.0])
    np.testing.assert_array_equal(add_gradients(one, other), [11, 22])
    assert add_gradients(None, one) is one
    assert add_gradients(one, None) is one
    assert add_gradients(None, None) is None
