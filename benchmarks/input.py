"""How fast each way of reading is, and how much of training is spent waiting for it: `python benchmarks/input.py`.

Rows: 40 integer features and six tasks, drawn at random and written once to `--folder`; or those of a prepared folder
(`--prepared`). The ways of reading take turns, pass by pass. Then PLE trains with GradCraft on each way of reading and
on one batch that is always there, some steps in turn; waiting is the time from asking for a batch to having it. Prints
medians over turns.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf

import tf_gradcraft as gc
from tf_gradcraft.data_pipelines import Feature, PreparedData, Schema, Task, TFRecordData
from tf_gradcraft.data_pipelines.manifest import describe_file
from tf_gradcraft.models import PLE

IDS, FEATURES, TASKS, ROWS_PER_GROUP = 10_000, 40, 6, 65_536
RECORD_ROWS = 200_000


def write_folder(folder: Path, rows: dict[str, int]) -> None:
    """Writes a prepared folder of random rows, with files of a million rows."""
    random = np.random.default_rng(0)
    features = tuple(Feature(name=f"f{n}", kind="categorical", dtype="int64", size=IDS) for n in range(FEATURES))
    schema = Schema(features=features, tasks=tuple(Task(name=f"t{n}") for n in range(TASKS)))
    schema.save(folder)
    for split, count in rows.items():
        (folder / split).mkdir()
        for number, start in enumerate(range(0, count, 1_000_000)):
            size = min(1_000_000, count - start)
            columns = {name: random.integers(0, IDS, size, dtype=np.int32) for name in schema.feature_names}
            columns |= {"group": random.integers(0, IDS, size)}
            columns |= {task: random.integers(0, 2, size).astype(np.float32) for task in schema.task_names}
            path = folder / split / f"part-{number:05d}.parquet"
            integers = [*schema.feature_names, "group"]
            pq.write_table(
                pa.table(columns), path, compression="zstd", use_dictionary=integers, row_group_size=ROWS_PER_GROUP
            )
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    manifest = {
        "dataset": "random",
        "library_version": "",
        "arguments": {},
        "inputs": {},
        "label_rates": {},
        "rows": rows,
    }
    manifest["outputs"] = {path.relative_to(folder).as_posix(): describe_file(path) for path in files}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def seconds_of(run) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def read(dataset: tf.data.Dataset) -> None:
    for _ in dataset:
        pass


def rates(datasets: dict[str, tf.data.Dataset], rows: dict[str, int], turns: int) -> None:
    """Prints rows a second of one pass through each data set."""
    times: dict[str, list[float]] = {name: [] for name in datasets}
    for dataset in datasets.values():
        read(dataset.take(2))
    for _ in range(turns):
        for name, dataset in datasets.items():
            times[name].append(seconds_of(lambda dataset=dataset: read(dataset)))
    print("\n| reading | rows a second, median | slowest turn | fastest turn |\n| --- | ---: | ---: | ---: |")
    for name, seconds in times.items():
        of = [rows[name] / value for value in (statistics.median(seconds), max(seconds), min(seconds))]
        print(f"| {name} | {of[0]:,.0f} | {of[1]:,.0f} | {of[2]:,.0f} |", flush=True)


def waiting(schema: Schema, datasets: dict[str, tf.data.Dataset], turns: int, steps: int) -> None:
    """Prints the share of the time that a training waits for each data set, which must not end."""
    model = PLE(schema)
    model.compile(optimizer=gc.optimizers.LazyAdam(1e-3), balancing="gradcraft")
    train_step = tf.function(lambda batch: model.train_step(batch)["loss"])
    batch = next(iter(next(iter(datasets.values()))))
    datasets = {**datasets, "one batch, always there": tf.data.Dataset.from_tensors(batch).cache().repeat()}
    iterators = {name: iter(dataset) for name, dataset in datasets.items()}
    for iterator in iterators.values():
        train_step(next(iterator)).numpy()
    waited: dict[str, list[float]] = {name: [] for name in datasets}
    totals: dict[str, list[float]] = {name: [] for name in datasets}
    for _ in range(turns):
        for name, iterator in iterators.items():
            wait, start = 0.0, time.perf_counter()
            for _ in range(steps):
                asked = time.perf_counter()
                batch = next(iterator)
                wait += time.perf_counter() - asked
                train_step(batch).numpy()
            totals[name].append((time.perf_counter() - start) / steps)
            waited[name].append(wait / steps)
    plain = statistics.median(totals["one batch, always there"])
    print("\n| training on | ms a step | of it waiting, ms | share | step / step on one batch |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for name in datasets:
        share = statistics.median(w / t for w, t in zip(waited[name], totals[name], strict=True))
        total, wait = statistics.median(totals[name]), statistics.median(waited[name])
        print(f"| {name} | {1e3 * total:.0f} | {1e3 * wait:.2f} | {share:.1%} | {total / plain:.2f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("build/input"), help="where the random rows are kept")
    parser.add_argument("--prepared", type=Path, help="measure on this prepared folder instead")
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--batch-size", type=int, default=4096)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--steps", type=int, default=20, help="training steps a turn; 0: no training")
    arguments = parser.parse_args()

    folder = arguments.prepared or arguments.folder / f"rows-{arguments.rows}"
    records = arguments.folder / ("records" if arguments.prepared is None else f"records-{folder.name}")
    if arguments.prepared is None and not (folder / "manifest.json").is_file():
        write_folder(folder, {"train": arguments.rows, "valid": 1000, "test": 1000})
    data = PreparedData(folder)
    if not records.is_dir():
        source = data
        if arguments.prepared is None:
            few = arguments.folder / "few"
            write_folder(few, {"train": RECORD_ROWS, "valid": 1000, "test": 1000})
            source = PreparedData(few)
        seconds = seconds_of(lambda: source.to_tfrecord(records))
        print(f"TFRecord files written: {sum(source.rows.values()) / seconds:,.0f} rows a second")
    size = arguments.batch_size
    modes = {
        "memory, shuffled": data.load(size, mode="memory")[0],
        "streaming, shuffled": data.load(size, mode="streaming")[0],
        "streaming, in order": data.load(size, mode="streaming", shuffle=False)[0],
        "TFRecord, shuffled": TFRecordData(records).load(size)[0],
        "TFRecord, in order": TFRecordData(records).load(size, shuffle=False)[0],
    }
    rows = dict.fromkeys(modes, data.rows["train"])
    rows |= {name: TFRecordData(records).rows["train"] for name in modes if name.startswith("TFRecord")}
    print(f"{data.rows['train']:,} rows, {len(data.schema.features)} features, {len(data.schema.tasks)} tasks, {size=}")
    rates(modes, rows, arguments.turns)
    if arguments.steps:
        streams = {mode: data.load(size, mode=mode, repeat=True)[0] for mode in ("memory", "streaming")}
        streams["TFRecord"] = TFRecordData(records).load(size)[0].repeat()
        waiting(data.schema, streams, arguments.turns, arguments.steps)


if __name__ == "__main__":
    main()
