"""Ways to write a model, all in one process, and what is refused."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
import toy

from tf_gradcraft import MultiTaskModel
from tf_gradcraft.balancing import GradCraft, MetaBalance

pytestmark = pytest.mark.eager


def functional():
    return lambda: toy.model()


def with_call():
    class WithCall(MultiTaskModel):
        def __init__(self):
            super().__init__()
            self.shared = keras.layers.Dense(6, activation="tanh")
            self.towers = {task: keras.layers.Dense(1, activation="sigmoid", name=task) for task in toy.TASKS}

        def call(self, inputs):
            hidden = self.shared(inputs["numbers"])
            return {task: tower(hidden) for task, tower in self.towers.items()}

    return WithCall


def functional_subclass():
    class FromTensors(MultiTaskModel):
        def __init__(self):
            inputs, outputs = toy.tensors()
            super().__init__(inputs=inputs, outputs=outputs)
            self.note = "made by a subclass"

    return FromTensors


def subclass_of_subclass():
    base = functional_subclass()

    class Further(base):
        pass

    return Further


WAYS = (functional, with_call, functional_subclass, subclass_of_subclass)


ORDERS = list(itertools.permutations(WAYS[:3]))


@pytest.mark.parametrize("order", ORDERS, ids=lambda ways: ", ".join(w.__name__ for w in ways))
def test_all_ways_to_write_a_model_work_beside_each_other_in_any_order(order):
    for way in order:
        make = way()
        for model in (make(), make()):
            assert isinstance(model, MultiTaskModel)
            predictions = model(toy.log(4)[0])
            assert list(predictions) == list(toy.TASKS)


@pytest.mark.in_turns
@pytest.mark.traced
@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_write_a_model_trains_with_balancing(way):
    keras.utils.set_random_seed(0)
    model = way()()
    model.compile(keras.optimizers.Adam(0.05), loss=toy.crossentropy(), balancing="gradcraft")
    history = toy.train(model, epochs=4)
    assert set(history) == {"loss", *(f"{task}_loss" for task in toy.TASKS)}
    for values in history.values():
        assert values[-1] < values[0]


def test_the_plain_keras_model_is_left_as_it_was():
    toy.model()
    assert not isinstance(toy.model(keras.Model), MultiTaskModel)


def test_outputs_need_not_be_named_like_their_layers():
    inputs = keras.Input((toy.NUMBERS,))
    outputs = {task: keras.layers.Dense(1, activation="sigmoid")(inputs) for task in toy.TASKS}
    model = MultiTaskModel(inputs=inputs, outputs=outputs)
    model.compile(loss=toy.crossentropy(), metrics={"like": ["accuracy"]}, balancing="mean")
    features, labels = toy.log()
    history = model.fit(features["numbers"], labels, verbose=0).history
    assert set(history) == {"loss", "like_accuracy", *(f"{task}_loss" for task in toy.TASKS)}


@pytest.mark.in_turns
@pytest.mark.parametrize("balancing", [None, "gradcraft"])
def test_further_columns_and_labels_of_a_batch_are_passed_over(balancing):
    features, labels = toy.log()
    plain, extra = toy.compiled(balancing), toy.compiled(balancing)
    toy.train(plain, (features, labels))
    more = {**features, "group": np.arange(64)}, {**labels, "hate": labels["like"]}
    toy.train(extra, more)
    assert toy.difference(plain, extra) == 0
    extra.evaluate(*more, verbose=0)
    assert list(extra.predict(more[0], verbose=0)) == list(toy.TASKS)


def test_an_input_that_the_batch_lacks_is_named():
    features, labels = toy.log()
    del features["item"]
    with pytest.raises(ValueError, match=r"input.*item"):
        toy.train(toy.compiled("gradcraft"), (features, labels))


@pytest.mark.parametrize("unnamed", [lambda o: list(o.values()), lambda o: next(iter(o.values()))], ids=["list", "one"])
def test_outputs_without_names_are_refused(unnamed):
    inputs, outputs = toy.tensors()
    with pytest.raises(
        ValueError, match=r"named outputs, a dict .*outputs={'click': ...}|named outputs.*Write outputs"
    ):
        MultiTaskModel(inputs=inputs, outputs=unnamed(outputs))


@pytest.mark.parametrize("made_by", ["functional", "call"])
def test_one_task_can_not_be_balanced(made_by):
    if made_by == "functional":
        with pytest.raises(ValueError, match=r"two or more tasks with a loss, this model has \['click'\]"):
            toy.compiled("gradcraft", tasks=["click"])
        return

    class OneTask(MultiTaskModel):
        def __init__(self):
            super().__init__()
            self.out = keras.layers.Dense(1, activation="sigmoid")

        def call(self, inputs):
            return {"click": self.out(inputs)}

    model = OneTask()
    model.compile(loss="binary_crossentropy", balancing="gradcraft")
    with pytest.raises(ValueError, match=r"two or more tasks with a loss, this model has \['click'\]"):
        model.fit(tf.ones([4, 2]), {"click": tf.ones([4, 1])}, verbose=0)


def test_one_task_trains_without_balancing():
    model = toy.compiled(None, tasks=["click"])
    assert set(toy.train(model, toy.log(tasks=["click"]))) >= {"loss"}


def test_a_subclass_whose_call_returns_a_list_is_refused():
    class Unnamed(MultiTaskModel):
        def __init__(self):
            super().__init__()
            self.out = keras.layers.Dense(1, activation="sigmoid")

        def call(self, inputs):
            return [self.out(inputs), self.out(2 * inputs)]

    model = Unnamed()
    model.compile(loss=["mse", "mse"], balancing="mean")
    with pytest.raises(ValueError, match=r"outputs must be a dict \{task: tensor\} to be balanced, got list"):
        model.fit(tf.ones([4, 2]), [tf.ones([4, 1])] * 2, verbose=0)


def test_unknown_names_are_refused_with_a_near_one():
    with pytest.raises(ValueError, match="balancing='gradcarft' is not known; did you mean 'gradcraft'"):
        toy.compiled("gradcarft")
    with pytest.raises(ValueError, match="balance_over='parameter' is not known; did you mean 'parameters'"):
        toy.compiled("gradcraft", balance_over="parameter")
    with pytest.raises(ValueError, match="on_nonfinite='skp' is not known; did you mean 'skip'"):
        toy.compiled("gradcraft", on_nonfinite="skp")
    with pytest.raises(ValueError, match="balancing must be None, a method's name or a Balancer, got 3"):
        toy.compiled(3)


def test_a_target_that_is_no_task_is_refused_by_compile():
    with pytest.raises(ValueError, match="target='clik' is not known; did you mean 'click'"):
        toy.compiled(MetaBalance(target="clik"))


def test_a_part_that_matches_no_shared_variable_is_refused_in_the_first_step():
    with pytest.raises(
        ValueError, match=r"parts\['gates'\]='gate' matches no shared variable; they are: .*shared/kernel"
    ):
        toy.train(toy.compiled(GradCraft(parts={"gates": "gate"})))


def test_balancing_without_losses_is_refused():
    model = toy.model()
    model.compile("adam", balancing="gradcraft")
    with pytest.raises(ValueError, match="no loss"):
        toy.train(model)
