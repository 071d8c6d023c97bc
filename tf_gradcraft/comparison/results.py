"""What came out of a comparison, as data frames read from its run folders."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from tf_gradcraft.comparison.method import SINGLE, Method
from tf_gradcraft.comparison.plan import Group, Plan
from tf_gradcraft.comparison.runs import (
    COST_FILE,
    Part,
    choice_file,
    counting_run,
    parts_of,
    trial_runs,
)
from tf_gradcraft.comparison.spaces import Trial
from tf_gradcraft.files.json_files import read_json
from tf_gradcraft.files.run_folder import HISTORY_FILE, METRICS_FILE, TEST_FILE
from tf_gradcraft.metrics.multi_task_gain import relative_improvements

METRICS = {"auc": "AUC", "gauc": "group AUC"}
MEANS = {"auc": "AV-A", "gauc": "AV-G"}
IMPROVEMENTS = {"auc": "RI-A", "gauc": "RI-G"}
COSTS = ("seconds", "cpu_seconds", "epochs", "peak_memory")
_ANY = Trial(learning_rate=1.0, dropout=0.0, settings={})


def read_models(plan: Plan, out: Path) -> pd.DataFrame:
    """Returns the models that were evaluated on the test part, one a row.

    Returns:
        A frame with the columns `method`, `tasks` (joined by commas), `seed`, `epoch` (the kept one), `epochs`,
        `seconds` (of training alone), `process_seconds` and `cpu_seconds` (of the whole training process, its start
        and reading included), `peak_memory` (of that process, in bytes), `jobs` and, of the test part,
        `<task>_<metric>`. What is not known is NaN.
    """
    rows = []
    for part in parts_of(plan):
        for seed in plan.seeds:
            folder = out / counting_run(part, _ANY, seed).name
            if (folder / TEST_FILE).is_file():
                row = {"method": part.method.label, "tasks": ",".join(part.tasks), "seed": seed}
                rows.append(row | _values(folder))
    return pd.DataFrame(rows, columns=None if rows else ["method", "tasks", "seed"])


def _values(folder: Path) -> dict[str, Any]:
    trained, cost = read_json(folder / METRICS_FILE), folder / COST_FILE
    train = (known := read_json(cost) if cost.is_file() else {}).get("train", {})
    history = read_json(folder / HISTORY_FILE)
    return {
        "epoch": trained["epoch"],
        "epochs": len(next(iter(history.values()))),
        "seconds": trained["seconds"],
        "process_seconds": train.get("seconds", math.nan),
        "cpu_seconds": train.get("cpu_seconds", math.nan),
        "peak_memory": train.get("peak_memory", math.nan),
        "jobs": known.get("jobs"),
        **read_json(folder / TEST_FILE)["metrics"],
    }


def scores(models: pd.DataFrame, plan: Plan, group: Group) -> pd.DataFrame:
    r"""Returns the values of the papers' tables, one row a method and seed.

    $\text{AV} = \frac{1}{T} \sum_t m_t$ and $\text{RI} = \frac{100}{T} \sum_t (m_t / s_t - 1)$, with $m_t$ the
    metric of task t (AUC: AV-A, RI-A; group AUC: AV-G, RI-G) and $s_t$ that of the single-task models, the mean over
    their seeds. A task whose metric is nowhere defined, as group AUC may be, is left out of the means.

    Args:
        models: What `read_models` returns.
        plan: The plan.
        group: The table.

    Returns:
        A frame with the columns `method`, `seed`, `<task>_auc`, `<task>_gauc`, AV-A, RI-A, AV-G, RI-G, `seconds`,
        `cpu_seconds`, `epochs` and `peak_memory` (single-task models: the largest memory, and of the others the sum).
        A method and seed of which a model is missing has no row.
    """
    rows = [
        row
        for label in group.labels
        for seed in plan.seeds
        if (row := _one_row(models, plan.method(label), group.tasks, seed)) is not None
    ]
    columns = [f"{task}_{metric}" for metric in METRICS for task in group.tasks]
    frame = pd.DataFrame(rows, columns=["method", "seed", *columns, *COSTS])
    # What is nowhere known is None everywhere, which pandas takes for objects.
    frame = frame.astype(dict.fromkeys([*columns, *COSTS], float))
    for metric in METRICS:
        tasks = [task for task in group.tasks if frame[f"{task}_{metric}"].notna().any()]
        frame[MEANS[metric]] = frame[[f"{task}_{metric}" for task in tasks]].mean(axis=1, skipna=False)
        frame[IMPROVEMENTS[metric]] = _improvements(frame, tasks, metric)
    return frame


def _one_row(models: pd.DataFrame, method: Method, tasks: Sequence[str], seed: int) -> dict[str, Any] | None:
    found = models[(models["method"] == method.label) & (models["seed"] == seed)]
    if method.balancing == SINGLE:
        found = found[found["tasks"].isin(tasks)]
    if len(found) < (len(tasks) if method.balancing == SINGLE else 1):
        return None
    row: dict[str, Any] = {"method": method.label, "seed": seed}
    for name in (f"{task}_{metric}" for task in tasks for metric in METRICS):
        row[name] = found[name].max() if name in found else float("nan")
    costs = {name: found[name].sum(min_count=len(found)) for name in COSTS if name != "peak_memory"}
    return row | costs | {"peak_memory": found["peak_memory"].max()}


def _improvements(frame: pd.DataFrame, tasks: Sequence[str], metric: str) -> list[float]:
    single = frame[frame["method"] == SINGLE]
    if not tasks or single.empty:
        return [float("nan")] * len(frame)
    base = {task: {metric: single[f"{task}_{metric}"].mean()} for task in tasks}
    improvements = []
    for _, row in frame.iterrows():
        by_task = relative_improvements({task: {metric: row[f"{task}_{metric}"]} for task in tasks}, base)
        improvements.append(100 * sum(by_task.values()) / len(by_task))
    return improvements


def summary(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Returns mean and standard deviation (n - 1) over seeds of each value of `scores`, methods in their order.

    Args:
        frame: What `scores` returns.

    Returns:
        Two frames with the index `method`; the first also has `seeds`, the number of seeds.
    """
    by_method = frame.groupby("method", sort=False)
    values = [name for name in frame.columns if name not in ("method", "seed")]
    return by_method[values].mean().assign(seeds=by_method.size()), by_method[values].std(ddof=1)


