"""Time of a training step by mode, through `model.fit`, in interleaved runs.

python benchmarks/step_time.py --tasks 6 --rows 100000 --modes lazy exact representation every_10
"""

from __future__ import annotations

import argparse
import time

import keras
import numpy as np
import tensorflow as tf

import tf_gradcraft as gc
from tf_gradcraft.data_pipelines.schema import Feature, Schema, Task

LOOKUPS, BATCH = 8, 2048


def make_schema(tasks, rows):
    features = [
        Feature(name=f"id_{i}", kind="categorical", dtype="int64", table="ids", size=rows) for i in range(LOOKUPS)
    ]
    return Schema(features=features, tasks=[Task(name=f"task_{t}") for t in range(tasks)])


def make_model(mode, tasks, rows, **kw):
    keras.utils.set_random_seed(1)
    model = gc.models.MMoE(make_schema(tasks, rows), num_experts=7, dropout=0.0)
    adam = {"keras_adam": keras.optimizers.Adam, "keras_sgd": keras.optimizers.SGD, "lazy_sgd": keras.optimizers.SGD}
    settings = {
        "keras_adam": {},
        "keras_sgd": {},
        "lazy": {},
        "exact": {"balancing": "gradcraft"},
        "representation": {"balancing": "gradcraft", "balance_over": "representation"},
        "every_10": {"balancing": "gradcraft", "balance_every": 10},
    }[mode]
    model.compile(optimizer=adam.get(mode, gc.optimizers.LazyAdam)(1e-3), metrics={}, **settings, **kw)
    return model


def make_data(tasks, rows, batches=20):
    random = np.random.default_rng(0)
    ids = random.integers(1, rows, (batches, BATCH, LOOKUPS)).astype("int32")
    labels = random.integers(0, 2, (batches, tasks, BATCH, 1)).astype("float32")
    x = {f"id_{i}": ids[:, :, i] for i in range(LOOKUPS)}
    y = {f"task_{t}": labels[:, t] for t in range(tasks)}
    return tf.data.Dataset.from_tensor_slices((x, y)).repeat().prefetch(2)


class Clock(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.times = []

    def on_train_batch_begin(self, batch, logs=None):
        self.start = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        self.times.append(time.perf_counter() - self.start)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tasks", type=int, default=6)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000])
    parser.add_argument("--modes", nargs="+", default=["lazy", "exact"])
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--jit", action="store_true")
    args = parser.parse_args()
    runs = {}
    for rows in args.rows:
        data = make_data(args.tasks, rows)
        for mode in args.modes:
            begun = time.perf_counter()
            model = make_model(mode, args.tasks, rows, jit_compile=args.jit)
            clock = Clock()
            model.fit(data, steps_per_epoch=2, epochs=1, verbose=0, shuffle=False)
            runs[mode, rows] = (model, data, clock)
            print(mode, rows, f"first steps {time.perf_counter() - begun:.1f} s", flush=True)
    for _ in range(args.rounds):
        for model, data, clock in runs.values():
            model.fit(data, steps_per_epoch=args.steps, epochs=1, verbose=0, callbacks=[clock], shuffle=False)
    base = np.median(runs[args.modes[0], args.rows[0]][2].times)
    for (mode, rows), (_, _, clock) in runs.items():
        median, low = np.median(clock.times) * 1e3, np.min(clock.times) * 1e3
        print(f"{mode:16s} {rows:9d} median {median:7.1f} ms  min {low:7.1f}  ratio {median / base / 1e3:.3f}")


if __name__ == "__main__":
    main()
