"""A network of three tasks in which any tensor may be marked, and what its Gram matrix and gradients are."""

import numpy as np
import tensorflow as tf

from tf_gradcraft.gradients import Representation, RepresentationGradients

TASKS = ("a", "b", "c")
ROWS, WIDTH, VOCABULARY = 8, 5, 12


class Network:
    """Three tasks over tensors that are marked where the case says.

    Args:
        case: A function of the network that returns what each task predicts from.
        dtype: In which the layers compute; variables and losses are float32, or float64.
    """

    def __init__(self, case, dtype="float32"):
        random = np.random.default_rng(0)
        self.case, self.dtype = case, dtype
        self.wide = "float64" if dtype == "float64" else "float32"

        def variable(name, *shape):
            return tf.Variable(random.normal(size=shape) / 2, dtype=self.wide, name=name)

        self.of_name = {name: variable(name, WIDTH, WIDTH) for name in ("kernel", "deep", "own")}
        self.of_name |= {f"tower_{task}": variable(f"tower_{task}", WIDTH, 1) for task in TASKS}
        self.of_name |= {"table": variable("table", VOCABULARY, WIDTH), "bias": variable("bias", WIDTH)}
        self.variables = list(self.of_name.values())
        self.x = tf.constant(random.normal(size=(ROWS, WIDTH)), dtype)
        self.targets = tf.constant(random.normal(size=(3, ROWS, 1)), self.wide)
        self.ids = tf.constant([[3, 7, 3, 0, 7, 3, 1, 9], [9, 9, 2, 3, 7, 2, 2, 9]])  # 4, 5, ... are in no row
        self.mark = tf.identity

    def __getitem__(self, name):
        return tf.cast(self.of_name[name], self.dtype)

    def layer(self, x, name):
        return tf.tanh(x @ self[name])

    def rows(self, column):
        return tf.cast(tf.gather(self.of_name["table"], self.ids[column]), self.dtype)

    def losses(self, mark):
        """The tasks' losses; `mark` is called on each tensor that the case marks."""
        self.mark = mark
        losses = {}
        for task, target, taken in zip(TASKS, tf.unstack(self.targets), self.case(self), strict=True):
            predicted = tf.cast(taken @ self[f"tower_{task}"], self.wide)
            losses[task] = tf.reduce_mean(tf.square(predicted - target))
        return losses

    def measured(self, weights=(1.0, 1.0, 1.0)):
        """What the library makes of it."""
        with tf.GradientTape(persistent=True) as tape, Representation.recording() as representation:
            losses = self.losses(representation.mark)
        gradients = RepresentationGradients(tape, losses, self.variables, representation)
        return gradients.gram(), gradients.combine(tf.constant([weights], tf.float64)), gradients.private

    def separate(self):
        """Each task's gradients of an unmarked network, by a tape of its own: arrays, or None."""
        result = []
        for task in TASKS:
            with tf.GradientTape() as tape:
                loss = self.losses(tf.identity)[task]
            gradients = tape.gradient(loss, self.variables)
            result.append([None if g is None else tf.convert_to_tensor(g).numpy().astype(float) for g in gradients])
        return result

    def gram_by_hand(self):
        """The Gram matrix of a network whose marks are variables of their own, holding what they held."""
        held = []
        self.losses(lambda tensor: held.append(tf.Variable(tensor)) or tensor)
        gradients = []
        for task in TASKS:
            left = iter(held)
            with tf.GradientTape() as tape:
                loss = self.losses(lambda tensor, left=left: tf.identity(next(left)))[task]
            of_marks = tape.gradient(loss, held, unconnected_gradients="zero")
            gradients.append(np.concatenate([np.ravel(gradient).astype(float) for gradient in of_marks]))
        return np.array(gradients) @ np.array(gradients).T


def complete_cut(net):
    hidden = net.mark(net.layer(net.x, "kernel"))
    return hidden, hidden, tf.sin(hidden)


def shared_beside_the_mark(net):
    hidden = net.mark(net.layer(net.x, "kernel"))
    return hidden + net["bias"], hidden * net["bias"], hidden + net.x @ net["kernel"]


def nested_marks(net):
    low = net.mark(net.layer(net.x, "kernel"))
    high = net.mark(net.layer(low, "deep"))
    return high, high + low, tf.sin(low)


def lower_mark_seen_through_the_upper_only(net):
    low = net.mark(net.layer(net.x, "kernel"))
    high = net.mark(net.layer(low, "deep"))
    return high, tf.sin(high), high * high


def mark_of_one_task(net):
    hidden, own = net.mark(net.layer(net.x, "kernel")), net.mark(net.layer(net.x, "own"))
    return hidden, hidden * own, tf.sin(hidden)


def private_below_and_beside_its_mark(net):
    hidden, own = net.mark(net.layer(net.x, "kernel")), net.mark(net.layer(net.x, "own"))
    return hidden, hidden * own + net.x @ net["own"], tf.sin(hidden)


def marks_of_different_tasks(net):
    one, other = net.mark(net.layer(net.x, "kernel")), net.mark(net.layer(net.x, "deep"))
    return one, one * other, other


def mark_of_one_task_above_what_all_share(net):
    hidden = net.layer(net.x, "kernel")
    of_two, own = net.mark(hidden), net.mark(net.layer(hidden, "own"))
    return of_two, tf.sin(of_two), own


def table_below_the_mark(net):
    hidden = net.mark(net.layer(net.rows(0) + net.x, "kernel"))
    return hidden, hidden * hidden, tf.sin(hidden)


def table_with_two_columns_and_beside_the_mark(net):
    hidden = net.mark(net.layer(net.rows(0) * net.rows(1), "kernel"))
    return hidden, hidden + net.rows(1), tf.sin(hidden)


def table_of_one_task_below_its_mark(net):
    hidden, own = net.mark(net.layer(net.x, "kernel")), net.mark(net.rows(0))
    return hidden, hidden * own, tf.sin(hidden)


CASES = {
    case.__name__: case
    for case in (
        complete_cut,
        shared_beside_the_mark,
        nested_marks,
        lower_mark_seen_through_the_upper_only,
        mark_of_one_task,
        private_below_and_beside_its_mark,
        marks_of_different_tasks,
        mark_of_one_task_above_what_all_share,
        table_below_the_mark,
        table_with_two_columns_and_beside_the_mark,
        table_of_one_task_below_its_mark,
    )
}
