"""Gradients of embedding tables: the sparse path equals the dense one, ids are unique, nothing is of a table's size."""

import resource

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tf_gradcraft.gradients import add_gradients, sum_duplicate_rows, task_gradients, weighted_gradients
from tf_gradcraft.gradients.rows import same_tensor

WEIGHTS = tf.constant([[0.5, -2.0, 3.0]], tf.float64)
VOCABULARY, WIDTH, BATCH = 40, 3, 16


def dense(gradient):
    return None if gradient is None else tf.convert_to_tensor(gradient).numpy()


class Tables:
    """Three tasks over user and item tables; which look-ups a task sees is said by the case."""

    def __init__(self, case, vocabulary=VOCABULARY, batch=BATCH):
        random = np.random.default_rng(5)
        self.case = case
        self.user = tf.Variable(random.normal(size=(vocabulary, WIDTH)), dtype=tf.float32, name="user")
        self.item = tf.Variable(random.normal(size=(vocabulary + 1, WIDTH)), dtype=tf.float32, name="item")
        self.kernel = tf.Variable(random.normal(size=(WIDTH, WIDTH)), dtype=tf.float32, name="kernel")
        self.variables = [self.user, self.item, self.kernel]
        # Few different ids, so that many stand several times, and many never.
        ids = random.integers(0, 9, size=(4, batch)) * (vocabulary // 10)
        self.ids = tf.constant(ids)
        self.targets = tf.constant(random.normal(size=(3, batch, WIDTH)), tf.float32)

    def look_up(self, table, ids, sparse):
        if sparse:
            return tf.gather(table, ids)
        return tf.one_hot(ids, table.shape[0]) @ table

    def losses(self, ids, sparse=True):
        user, friend, item, seen = (
            self.look_up(table, row, sparse)
            for table, row in zip((self.user, self.user, self.item, self.item), tf.unstack(ids), strict=True)
        )
        by_case = {
            "one look-up for all": [user, user, user],
            "duplicates within a feature": [user * user, tf.sin(user), user],
            "two features share a table": [user + friend, user * friend, tf.tanh(user - friend)],
            "two tables": [user * item, user + item, tf.sin(item) * user],
            "tasks with other look-ups": [user * friend + item, friend + seen * item, user + seen],
            "a table of one task only": [user * item, tf.sin(user), user],
            "a table that one task does not see": [user * item, item - user, item],
            "an id column of rank 2": [
                tf.reduce_sum(self.look_up(self.user, tf.transpose(ids[:2]), sparse), axis=1) * scale
                for scale in (1.0, -2.0, 0.5)
            ],
        }
        return {
            task: tf.reduce_mean(tf.square(tf.tanh(hidden @ self.kernel) - target))
            for task, hidden, target in zip("abc", by_case[self.case], tf.unstack(self.targets), strict=True)
        }

    def balanced(self, ids, sparse=True, parts="variable"):
        with tf.GradientTape(persistent=True) as tape:
            losses = self.losses(ids, sparse)
        gradients = task_gradients(tape, losses, self.variables)
        gram = gradients.gram(parts)
        return gram, gradients.combine(tf.tile(WEIGHTS, [gram.shape[0], 1])), gradients.private


CASES = [
    "one look-up for all",
    "duplicates within a feature",
    "two features share a table",
    "two tables",
    "tasks with other look-ups",
    "a table of one task only",
    "a table that one task does not see",
    "an id column of rank 2",
]


@pytest.mark.in_turns
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("mode", ["eager", "graph", "xla"])
def test_the_sparse_path_equals_the_dense_one(case, mode):
    tables, private_by_path = Tables(case), {}

    def balanced(sparse):
        gram, combined, private_by_path[sparse] = tables.balanced(tables.ids, sparse)
        return gram, [dense_or_none(gradient) for gradient in combined], indices_of(combined)

    def dense_or_none(gradient):
        return gradient if gradient is None else tf.convert_to_tensor(gradient)

    def indices_of(combined):
        return [g.indices for g in combined if isinstance(g, tf.IndexedSlices)]

    # Both in the same way: XLA rounds the network itself otherwise than single operations do.
    run = {"eager": balanced, "graph": tf.function(balanced), "xla": tf.function(balanced, jit_compile=True)}[mode]
    (gram, combined, indices), (expected_gram, expected, _) = run(True), run(False)
    assert private_by_path[True] == private_by_path[False]
    np.testing.assert_allclose(gram, expected_gram, rtol=1e-5, atol=1e-6 * tf.reduce_max(expected_gram).numpy())
    for one, other in zip(combined, expected, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)
    assert len(indices) == sum(gradient is not None for gradient in expected[:2])
    if mode != "xla":  # where padding may follow
        for of_table in indices:
            assert len(set(of_table.numpy().tolist())) == len(of_table)


@pytest.mark.parametrize("case", CASES)
def test_one_weighted_backward_pass_equals_the_combination_and_has_unique_ids(case):
    tables = Tables(case)
    _, combined, private = tables.balanced(tables.ids, parts="all")
    with tf.GradientTape(persistent=True) as tape:
        losses = tables.losses(tables.ids)
    in_one_pass = weighted_gradients(tape, list(losses.values()), WEIGHTS[0], tables.variables, private)
    for one, other in zip(in_one_pass, combined, strict=True):
        if other is None:
            assert one is None
            continue
        np.testing.assert_allclose(dense(one), dense(other), rtol=1e-4, atol=1e-7)
        if isinstance(other, tf.IndexedSlices):
            assert isinstance(one, tf.IndexedSlices)
            assert len(set(one.indices.numpy().tolist())) == len(one.indices)


def test_ids_that_the_batch_does_not_hold_get_no_row():
    tables = Tables("tasks with other look-ups")
    _, (user, item, _), _ = tables.balanced(tables.ids)
    assert set(user.indices.numpy()) == set(tables.ids[:2].numpy().ravel())
    assert set(item.indices.numpy()) == set(tables.ids[2:].numpy().ravel())


def all_operations(graph):
    """Operations of a graph and of the functions that it calls."""
    found = list(graph.get_operations())
    for inner in graph._functions.values() if hasattr(graph, "_functions") else ():
        found += inner.graph.get_operations() if hasattr(inner, "graph") else []
    return found


@pytest.mark.parametrize("case", CASES)
def test_no_tensor_of_a_tables_size_is_in_the_graph(case):
    vocabulary = 54_321
    tables = Tables(case, vocabulary)

    @tf.function
    def step(ids):
        gram, combined, _ = tables.balanced(ids)
        return gram, [
            (g.values, g.indices) if isinstance(g, tf.IndexedSlices) else g for g in combined if g is not None
        ]

    sized = []
    for operation in all_operations(step.get_concrete_function(tf.TensorSpec([4, BATCH], tf.int64)).graph):
        for tensor in operation.outputs:
            if tensor.dtype != tf.resource and any(
                d in (vocabulary, vocabulary + 1) for d in tensor.shape.as_list() or []
            ):
                sized.append(operation.type)
    assert sized == []


def test_a_table_of_five_million_rows_costs_no_memory_in_a_step():
    vocabulary = 5_000_000
    table = tf.Variable(tf.zeros([vocabulary, 16]), name="table")  # 320 MB
    ids = tf.constant(np.random.default_rng(0).integers(0, vocabulary, 512))

    @tf.function
    def step():
        with tf.GradientTape(persistent=True) as tape:
            rows = tf.gather(table, ids)
            losses = {str(t): tf.reduce_mean((rows - float(t)) ** 2) for t in range(4)}
        gradients = task_gradients(tape, losses, [table])
        gram = gradients.gram()
        (combined,) = gradients.combine(tf.ones([1, 4], tf.float64))
        return gram, combined.values

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    gram, values = step()
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before  # KiB
    assert gram.shape == [1, 4, 4]
    assert values.shape[0] <= 512
    assert grown < 150 * 1024


slices = st.lists(st.tuples(st.integers(0, 5), st.integers(-100, 100)), max_size=20)


def indexed(pairs):
    ids = np.array([row for row, _ in pairs], "int32")
    values = np.array([[float(value)] for _, value in pairs], "float32").reshape(-1, 1)
    return tf.IndexedSlices(tf.constant(values), tf.constant(ids), tf.constant([6, 1]))


@settings(max_examples=40)
@given(slices)
def test_duplicate_rows_are_added_up(pairs):
    unique = sum_duplicate_rows(indexed(pairs))
    expected = np.zeros((6, 1))
    for row, value in pairs:
        expected[row] += value
    assert sorted(unique.indices.numpy()) == sorted({row for row, _ in pairs})
    np.testing.assert_array_equal(tf.convert_to_tensor(unique), expected)


@settings(max_examples=40)
@given(slices, slices)
def test_sparse_gradients_add_up_to_a_sparse_one_with_unique_ids(one, other):
    added = add_gradients(indexed(one), indexed(other))
    assert isinstance(added, tf.IndexedSlices)
    assert len(set(added.indices.numpy())) == len(added.indices)
    expected = tf.convert_to_tensor(indexed(one)) + tf.convert_to_tensor(indexed(other))
    np.testing.assert_array_equal(tf.convert_to_tensor(added), expected)


def test_a_sparse_and_a_dense_gradient_add_up_to_a_dense_one():
    one = indexed([(1, 5), (1, 6)])
    for added in (add_gradients(one, tf.ones([6, 1])), add_gradients(tf.ones([6, 1]), one)):
        np.testing.assert_array_equal(added, [[1], [12], [1], [1], [1], [1]])


def test_a_dense_gradient_among_sparse_ones_is_combined_densely():
    tables = Tables("one look-up for all")
    with tf.GradientTape(persistent=True) as tape:
        losses = tables.losses(tables.ids) | {"c": tf.reduce_sum(tables.user**2)}
    gradients = task_gradients(tape, losses, [tables.user])
    separate = np.array([dense(tape.gradient(loss, tables.user)) for loss in losses.values()], float)
    np.testing.assert_allclose(gradients.gram()[0], np.einsum("avd,bvd->ab", separate, separate), rtol=1e-5)
    (combined,) = gradients.combine(WEIGHTS)
    np.testing.assert_allclose(combined, np.tensordot(WEIGHTS[0], separate, 1), rtol=1e-5, atol=1e-6)


def traced(function, *signature):
    """Runs a function while tracing it, and returns what it returned."""
    kept = []
    tf.function(lambda *args: kept.append(function(*args)) or 0.0).get_concrete_function(*signature)
    return kept[0]


def test_equal_index_arithmetic_is_recognised():
    column = tf.TensorSpec([None], tf.int32)
    assert traced(lambda a: same_tensor(a, a), column)
    assert traced(lambda a: same_tensor(tf.cast(a, tf.int64) + 3, tf.cast(a, tf.int64) + 3), column)
    assert traced(lambda a: same_tensor(tf.reshape(a, [-1]), tf.reshape(a, [-1])), column)


@pytest.mark.parametrize(
    "pair",
    [
        lambda a, b: (a, b),
        lambda a, b: (a + 1, a + 2),
        lambda a, b: (a + b, a - b),
        lambda a, b: (a - b, b - a),
        lambda a, b: (tf.cast(a, tf.int64), tf.cast(a, tf.float32)),
        lambda a, b: (tf.concat([a, b], 0), tf.concat([b, a], 0)),
        lambda a, b: tuple(tf.split(tf.concat([a, a], 0), [1, -1])),
        lambda a, b: (tf.random.uniform([3], 0, 9, tf.int32), tf.random.uniform([3], 0, 9, tf.int32)),
        lambda a, b: (tf.gather(a, [0, 1]), tf.gather(a, [0, 2])),
        lambda a, b: (tf.reverse(a, [0]), a),
    ],
)
def test_different_indices_are_never_taken_for_the_same(pair):
    column = tf.TensorSpec([None], tf.int32)
    assert not traced(lambda a, b: same_tensor(*pair(a, b)), column, column)


def test_a_variable_read_before_and_after_a_write_is_not_the_same():
    ids = tf.Variable([1, 2], trainable=False)

    def reads():
        before = ids.read_value()
        ids.assign([3, 4])
        return same_tensor(before, ids.read_value())

    assert not traced(reads)


def test_in_eager_mode_values_decide():
    assert same_tensor(tf.constant([1, 2]), tf.constant([1, 2]))
    assert not same_tensor(tf.constant([1, 2]), tf.constant([1, 3]))
    assert not same_tensor(tf.constant([1, 2]), tf.constant([1, 2, 3]))


def test_ids_that_are_looked_up_through_different_variables_are_kept_apart():
    # Each task looks up other ids of one table, by arithmetic that looks alike.
    table = tf.Variable(np.arange(20.0).reshape(10, 2), dtype=tf.float32)
    offsets = [tf.Variable(1), tf.Variable(2)]

    @tf.function
    def step(ids):
        with tf.GradientTape(persistent=True) as tape:
            losses = [tf.reduce_sum(tf.gather(table, ids + offset)) for offset in offsets]
        gradients = task_gradients(tape, losses, [table])
        gram = gradients.gram()
        (combined,) = gradients.combine(tf.constant([[1.0, 10.0]]))
        return gram, tf.convert_to_tensor(combined)

    gram, combined = step(tf.constant([0, 4]))
    np.testing.assert_array_equal(gram[0], [[4, 0], [0, 4]])
    np.testing.assert_array_equal(combined[:, 0], [0, 1, 10, 0, 0, 1, 10, 0, 0, 0])
