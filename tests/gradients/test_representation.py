"""Gram matrices and updates measured on marked tensors, against networks in which each mark is a variable."""

import numpy as np
import pytest
import tensorflow as tf
from marked_network import CASES, ROWS, TASKS, WIDTH, Network, complete_cut

from tf_gradcraft.gradients import Representation

pytestmark = pytest.mark.in_turns

# Half precision keeps 3 digits.
TOLERANCE = {"float64": 1e-11, "float32": 2e-6, "float16": 4e-3}
DTYPES = [
    *((case, "float32") for case in CASES),
    *((case, dtype) for dtype in ("float64", "float16") for case in ("nested_marks", "mark_of_one_task")),
    ("table_of_one_task_below_its_mark", "float16"),
]


@pytest.mark.parametrize(("case", "dtype"), DTYPES)
def test_the_gram_matrix_is_that_of_marks_that_are_variables(case, dtype):
    network = Network(CASES[case], dtype)
    expected = network.gram_by_hand()
    gram, _, _ = network.measured()
    assert gram.dtype == tf.float64
    assert gram.shape == [1, 3, 3]
    norms = np.sqrt(np.diag(expected))
    np.testing.assert_allclose(
        gram[0] / np.outer(norms, norms), expected / np.outer(norms, norms), atol=TOLERANCE[dtype]
    )


@pytest.mark.parametrize(("case", "dtype"), DTYPES)
@pytest.mark.parametrize("weights", [(0.5, -2.0, 3.0), (1.0, 0.0, -1.0), (0.0, 0.0, 0.0)], ids=str)
def test_shared_variables_get_the_weighted_losss_gradient_and_private_ones_their_own(case, dtype, weights):
    network = Network(CASES[case], dtype)
    separate = network.separate()
    _, combined, private = network.measured(weights)
    for position, (variable, update) in enumerate(zip(network.variables, combined, strict=True)):
        of_task = {task: of[position] for task, of in enumerate(separate) if of[position] is not None}
        assert (position in private) == (len(of_task) == 1), variable.name
        if not of_task:
            assert update is None
            continue
        factors = {private[position]: 1.0} if position in private else dict(enumerate(weights))
        expected = sum(factors[task] * gradient for task, gradient in of_task.items())
        scale = max(np.linalg.norm(gradient) for gradient in of_task.values())
        error = np.linalg.norm(tf.convert_to_tensor(update).numpy() - expected)
        assert error < TOLERANCE[dtype] * 3 * scale, variable.name


@pytest.mark.parametrize("case", [case for case in CASES if case.startswith("table")])
@pytest.mark.parametrize("mode", ["eager", "graph"])
def test_tables_get_sparse_rows_each_id_once(case, mode):
    network = Network(CASES[case])
    position = list(network.of_name).index("table")

    def rows():
        update = network.measured()[1][position]
        assert isinstance(update, tf.IndexedSlices)
        return update.indices, update.values

    indices, values = rows() if mode == "eager" else tf.function(rows)()
    looked_up = network.ids.numpy() if "two_columns" in case else network.ids.numpy()[0]
    assert sorted(indices.numpy()) == sorted(set(looked_up.ravel()))
    assert values.shape == (len(indices), WIDTH)


@pytest.mark.parametrize("case", ["nested_marks", "table_with_two_columns_and_beside_the_mark", "mark_of_one_task"])
@pytest.mark.parametrize("jit_compile", [False, True])
def test_the_graph_gives_what_eager_execution_gives(case, jit_compile):
    network = Network(CASES[case])

    def measured():
        gram, combined, _ = network.measured((0.5, -2.0, 3.0))
        return gram, [tf.convert_to_tensor(update) for update in combined if update is not None]

    for one, other in zip(
        tf.nest.flatten(tf.function(measured, jit_compile=jit_compile)()), tf.nest.flatten(measured()), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_the_gram_matrix_of_a_small_network_in_numpy():
    network = Network(complete_cut)
    x, kernel = network.x.numpy().astype(float), network.of_name["kernel"].numpy().astype(float)
    hidden = np.tanh(x @ kernel)
    gradients = []
    for task, target in zip(TASKS, network.targets.numpy(), strict=True):
        tower = network.of_name[f"tower_{task}"].numpy().astype(float)
        taken, slope = (np.sin(hidden), np.cos(hidden)) if task == "c" else (hidden, np.ones_like(hidden))
        gradients.append((2 / ROWS * (taken @ tower - target) @ tower.T * slope).ravel())
    np.testing.assert_allclose(network.measured()[0][0], np.array(gradients) @ np.array(gradients).T, rtol=1e-5)


def test_marked_tensors_keep_their_values_and_gradients():
    x = tf.Variable([1.0, -2.0])
    with tf.GradientTape() as tape, Representation.recording() as representation:
        marked = representation.mark(x * x)
        loss = tf.reduce_sum(marked**2)
    np.testing.assert_array_equal(marked, [1, 4])
    np.testing.assert_array_equal(tape.gradient(loss, x), [4, -32])


def test_a_model_that_marks_nothing_is_told_where_to_mark():
    with pytest.raises(ValueError, match=r"marks no shared representation: place a tf_gradcraft\.SharedRep"):
        Network(lambda net: [net.layer(net.x, "kernel")] * 3).measured()


@pytest.mark.parametrize(
    "case",
    [
        lambda net: (net.mark(net.x), net.layer(net.x, "kernel"), net.x),
        lambda net: (net.mark(net.x), net.mark(net.x), net.x),
        lambda net: [net.mark(net.x) is None or net.layer(net.x, "kernel")] * 3,
    ],
    ids=["one task takes it", "a mark for each task", "what it returns is taken by none"],
)
def test_marks_that_no_two_tasks_take_are_refused(case):
    with pytest.raises(ValueError, match="no two tasks depend on what the model's SharedRepresentation layers mark"):
        Network(case).measured()


def test_a_task_that_shares_variables_beside_the_marks_only_is_named():
    def case(net):
        hidden = net.mark(net.layer(net.x, "kernel"))
        return hidden, tf.sin(hidden), net.layer(net.x, "kernel")

    with pytest.raises(ValueError, match="task c shares variables with other tasks, but takes nothing that the model"):
        Network(case).measured()


def test_a_task_that_shares_nothing_needs_no_mark():
    def case(net):
        hidden = net.mark(net.layer(net.x, "kernel"))
        return hidden, tf.sin(hidden), net.layer(net.x, "own")

    network = Network(case)
    gram, combined, private = network.measured((0.5, -2.0, 0.0))
    assert not gram[0, 2].numpy().any()
    position = list(network.of_name).index("own")
    assert private[position] == 2
    np.testing.assert_allclose(combined[position], network.separate()[2][position], rtol=1e-6)


@pytest.mark.parametrize("outer", ["eager", "graph"])
def test_a_mark_inside_a_function_of_its_own_is_refused(outer):
    network = Network(lambda net: [tf.function(lambda: net.mark(net.layer(net.x, "kernel")))()] * 3)
    run = {"eager": network.measured, "graph": tf.function(lambda: network.measured()[0])}[outer]
    with pytest.raises(ValueError, match=r"called inside a tf\.function, loop or condition of its own"):
        run()
