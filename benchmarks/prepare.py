"""Time and memory of preparation: `python benchmarks/prepare.py --rows 1e7 --memory-limit 2GB`.

Writes a log of 40 columns (two keys, time and day, six labels, 22 further categories, eight numbers) as Parquet, a
piece at a time, and prepares it in a process of its own: 10-core, split by time, historical rates of six keys for all
six tasks. The log stays where it is (`--folder`), so that a second call measures at once.
"""

import argparse
import json
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

TASKS = {f"label_{number}": rate for number, rate in enumerate((0.4, 0.25, 0.1, 0.03, 0.01, 0.002))}
INTEGERS = tuple(f"integer_{number}" for number in range(14))
TEXTS = {f"text_{number}": size for number, size in enumerate((4, 8, 20, 50, 200, 1000, 5000, 20_000))}
NUMBERS = tuple(f"number_{number}" for number in range(8))
KEYS = ("user_id", "item_id", "integer_9", "integer_13", "text_5", "user_id_x_text_0")
DAYS = 14


def write_log(path: Path, rows: int, piece: int = 500_000) -> None:
    """Writes the log; at most a piece of it is in memory."""
    random, writer = np.random.default_rng(0), None
    beside = path.with_suffix(".partial")
    users, items = max(2, rows // 60), max(2, rows // 150)
    for start in range(0, rows, piece):
        n = min(piece, rows - start)
        user = np.minimum((users * random.random(n) ** 1.7).astype(np.int64), users - 1)
        item = np.minimum((items * random.random(n) ** 1.7).astype(np.int64), items - 1)
        seconds = random.integers(0, DAYS * 86_400, n)
        columns = {"user_id": user * 7 + 1, "item_id": item * 3 + 2, "time": seconds, "day": seconds // 86_400 + 1}
        columns |= {name: (random.random(n) < rate).astype(np.int64) for name, rate in TASKS.items()}
        for number, name in enumerate(INTEGERS):
            mixed = (user * (number + 3) + item * number) % (3 + 7 * (number + 1) ** 2)
            columns[name] = mixed if number < 10 else item // (number - 8)
        for number, (name, size) in enumerate(TEXTS.items()):
            codes = pa.array(((user * (number + 1) + item) % size).astype(np.int32))
            values = pa.array([f"value {value:06d}" for value in range(size)])
            columns[name] = pa.DictionaryArray.from_arrays(codes, values).cast(pa.string())
        for name in NUMBERS:
            values = np.round(np.exp(random.normal(size=n)), 4)
            columns[name] = pa.array(np.where(random.random(n) < 0.05, np.nan, values), from_pandas=True)
        table = pa.table(columns)
        writer = writer or pq.ParquetWriter(beside, table.schema)
        writer.write_table(table, row_group_size=250_000)
    if writer is not None:
        writer.close()
        # A log that was cut off must not be taken for a whole one.
        beside.rename(path)


def prepare_log(path: Path, out: Path, memory_limit: str, threads: int, duplicates: str) -> None:
    """Prepares the log and prints what it took as one line of JSON."""
    from tf_gradcraft.data_pipelines import Options, TableSpec, prepare

    spec = TableSpec(
        user="user_id",
        item="item_id",
        time="time",
        date="day",
        tasks=tuple(TASKS),
        categorical={
            **dict.fromkeys(("user_id", "item_id", *INTEGERS), "int64"),
            **dict.fromkeys(TEXTS, "string"),
        },
        numeric=dict.fromkeys(NUMBERS, "log1p"),
        crosses=(("user_id", "text_0"),),
        statistic_keys=KEYS,
    )
    options = Options(split="date", valid_from=11, test_from=13, k_core=10, memory_limit=memory_limit, threads=threads)
    start = last = time.perf_counter()
    steps: list[list] = []

    def progress(text: str) -> None:
        nonlocal last
        now = time.perf_counter()
        if steps:
            steps[-1].append(round(now - last, 1))
        steps.append([text])
        last = now

    data = prepare(path, spec, out, duplicates=duplicates, options=options, progress=progress)
    steps[-1].append(round(time.perf_counter() - last, 1))
    found = {
        "seconds": round(time.perf_counter() - start, 1),
        "peak_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2),
        "rows": data.rows,
        "steps": steps,
        "written_gb": round(sum(file["bytes"] for file in data.manifest["outputs"].values()) / 1e9, 2),
    }
    print(json.dumps(found))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=lambda text: int(float(text)), default=10_000_000)
    parser.add_argument("--memory-limit", default="4GB", help="of DuckDB")
    parser.add_argument("--threads", type=int, default=2, help="of DuckDB")
    parser.add_argument("--duplicates", choices=("keep", "drop"), default="keep")
    parser.add_argument("--folder", type=Path, default=Path("build/prepare"))
    parser.add_argument("--only", choices=("write", "prepare"), help="one step, in this process")
    arguments = parser.parse_args()

    arguments.folder.mkdir(parents=True, exist_ok=True)
    log, out = arguments.folder / f"log_{arguments.rows}.parquet", arguments.folder / "prepared"
    if arguments.only == "write":
        write_log(log, arguments.rows)
    elif arguments.only == "prepare":
        shutil.rmtree(out, ignore_errors=True)
        prepare_log(log, out, arguments.memory_limit, arguments.threads, arguments.duplicates)
    else:
        # Each step gets a process of its own: the peak is that of the preparation alone.
        for step in ("write", "prepare") if not log.exists() else ("prepare",):
            subprocess.run([sys.executable, __file__, *sys.argv[1:], "--only", step], check=True)
        shutil.rmtree(out, ignore_errors=True)


if __name__ == "__main__":
    main()