def choices(plan: Plan, out: Path) -> pd.DataFrame:
    """Returns what the searches chose, one model a row.

    Returns:
        A frame with the columns `method`, `tasks`, `tried` (trials that succeeded), `trials` (all of them), `chosen`
        (the trial's number; 0 is the defaults), `learning_rate`, `dropout`, `settings`, `valid` (the value that
        decided), `valid_of_defaults` and `seconds` (of all trials' processes).
    """
    rows = []
    for part in parts_of(plan) if plan.trials else []:
        if choice_file(part, out).is_file():
            found = read_json(choice_file(part, out))
            values = [of["valid"] for of in found["tried"]]
            rows.append(
                {
                    "method": part.method.label,
                    "tasks": ",".join(part.tasks),
                    "tried": sum(value is not None for value in values),
                    "trials": len(values),
                    "chosen": found["trial"],
                    **found["chosen"],
                    "valid": values[found["trial"]],
                    "valid_of_defaults": values[0],
                    "seconds": _search_seconds(plan, part, out),
                }
            )
    return pd.DataFrame(rows)


def _search_seconds(plan: Plan, part: Part, out: Path) -> float:
    files = [out / run.name / COST_FILE for run in trial_runs(plan, part)]
    return sum(read_json(file)["train"]["seconds"] for file in files if file.is_file())
