"""Trains on one device and on two replicas from equal weights, and prints how the two compare (a program of its own:
logical devices must be made before TensorFlow starts).

Arguments are what is to be compared: `method`, `method:balance_over:balance_every`, and with `:metrics` after it also
the metrics of an evaluation, which take longer than the training.
"""

import json
import sys

import numpy as np
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

import keras  # noqa: E402

import tf_gradcraft as gc  # noqa: E402

TASKS = ("click", "like", "follow")


METRICS = {
    "click": lambda: [gc.metrics.AUC(), gc.metrics.GAUC("user")],
    "like": lambda: [gc.metrics.AUC(), gc.metrics.LogLoss()],
    "follow": lambda: [gc.metrics.NDCGAtK(3, "user")],
}


def build(argument):
    balancing, over, every, *measured = argument.split(":") if ":" in argument else (argument, "parameters", 1)
    keras.utils.set_random_seed(3)
    user, context = keras.Input((), dtype="int32", name="user"), keras.Input((4,), name="context")
    hidden = keras.layers.Concatenate()([keras.layers.Embedding(50, 8)(user), context])
    hidden = keras.layers.Dense(16, activation="relu", kernel_regularizer="l2")(hidden)
    hidden = gc.SharedRepresentation()(hidden)
    outputs = {task: keras.layers.Dense(1, activation="sigmoid", name=task)(hidden) for task in TASKS}
    model = gc.MultiTaskModel(inputs={"user": user, "context": context}, outputs=outputs)
    model.compile(
        optimizer=gc.optimizers.LazyAdam(1e-2),
        loss=dict.fromkeys(TASKS, "binary_crossentropy"),
        metrics={task: make() for task, make in METRICS.items()} if measured else {},
        balancing=balancing,
        balance_over=over,
        balance_every=int(every),
    )
    return model


def distance(one, other):
    return max(float(np.abs(a - b).max()) for a, b in zip(one, other, strict=True))


def main():
    random = np.random.default_rng(0)
    x = {"user": random.integers(0, 50, 256), "context": random.normal(size=(256, 4)).astype("float32")}
    y = {task: random.integers(0, 2, (256, 1)).astype("float32") for task in TASKS}
    data = tf.data.Dataset.from_tensor_slices((x, y)).batch(64)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    for argument in sys.argv[1:]:
        one = build(argument)
        start = one.get_weights()
        with strategy.scope():
            two = build(argument)
        stories = []
        for model in (one, two):
            monitor = gc.callbacks.GradientMonitor(every=1, warn=False)
            model.fit(data, epochs=2, verbose=0, callbacks=[monitor])
            stories.append(monitor.story())
        report = {
            "what": argument,
            "replicas": strategy.num_replicas_in_sync,
            "moved": distance(start, one.get_weights()),
            "weights": distance(one.get_weights(), two.get_weights()),
        }
        report["noted"] = [len(story["steps"]["step"]) for story in stories]
        if all(report["noted"]):
            of = [[np.array(story["steps"][name]) for name in ("norms", "weights")] for story in stories]
            report["record"] = distance(*of)
        if argument.endswith(":metrics"):
            logs = [model.evaluate(data, return_dict=True, verbose=0) for model in (one, two)]
            report["metrics"] = {name: abs(logs[0][name] - logs[1][name]) for name in logs[0]}
        print(json.dumps(report), flush=True)


if __name__ == "__main__":
    main()
