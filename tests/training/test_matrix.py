"""Ways to run a step, times precisions, times what is balanced over: each near the float32 graph."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
import toy
from weighing import Fixed, plain_gradients

import tf_gradcraft as gc
from tf_gradcraft.balancing import GradCraft, MetaBalance

METHODS = {
    "gradcraft": lambda over: GradCraft(),
    "metabalance": lambda over: MetaBalance(parts="variable" if over == "parameters" else "all"),
}
WAYS = {"eager": {"run_eagerly": True}, "graph": {"jit_compile": False}, "xla": {"jit_compile": True}}
# The largest distance of the way that all variables went in three steps from that in float32, relative to its length.
# Half precisions keep 11 and 8 binary digits.
TOLERANCE = {"float32": 1e-5, "mixed_float16": 5e-3, "mixed_bfloat16": 4e-2}
OVER = ("parameters", "representation")
TASKS = toy.TASKS[:2]
STEPS = 3


def compiled(method, over, way, **settings):
    return toy.compiled(
        METHODS[method](over), keras.optimizers.SGD(0.5), TASKS, balance_over=over, **WAYS[way], **settings
    )


def flat(model):
    return np.concatenate([variable.numpy().ravel() for variable in model.trainable_variables]).astype(float)


def way_gone(model, batches=STEPS):
    """What all variables were changed by, one below the other."""
    start = flat(model)
    for step in range(batches):
        model.train_on_batch(*toy.log(16, seed=step, tasks=TASKS))
    return flat(model) - start


@functools.cache
def in_the_float32_graph(method, over):
    return way_gone(compiled(method, over, "graph"))


# Every way with every precision over both; the methods take turns, so that each meets all ways, precisions and both
# that are balanced over.
COMBINATIONS = [
    (over, way, policy, list(METHODS)[(o + w + p) % 2])
    for o, over in enumerate(OVER)
    for w, way in enumerate(WAYS)
    for p, policy in enumerate(TOLERANCE)
    if (way, policy) != ("graph", "float32")
]


@pytest.mark.in_turns
@pytest.mark.parametrize(("over", "way", "policy", "method"), COMBINATIONS)
def test_every_combination_goes_the_way_of_the_float32_graph(over, way, policy, method):
    expected = in_the_float32_graph(method, over)
    keras.mixed_precision.set_dtype_policy(policy)
    model = compiled(method, over, way)
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer) == (policy == "mixed_float16")
    gone = way_gone(model)
    assert {variable.dtype for variable in model.trainable_variables} == {"float32"}
    assert np.linalg.norm(gone - expected) < TOLERANCE[policy] * np.linalg.norm(expected)
    assert gone @ expected > 0.99 * np.linalg.norm(gone) * np.linalg.norm(expected)
    if policy != "float32":
        # Else it would not have computed in half precision.
        assert np.linalg.norm(gone - expected) > 1e-5 * np.linalg.norm(expected)


@pytest.mark.parametrize("over", OVER)
def test_methods_and_what_they_balance_over_go_different_ways(over):
    # Else agreement would say nothing.
    ways = [in_the_float32_graph("gradcraft", over), in_the_float32_graph("metabalance", over)]
    ways += [in_the_float32_graph("gradcraft", other) for other in OVER if other != over]
    for other in ways[1:]:
        assert np.linalg.norm(ways[0] - other) > 1e-3 * np.linalg.norm(other)


@pytest.mark.thorough
@pytest.mark.parametrize("over", OVER)
@pytest.mark.parametrize("every", [1, 2])
@pytest.mark.quick("2-representation", "1-parameters")
def test_float16_towers_get_their_plain_gradient_where_their_task_has_no_weight(over, every):
    keras.mixed_precision.set_dtype_policy("mixed_float16")
    inputs = keras.Input((toy.NUMBERS,))
    shared = gc.SharedRepresentation()(keras.layers.Dense(5, "tanh")(inputs))
    towers = {task: keras.layers.Dense(4, "tanh")(shared) for task in toy.TASKS}
    outputs = {task: keras.layers.Dense(1, "sigmoid", dtype="float32")(tower) for task, tower in towers.items()}
    model = gc.MultiTaskModel(inputs=inputs, outputs=outputs)
    features, labels = toy.log(16)
    numbers = tf.constant(features["numbers"])
    separate = plain_gradients(model, numbers, labels)
    start = [variable.numpy() for variable in model.trainable_variables]
    model.compile(
        keras.optimizers.SGD(1.0),
        toy.crossentropy(),
        balancing=Fixed(given=(0.0, 1.0, 1.0)),
        balance_over=over,
        balance_every=every,
    )
    model.train_on_batch(numbers, labels)
    private = 0
    for position, variable in enumerate(model.trainable_variables):
        of_task = [gradients[position] for gradients in separate if gradients[position] is not None]
        expected = of_task[0] if len(of_task) == 1 else separate[1][position] + separate[2][position]
        private += len(of_task) == 1
        error = np.linalg.norm(start[position] - variable.numpy() - expected)
        assert error < 0.01 * np.linalg.norm(expected), variable.path
    assert private == 12


@pytest.mark.parametrize("over", OVER)
@pytest.mark.parametrize("every", [1, 2])
@pytest.mark.quick("1-parameters", "2-representation")
def test_several_steps_an_execution_are_the_steps_one_by_one(over, every):
    trained = []
    for steps in (1, 2):
        model = compiled("metabalance", over, "graph", steps_per_execution=steps, balance_every=every)
        toy.train(model, toy.log(64, tasks=TASKS), epochs=1)
        trained.append(model)
    assert toy.difference(*trained) < 1e-6


@pytest.mark.parametrize("over", OVER)
def test_accumulated_gradients_are_the_mean_of_those_of_the_batches(over):
    # Two batches alike, accumulated over two steps, are one step.
    batch = toy.log(16, tasks=TASKS)
    once, accumulated = (
        toy.compiled("gradcraft", keras.optimizers.SGD(0.5, **settings), TASKS, balance_over=over)
        for settings in ({}, {"gradient_accumulation_steps": 2})
    )
    start = flat(accumulated)
    once.train_on_batch(*batch)
    accumulated.train_on_batch(*batch)
    assert (flat(accumulated) == start).all()
    accumulated.train_on_batch(*batch)
    assert toy.difference(once, accumulated) < 1e-6
    assert np.abs(flat(once) - start).max() > 0.01
