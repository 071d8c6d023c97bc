"""How much of a training epoch goes into reading: `python benchmarks/input_share.py prepared/kuairand`.

Three passes are timed in turn, several rounds: the input alone, training on the input, and training on one batch that
is already in memory, repeated as often. Only times of one run can be compared; the ratio of minima is there for
machines that other work slows down now and then.
"""

import argparse
import statistics
import time

import tensorflow as tf

import tf_gradcraft as gc
from tf_gradcraft.data_pipelines import PreparedData
from tf_gradcraft.models import PLE


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("prepared", help="a prepared folder")
    parser.add_argument("--batch-size", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--balancing", default="gradcraft")
    arguments = parser.parse_args()

    data = PreparedData(arguments.prepared)
    train, _, _ = data.load(batch_size=arguments.batch_size, drop_remainder=True)
    batch = next(iter(train))
    steps = int(train.cardinality())
    resident = tf.data.Dataset.from_tensors(batch).cache().repeat(steps)
    model = PLE(data.schema)
    model.compile(optimizer=gc.optimizers.LazyAdam(1e-3), balancing=arguments.balancing)
    model.fit(resident.take(2), verbose=0)

    def read() -> None:
        for _ in train:
            pass

    passes = {
        "input alone": read,
        "training on the input": lambda: model.fit(train, verbose=0),
        "training on one resident batch": lambda: model.fit(resident, verbose=0),
    }
    times: dict[str, list[float]] = {name: [] for name in passes}
    for _ in range(arguments.rounds):
        for name, run in passes.items():
            start = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(seconds) for name, seconds in times.items()}
    print(f"{data.rows['train']:,} rows, {steps} steps of {arguments.batch_size}, {arguments.rounds} rounds")
    for name, seconds in times.items():
        print(f"{name:32s} median {medians[name]:7.2f} s   min {min(seconds):7.2f}   max {max(seconds):7.2f}")
    for kind, of in (("medians", statistics.median), ("minima", min)):
        alone, trained, resident_time = (of(seconds) for seconds in times.values())
        shares = f"input alone / training {alone / trained:.3f}, on the input / on one resident batch "
        print(f"ratios of {kind}: {shares}{trained / resident_time:.2f}")


if __name__ == "__main__":
    main()
