"""The steps of the demo."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.csv
import pyarrow.parquet as pq
import tensorflow as tf
from rich.table import Table

from tf_gradcraft import serving
from tf_gradcraft.cli.comparison import METRICS, Comparison, compare_metrics, comparison_table, draw_comparison
from tf_gradcraft.cli.console import Steps, results
from tf_gradcraft.cli.evaluation import evaluate_model
from tf_gradcraft.cli.runs import TrainConfig, new_run
from tf_gradcraft.cli.tables import rates_table
from tf_gradcraft.cli.training import open_training, train_model, write_run
from tf_gradcraft.data_pipelines import PreparedData, datasets
from tf_gradcraft.files.json_files import write_json
from tf_gradcraft.files.run_folder import TEST_FILE
from tf_gradcraft.metrics import auc

METHODS = {"plain sum": "sum", "GradCraft": "gradcraft"}
SETTINGS: dict[str, Any] = {
    "model": "ple",
    "epochs": 8,
    "patience": 2,
    "batch_size": 1024,
    "model_settings": {"expert_units": [128, 64]},
}
TEST_FROM = 13
ROWS_SHOWN = 4


def make_data(folder: Path, rows: int, seed: int) -> None:
    """Draws the log, writes it as raw CSV, prepares it and shows rows and label rates."""
    with Steps() as step:
        step(f"writing raw CSV files: {folder / 'raw'}")
        log = datasets.Synthetic.write(folder / "raw", rows=rows, seed=seed)
        data = log.prepare(folder / "prepared", test_from=TEST_FROM, seed=seed, progress=step)
    results.print(rates_table("Rows and label rates, split by day", data.rows, data.manifest["label_rates"]))


def train_and_test(folder: Path, balancing: str, seed: int) -> tuple[Any, dict[str, float]]:
    """Trains one method as `tf-gradcraft train` does, and evaluates its best epoch on the test part."""
    config = TrainConfig(
        prepared=str((folder / "prepared").resolve()),
        balancing=balancing,
        seed=seed,
        **SETTINGS,
    )
    job = open_training(config)
    run = folder / "runs" / balancing
    with new_run(run, overwrite=False) as beside:
        trained = train_model(job)
        write_run(beside, job, trained)
    metrics = evaluate_model(trained.model, job.data, "test")
    write_json(run / TEST_FILE, {"split": "test", "rows": job.data.rows["test"], "metrics": metrics})
    results.print(f"kept epoch {trained.epoch} of {len(trained.history['loss'])}, {trained.seconds:.0f} s")
    return trained.model, metrics


def compare(folder: Path, shown_as: Path, metrics: Mapping[str, Mapping[str, float]]) -> Comparison:
    """Shows the methods side by side, and writes comparison.json and comparison.png."""
    tasks = PreparedData(folder / "prepared").schema.task_names
    comparison = compare_metrics(metrics, tasks, best_possible(folder / "raw", tasks))
    for metric in METRICS:
        results.print(comparison_table(comparison, metric))
    write_json(folder / "comparison.json", comparison.to_dict())
    draw_comparison(comparison, folder / "comparison.png")
    results.print(f"Chart: {shown_as / 'comparison.png'}", soft_wrap=True)
    return comparison


def best_possible(raw: Path, tasks: tuple[str, ...]) -> dict[str, float]:
    """Returns the AUC of the true probabilities on the test days: no model can do better, but by luck."""
    log = pyarrow.csv.read_csv(raw / "log.csv").to_pandas()
    truth = pq.read_table(raw / datasets.synthetic.TRUTH_FILE).to_pandas()
    test = (log["day"] >= TEST_FROM).to_numpy()
    return {task: float(auc(log[task].to_numpy()[test], truth[task].to_numpy()[test])) for task in tasks}


def serve(folder: Path, shown_as: Path, model: Any) -> None:
    """Exports a model, reloads it as a server does, and shows predictions on raw features."""
    with Steps() as step:
        step("writing the export")
        path = serving.export(model, folder / "export" / "ranker", version=1)
        step("reloading it with tf.saved_model.load")
        served = tf.saved_model.load(path).signatures["serving_default"]
        raw = raw_rows(folder / "raw", ROWS_SHOWN)
        dtypes = {name: spec.dtype for name, spec in served.structured_input_signature[1].items()}
        step("asking it for predictions")
        predicted = served(**{name: tf.constant(raw[name], dtypes[name]) for name in dtypes})
    tasks = model.schema.task_names
    shown = ["user_id", "video_id", "category"]
    table = Table(
        title=f"{ROWS_SHOWN} rows: some of the {len(dtypes)} raw features, and the predictions", title_justify="left"
    )
    for column in (*shown, *tasks):
        table.add_column(column, justify="left" if column == "category" else "right")
    for row in range(ROWS_SHOWN):
        values = [str(raw[name][row]) for name in shown]
        table.add_row(*values, *(f"{float(predicted[task][row, 0]):.3f}" for task in tasks))
    results.print(table)
    results.print("The last row is a user and a video that the log does not have.")
    results.print(f"Export: {shown_as / 'export' / 'ranker' / '1'}", soft_wrap=True)


def raw_rows(raw: Path, rows: int) -> dict[str, list[Any]]:
    """Returns raw features of the last rows of the log, the last of them with an unknown user and video."""
    tables = [pyarrow.csv.read_csv(raw / f"{name}.csv").to_pandas() for name in ("log", "users", "videos")]
    joined = tables[0].tail(rows).merge(tables[1], on="user_id").merge(tables[2], on="video_id")
    columns = {str(name): joined[name].tolist() for name in joined}
    for name, value in {
        "user_id": 999_999,
        "video_id": 999_999,
        "author_id": 999_999,
        "category": "new category",
    }.items():
        columns[name][-1] = value
    return columns
