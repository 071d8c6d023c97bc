"""Reads and trains under a MirroredStrategy of two logical devices and prints what came (a program of its own).

Argument: the prepared folder.
"""

import json
import sys

import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

import keras  # noqa: E402

from tf_gradcraft.data_pipelines import PreparedData  # noqa: E402


def small_model():
    row = keras.Input((), name="row", dtype="int32")
    tags = keras.Input((3,), name="tags", dtype="int32")
    group = keras.Input((), name="group", dtype="int64")
    hidden = keras.layers.Embedding(100, 2)(row)
    return keras.Model({"row": row, "tags": tags, "group": group}, {"click": keras.layers.Dense(1)(hidden)})


def main():
    data = PreparedData(sys.argv[1])
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    for mode in ("memory", "streaming"):
        options = {"batch_size": 16, "features": ["row", "tags"], "tasks": ["click"], "mode": mode, "shuffle_rows": 30}
        batches = strategy.experimental_distribute_dataset(data.load(**options)[0])
        halves = []
        for features, _ in batches:
            halves.append([part.numpy().tolist() for part in strategy.experimental_local_results(features["row"])])

        def parts(context, options=options):
            return data.load(**options, num_workers=context.num_input_pipelines, worker=context.input_pipeline_id)[0]

        shared = strategy.distribute_datasets_from_function(parts)
        by_function = [
            part.numpy().tolist()
            for features, _ in shared
            for part in strategy.experimental_local_results(features["row"])
        ]
        with strategy.scope():
            model = small_model()
            model.compile("sgd", "mse")
        train, valid, _ = data.load(**options, drop_remainder=True)
        history = model.fit(train, validation_data=valid, epochs=2, verbose=0).history
        # Several steps a call on one device: with a MirroredStrategy on CPUs Keras fails on any data set.
        alone = small_model()
        alone.compile("sgd", "mse", steps_per_execution=4)
        alone.fit(train, epochs=2, verbose=0)
        report = {"mode": mode, "halves": halves, "by_function": by_function, "loss": history["val_loss"]}
        counters = [trained.optimizer.iterations.value for trained in (model, alone)]
        report["steps"] = [int(strategy.experimental_local_results(counter)[0].numpy()) for counter in counters]
        print(json.dumps(report), flush=True)


if __name__ == "__main__":
    main()
