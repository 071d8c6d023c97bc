"""Tasks go in the order of the outputs, however losses are ordered, and a target is found by its name."""

import keras
import numpy as np
import pytest

import tf_gradcraft as gc
from tf_gradcraft.balancing import Balancer, MetaBalance


class Recorder(Balancer):
    """Keeps what it was asked for; weighs every task alike."""

    def for_tasks(self, tasks):
        SEEN.append(list(tasks))
        return self

    def weights(self, gram, losses, state, seed=None):
        return gc.balancing.Mean().weights(gram, losses, state)


SEEN: list[list[str]] = []


def build(balancing, losses=("click", "like", "follow")):
    keras.utils.set_random_seed(5)
    inputs = keras.Input((4,))
    hidden = keras.layers.Dense(6, activation="tanh")(inputs)
    outputs = {task: keras.layers.Dense(1, activation="sigmoid")(hidden) for task in ("like", "follow", "click")}
    model = gc.MultiTaskModel(inputs=inputs, outputs=outputs)
    model.compile(
        optimizer=keras.optimizers.SGD(0.1),
        loss=dict.fromkeys(losses, "binary_crossentropy"),
        balancing=balancing,
        run_eagerly=True,
    )
    return model


def data():
    random = np.random.default_rng(0)
    return random.normal(size=(32, 4)), {task: random.integers(0, 2, (32, 1)) for task in ("click", "like", "follow")}


def trained(balancing, losses):
    model = build(balancing, losses)
    model.fit(*data(), verbose=0, batch_size=8, shuffle=False)
    return model.get_weights()


def test_tasks_go_in_the_order_of_the_outputs():
    SEEN.clear()
    build(Recorder()).fit(*data(), verbose=0)
    assert SEEN[-1] == ["like", "follow", "click"]


@pytest.mark.in_turns
@pytest.mark.parametrize("target", ["click", "like", "follow"])
def test_a_target_is_the_task_of_that_name_in_whatever_order_losses_are_given(target):
    balancing = MetaBalance(target=target, relax_factor=1.0)
    one = trained(balancing, ("click", "like", "follow"))
    other = trained(balancing, ("follow", "click", "like"))
    position = ("like", "follow", "click").index(target)
    by_position = trained(MetaBalance(target=position, relax_factor=1.0), ("click", "like", "follow"))
    for a, b, c in zip(one, other, by_position, strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a, c)


def test_targets_differ():
    click = trained(MetaBalance(target="click", relax_factor=1.0), ("click", "like", "follow"))
    like = trained(MetaBalance(target="like", relax_factor=1.0), ("click", "like", "follow"))
    assert max(np.abs(a - b).max() for a, b in zip(click, like, strict=True)) > 1e-4
