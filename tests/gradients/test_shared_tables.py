"""Tables under a shared representation: sparse rows give what dense one-hot products give, in all ways to run."""

import numpy as np
import pytest
import tensorflow as tf

from tf_gradcraft.gradients import Representation, RepresentationGradients, task_gradients

WEIGHTS = np.array([0.5, -2.0, 3.0])
VOCABULARY, WIDTH, BATCH = 23, 3, 12


class Model:
    """Marked hidden layer over the sum of look-ups; what else a task looks up is said by the case."""

    def __init__(self, case):
        random = np.random.default_rng(2)
        self.case = case
        self.tables = [
            tf.Variable(random.normal(size=(VOCABULARY, WIDTH)), dtype=tf.float32, name=f"table_{i}") for i in range(2)
        ]
        self.kernel = tf.Variable(random.normal(size=(WIDTH, WIDTH)), dtype=tf.float32, name="kernel")
        self.variables = [*self.tables, self.kernel]
        # Ids that stand several times; those from 9 on are in no row.
        self.ids = tf.constant(random.integers(0, 9, size=(4, BATCH)))
        self.targets = tf.constant(random.normal(size=(3, BATCH, WIDTH)), tf.float32)

    def losses(self, ids, mark, sparse):
        def look_up(table, column):
            table = self.tables[table]
            return tf.gather(table, ids[column]) if sparse else tf.one_hot(ids[column], VOCABULARY) @ table

        below, own = {
            "one feature": lambda: (look_up(0, 0), None),
            "features that share a table": lambda: (look_up(0, 0) + look_up(0, 1) * look_up(0, 2), None),
            "several tables": lambda: (look_up(0, 0) * look_up(1, 1) + look_up(1, 2), None),
            "a table of one task": lambda: (look_up(0, 0), look_up(1, 3)),
            "one task looks further up": lambda: (look_up(0, 0) + look_up(1, 1), look_up(0, 3)),
        }[self.case]()
        hidden = mark(tf.tanh(below @ self.kernel))
        taken = [hidden, tf.sin(hidden) if own is None else hidden * own, hidden * hidden]
        return {
            task: tf.reduce_mean(tf.square(of_task - target))
            for task, of_task, target in zip("abc", taken, tf.unstack(self.targets), strict=True)
        }

    def measured(self, over, ids, sparse=True):
        with tf.GradientTape(persistent=True) as tape, Representation.recording() as representation:
            losses = self.losses(ids, representation.mark if over == "representation" else tf.identity, sparse)
        if over == "representation":
            gradients = RepresentationGradients(tape, losses, self.variables, representation)
        else:
            gradients = task_gradients(tape, losses, self.variables)
        return gradients.gram(), gradients.combine(tf.constant(WEIGHTS[np.newaxis])), gradients.private


CASES = [
    "one feature",
    "features that share a table",
    "several tables",
    "a table of one task",
    "one task looks further up",
]
# XLA takes seconds a case.
WAYS = [(case, mode) for case in CASES for mode in ("eager", "graph")] + [(case, "xla") for case in CASES[1::2]]


@pytest.mark.in_turns
@pytest.mark.parametrize(("case", "mode"), WAYS)
@pytest.mark.parametrize("over", ["parameters", "representation"])
def test_sparse_rows_give_what_dense_tables_give(case, mode, over):
    model = Model(case)
    expected_gram, expected, expected_private = model.measured(over, model.ids, sparse=False)
    unknown_batch = tf.TensorSpec([4, None], tf.int64)

    def sparse(ids):
        gram, combined, private = model.measured(over, ids)
        assert private == expected_private
        assert [isinstance(update, tf.IndexedSlices) for update in combined] == [
            position < 2 and update is not None for position, update in enumerate(expected)
        ]
        return gram, [None if update is None else tf.convert_to_tensor(update) for update in combined]

    run = {
        "eager": sparse,
        "graph": tf.function(sparse, input_signature=[unknown_batch]),
        "xla": tf.function(sparse, jit_compile=True),
    }[mode]
    gram, combined = run(model.ids)
    np.testing.assert_allclose(gram, expected_gram, rtol=1e-5, atol=1e-5 * float(tf.reduce_max(expected_gram)))
    for one, other in zip(combined, expected, strict=True):
        if other is not None:
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5 * float(tf.reduce_max(tf.abs(other))))
            if one.shape[0] == VOCABULARY:
                assert not one[9:].numpy().any()


@pytest.mark.parametrize("over", ["parameters", "representation"])
def test_a_table_that_is_also_a_matrix_is_balanced_in_the_graph(over):
    # The rows of the tasks that look it up become dense there.
    model = Model("one feature")
    table = model.tables[0]

    def measured():
        with tf.GradientTape(persistent=True) as tape, Representation.recording() as representation:
            mark = representation.mark if over == "representation" else tf.identity
            losses = model.losses(model.ids, mark, sparse=True)
            losses["c"] += tf.reduce_sum(table**2)
        if over == "representation":
            gradients = RepresentationGradients(tape, losses, [table], representation)
        else:
            gradients = task_gradients(tape, losses, [table])
        return gradients.gram(), gradients.combine(tf.constant(WEIGHTS[np.newaxis]))[0]

    gram, combined = tf.function(measured)()
    with tf.GradientTape(persistent=True) as tape:
        losses = model.losses(model.ids, tf.identity, sparse=False)
        losses["c"] += tf.reduce_sum(table**2)
    separate = [tape.gradient(loss, table).numpy().astype(float) for loss in losses.values()]
    np.testing.assert_allclose(combined, np.tensordot(WEIGHTS, separate, 1), rtol=1e-5, atol=1e-6)
    if over == "parameters":
        np.testing.assert_allclose(gram[0], np.einsum("avd,bvd->ab", separate, separate), rtol=1e-5, atol=1e-7)
