"""Times training steps through `model.fit`, mode against mode, and writes docs/performance.md.

`python benchmarks/step_time.py` measures everything (over an hour on two cores; called again it goes on where it
stopped) and writes the tables and the chart of docs/performance.md;
`python benchmarks/step_time.py cell --tasks 6 --rows 100000 --modes "lazy adam" exact` measures what you name and
prints it.

All modes of a cell run in one process, turn by turn: ten steps of the first, ten of the second, and so on, then again.
A figure is the median over the turns of a turn's mean step time; ratios are of medians within one cell, because on a
shared machine only what ran side by side can be compared.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


def measure_times(args: argparse.Namespace) -> list[dict]:
    """Returns median and minimum step times in ms of each mode and table size."""
    import keras
    import numpy as np
    from step_network import make_data, make_model

    class Clock(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            self.first = None

        def on_train_batch_begin(self, batch, logs=None):
            self.first = self.first or time.perf_counter()

        def on_train_batch_end(self, batch, logs=None):
            self.last = time.perf_counter()

    clock, runs = Clock(), {}
    for rows in args.rows:
        data = make_data(args.tasks, rows)
        for mode in args.modes:
            model = make_model(mode, args.tasks, rows, args.jit_compile)
            begun = time.perf_counter()
            model.fit(data, steps_per_epoch=1, verbose=0, shuffle=False)
            first = time.perf_counter() - begun
            model.fit(data, steps_per_epoch=args.steps, verbose=0, shuffle=False)
            runs[mode, rows] = (model, data, first, [])
    for _ in range(args.turns):
        for model, data, _, times in runs.values():
            model.fit(data, steps_per_epoch=args.steps, verbose=0, shuffle=False, callbacks=[clock])
            times.append((clock.last - clock.first) / args.steps * 1e3)
    return [
        {
            "tasks": args.tasks,
            "rows": rows,
            "mode": mode,
            "median": float(np.median(times)),
            "minimum": min(times),
            "first": first,
        }
        for (mode, rows), (_, _, first, times) in runs.items()
    ]


def allocations(model: Any, data: Any, steps: int) -> list[int]:
    """Returns the bytes that TensorFlow's CPU allocator held at each allocation while steps ran."""
    import tempfile

    import tensorflow as tf
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    with tempfile.TemporaryDirectory() as folder:
        tf.profiler.experimental.start(folder)
        model.fit(data, steps_per_epoch=steps, verbose=0, shuffle=False)
        tf.profiler.experimental.stop()
        space = xplane_pb2.XSpace()
        space.ParseFromString(next(Path(folder).rglob("*.xplane.pb")).read_bytes())
    used = []
    for plane in space.planes:
        for event in (event for line in plane.lines for event in line.events):
            if plane.event_metadata[event.metadata_id].name == "MemoryAllocation":
                stats = {plane.stat_metadata[stat.metadata_id].name: stat for stat in event.stats}
                used.append(stats["bytes_allocated"].int64_value or stats["bytes_allocated"].uint64_value)
    return used


def measure_memory(args: argparse.Namespace) -> list[dict]:
    """Returns the peak of TensorFlow's CPU allocator during steps, less the variables and slots, in MB.

    Each cell in a process of its own: the variables of a model before it may still be held, and would count.
    """
    cells = [(mode, rows) for mode in args.modes for rows in args.rows]
    if len(cells) > 1:
        settings = {"tasks": args.tasks, "steps": args.steps}
        return [result for mode, rows in cells for result in measure("memory", rows=rows, modes=[mode], **settings)]
    # oneDNN's allocator tells the profiler what it holds; TensorFlow's other one, on a CPU without AVX-512, does not.
    os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"
    from step_network import make_data, make_model, variable_bytes

    [(mode, rows)] = cells
    model, data = make_model(mode, args.tasks, rows), make_data(args.tasks, rows, batches=2)
    model.fit(data, steps_per_epoch=2, verbose=0, shuffle=False)
    peak = (max(allocations(model, data, args.steps)) - variable_bytes(model)) / 1e6
    return [{"tasks": args.tasks, "rows": rows, "mode": mode, "peak": peak}]


def measure(what: str, **settings) -> list[dict]:
    """Measures in a process of its own."""
    options = [
        part
        for name, value in settings.items()
        for part in (f"--{name}", *map(str, value if isinstance(value, list) else [value]))
    ]
    print("measuring", what, *options, flush=True)
    command = [sys.executable, __file__, what, *options]
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]


def all_cells() -> dict[str, tuple[str, dict]]:
    """Returns what is measured, by the name of the file that keeps it: what of `measure` to call, and its settings."""
    five = ["keras adam", "lazy adam", "exact", "representation", "every 10"]
    sizes = [100_000, 1_000_000, 10_000_000]
    cells = {"times of 6 tasks": ("cell", {"tasks": 6, "rows": sizes, "modes": five, "turns": 14})}
    cells["dense engine"] = ("cell", {"tasks": 6, "rows": 1_000_000, "modes": ["lazy adam", "exact", "dense engine"]})
    cells["floor"] = ("floor", {"tasks": 6})
    for tasks in (32, 16, 8, 4, 2):
        for rows in sizes:
            settings = {"tasks": tasks, "rows": rows, "modes": five, "turns": 4}
            cells[f"times of {tasks} tasks, {rows} rows"] = ("cell", settings)
    cells["memory of the dense engine"] = ("memory", {"tasks": 6, "rows": 1_000_000, "modes": ["dense engine"]})
    for tasks in (6, 32, 16, 8, 4, 2):
        for mode in five:
            settings = {"tasks": tasks, "rows": sizes, "modes": [mode], "steps": 3}
            cells[f"memory of {mode}, {tasks} tasks"] = ("memory", settings)
    return cells


def measure_all(out: Path) -> None:
    """Measures every cell, keeps the figures in `out` (a cell that is there is not measured again), and reports."""
    out.mkdir(parents=True, exist_ok=True)
    for name, (what, settings) in all_cells().items():
        file = out / f"{name}.json"
        if not file.exists():
            file.write_text(json.dumps(measure(what, **settings), indent=1))
    from step_report import write_report

    write_report(out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", default="all", choices=["all", "cell", "memory", "floor"])
    parser.add_argument("--tasks", type=int, default=6)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000])
    parser.add_argument("--modes", nargs="+", default=["lazy adam", "exact", "representation", "every 10"])
    parser.add_argument("--turns", type=int, default=8)
    parser.add_argument("--steps", type=int, default=10, help="steps a turn")
    parser.add_argument("--jit-compile", action="store_true")
    parser.add_argument("--out", type=Path, default=HERE.parent / "build" / "step_time", help="where figures are kept")
    args = parser.parse_args()
    if args.what == "all":
        measure_all(args.out)
        return
    if args.what == "floor":
        from matrix_floor import measure_floor

        results = measure_floor(args.tasks, args.turns)
    else:
        results = measure_times(args) if args.what == "cell" else measure_memory(args)
    for result in results:
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
