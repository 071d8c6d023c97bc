"""Balancers for tests: fixed weights, and weights that tell which call they come from; and gradients by own tapes."""

import dataclasses
from typing import ClassVar

import keras
import numpy as np
import tensorflow as tf

from tf_gradcraft.balancing import Balancer


@keras.saving.register_keras_serializable("tests")
@dataclasses.dataclass(frozen=True, kw_only=True)
class Fixed(Balancer):
    """Always the same weights, absent tasks left out; the state keeps the Gram matrices that came last."""

    given: tuple = (0.5, 2.0, 3.0)

    def init(self, num_tasks, num_parts=1):
        return {"gram": tf.zeros([num_parts, num_tasks, num_tasks], tf.float64)}

    def weights(self, gram, losses, state, seed=None):
        present = tf.cast(tf.linalg.diag_part(gram) > 0, tf.float64)
        return tf.constant(self.given, tf.float64) * present, {"gram": gram}


@keras.saving.register_keras_serializable("tests")
@dataclasses.dataclass(frozen=True, kw_only=True)
class Counting(Balancer):
    """In its n-th call, from 0, task t has the weight n + 1 + t / 2 in part p = 0, and 10 p more in part p."""

    def init(self, num_tasks, num_parts=1):
        return {"calls": tf.zeros([], tf.int64)}

    def weights(self, gram, losses, state, seed=None):
        squares = tf.linalg.diag_part(gram)
        count = tf.cast(state["calls"], tf.float64) + 1
        by_task = count + tf.range(gram.shape[-1], dtype=tf.float64) / 2
        by_part = 10 * tf.range(gram.shape[0], dtype=tf.float64)[:, tf.newaxis]
        return (by_task + by_part) * tf.cast(squares > 0, tf.float64), {"calls": state["calls"] + 1}


@keras.saving.register_keras_serializable("tests")
@dataclasses.dataclass(frozen=True, kw_only=True)
class CountingLosses(Counting):
    """The same for a method that looks at losses only."""

    needs: ClassVar[str] = "losses"


def state_of(model, name):
    """What the model's balancer remembers under a name."""
    return model._balancer_state.tensors()[name].numpy()


def plain_gradients(model, features, labels, weights=None):
    """Each task's gradients by all variables, a tape a task: arrays, or None; tasks in the order of `labels`."""
    tasks = list(labels)
    result = []
    for task in tasks:
        with tf.GradientTape() as tape:
            predictions = model(features, training=True)
            of_rows = None if weights is None else weights[task]
            value = keras.losses.BinaryCrossentropy()(labels[task], predictions[task], of_rows)
        gradients = tape.gradient(value, model.trainable_variables)
        result.append([None if g is None else tf.convert_to_tensor(g).numpy().astype(float) for g in gradients])
    return result


def after_step(model, by_task, weights, rate):
    """All variables after a step of SGD: the weighted sum of shared gradients, the plain one of private ones.

    `weights` are [T], or one row for each *shared* variable.
    """
    values, row = [], 0
    for position, variable in enumerate(model.trainable_variables):
        of_task = {task: of[position] for task, of in enumerate(by_task) if of[position] is not None}
        if len(of_task) == 1:
            update = next(iter(of_task.values()))
        else:
            of_variable = np.atleast_2d(weights)[row if np.ndim(weights) == 2 else 0]
            update = sum(of_variable[task] * gradient for task, gradient in of_task.items())
            row += 1
        values.append(variable.numpy() - rate * update)
    return values
