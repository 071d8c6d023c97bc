"""Turns the figures of `step_time.py` into the tables and the chart of docs/performance.md."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

DOCS = Path(__file__).resolve().parent.parent / "docs"
MARKS = ("<!-- figures of benchmarks/step_time.py -->", "<!-- end of figures -->")
PLAIN, KERAS = "lazy adam", "keras adam"
SIZES = {100_000: "10^5", 1_000_000: "10^6", 10_000_000: "10^7"}
# What one batch looks up: rows x lookups x dimension x 4 bytes, in MB; times T this is all row gradients.
ROWS_MB = 2048 * 8 * 16 * 4 / 1e6


def write_report(figures: Path) -> None:
    """Replaces the figures in docs/performance.md and draws docs/step_time.png."""
    read = {file.stem: pd.DataFrame(json.loads(file.read_text())) for file in sorted(figures.glob("*.json"))}
    times = pd.concat([table for name, table in read.items() if name.startswith("times of")])
    memory = pd.concat([table for name, table in read.items() if name.startswith("memory of")])
    text = "\n\n".join(
        [
            "### Six tasks, ms a step (median; minimum in brackets)",
            six_tasks(read["times of 6 tasks"]),
            "### By number of tasks: ratio to plain LazyAdam (plain LazyAdam itself: ms)",
            by_tasks(times),
            "### Against the dense engine, and against matrix products alone",
            dense_and_floor(read["dense engine"], read["floor"]),
            "### Peak memory of a step above variables and slots, six tasks, MB",
            peak_memory(memory),
            "### The same by number of tasks, V = 10^7, MB (in brackets: in row gradients of all T tasks)",
            peak_by_tasks(memory),
        ]
    )
    page = DOCS / "performance.md"
    content = page.read_text(encoding="utf-8")
    before, after = content.split(MARKS[0])[0], content.split(MARKS[1])[1]
    page.write_text(f"{before}{MARKS[0]}\n\n{text}\n\n{MARKS[1]}{after}", encoding="utf-8")
    draw(times, DOCS / "step_time.png")


def markdown(table: pd.DataFrame) -> str:
    """Returns a table in Markdown, its index the first column."""
    lines = [[table.index.name or "", *map(str, table.columns)], ["---"] + ["---:"] * len(table.columns)]
    lines += [[str(name), *map(str, row)] for name, row in zip(table.index, table.to_numpy(), strict=True)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def six_tasks(table: pd.DataFrame) -> str:
    """Returns times and ratios of the cell in which all table sizes ran side by side."""
    median = table.pivot_table(index="mode", columns="rows", values="median", sort=False)
    minimum = table.pivot_table(index="mode", columns="rows", values="minimum", sort=False)
    result = pd.DataFrame(index=median.index.rename("mode"))
    for rows, size in SIZES.items():
        pairs = zip(median[rows], minimum[rows], strict=True)
        result[f"V = {size}"] = [f"{middle:.0f} ({low:.0f})" for middle, low in pairs]
    for base, name in ((PLAIN, "LazyAdam"), (KERAS, "Keras Adam")):
        for rows, size in SIZES.items():
            result[f"/ {name}, {size}"] = (median[rows] / median[rows][base]).map("{:.2f}".format)
    result["10^7 / 10^5"] = (median[10_000_000] / median[100_000]).map("{:.2f}".format)
    return markdown(result)


def by_tasks(times: pd.DataFrame) -> str:
    """Returns the ratio of each mode to plain LazyAdam of the same cell."""
    rows = {}
    for (size, tasks), cell in times.sort_values(["rows", "tasks"]).groupby(["rows", "tasks"]):
        median = cell.set_index("mode")["median"]
        ratios = {mode: f"{value / median[PLAIN]:.2f}" for mode, value in median.items() if mode != PLAIN}
        rows[f"V = {SIZES[size]}, T = {tasks}"] = {f"{PLAIN}, ms": f"{median[PLAIN]:.0f}", **ratios}
    return markdown(pd.DataFrame(rows).T)


def dense_and_floor(dense: pd.DataFrame, floor: pd.DataFrame) -> str:
    """Returns the dense engine beside ours, and what the experts' matrix products alone take."""
    labelled = [(f"{row.mode}, V = 10^6", row) for row in dense.itertuples()]
    names = {"one pass": "matrix products, one pass back", "a pass a task": "matrix products, a pass back a task"}
    labelled += [(names[row.mode], row) for row in floor.itertuples()]
    rows = {name: {"median ms": f"{row.median:.0f}", "minimum ms": f"{row.minimum:.0f}"} for name, row in labelled}
    return markdown(pd.DataFrame(rows).T)


def peak_memory(memory: pd.DataFrame) -> str:
    """Returns the peaks of six tasks by table size."""
    peak = memory[memory["tasks"] == 6].pivot_table(index="mode", columns="rows", values="peak", sort=False)
    result = pd.DataFrame(index=peak.index.rename("mode"))
    for rows, size in SIZES.items():
        result[f"V = {size}"] = peak[rows].map(lambda value: "" if pd.isna(value) else f"{value:.0f}")
    return markdown(result)


def peak_by_tasks(memory: pd.DataFrame) -> str:
    """Returns the peaks at V = 10^7, and as multiples of T x batch x lookups x dimension x 4 bytes."""
    largest = memory[memory["rows"] == 10_000_000]
    peak = largest.pivot_table(index="tasks", columns="mode", values="peak", sort=False).sort_index()
    rows = {
        f"T = {tasks}": {mode: f"{value:.0f} ({value / (tasks * ROWS_MB):.1f})" for mode, value in of_modes.items()}
        for tasks, of_modes in peak.iterrows()
    }
    return markdown(pd.DataFrame(rows).T)


def draw(times: pd.DataFrame, path: Path) -> None:
    """Draws step time by table size at six tasks, and ratio to plain training by number of tasks."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    six = times[times["tasks"] == 6]
    small = times[times["rows"] == 100_000]
    plain = small[small["mode"] == PLAIN].set_index("tasks")["median"]
    for mode in dict.fromkeys(times["mode"]):
        by_size = six[six["mode"] == mode].sort_values("rows")
        left.plot(by_size["rows"], by_size["median"], marker="o", label=mode)
        by_task = small[small["mode"] == mode].sort_values("tasks").set_index("tasks")["median"]
        right.plot(by_task.index, by_task / plain[by_task.index], marker="o", label=mode)
    left.set(xscale="log", yscale="log", xlabel="rows of the table", ylabel="ms a step", title="Six tasks")
    right.set(xscale="log", xlabel="tasks", ylabel="step time / plain LazyAdam", title="Table of 100,000 rows")
    ticks = sorted(small["tasks"].unique())
    right.set_xticks(ticks, [str(tick) for tick in ticks])
    right.minorticks_off()
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.set_ylim(bottom=0 if axes is right else None)
    left.legend()
    figure.savefig(path, dpi=110)
    plt.close(figure)
