"""Trains a TFRS model on one device and on two replicas from equal weights, and prints how the two compare (a program
of its own: logical devices must be made before TensorFlow starts).

Arguments are what is to be compared: `method:balance_over:balance_every`.
"""

import json
import sys

import numpy as np
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

from tower_ids import BATCH, batches, made, values  # noqa: E402


def main():
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    for argument in sys.argv[1:]:
        balancing, over, every = argument.split(":")
        settings = {"balancing": balancing, "balance_over": over, "balance_every": int(every), "rows": BATCH}
        one = made(**settings)
        start = values(one)
        with strategy.scope():
            two = made(**settings)
        for model in (one, two):
            model.fit(batches(), epochs=2, verbose=0)
        report = {
            "what": argument,
            "replicas": strategy.num_replicas_in_sync,
            "moved": distance(start, values(one)),
            "weights": distance(values(one), values(two)),
        }
        print(json.dumps(report), flush=True)


def distance(one, other):
    return max(float(np.abs(a - b).max()) for a, b in zip(one, other, strict=True))


if __name__ == "__main__":
    main()
