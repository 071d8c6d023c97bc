"""What smaller embedding tables cost in AUC: `python benchmarks/serving_tables.py runs/gradcraft prepared/kuairand`.

Runs the test part through the model as it is exported with each type of tables, and prints a table in Markdown.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np

import tf_gradcraft as gc
from tf_gradcraft.data_pipelines import PreparedData
from tf_gradcraft.serving.served_model import ServedModel
from tf_gradcraft.serving.tables import TABLES

BATCH = 4096


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a folder that `tf-gradcraft train` wrote")
    parser.add_argument("prepared", type=Path, help="the prepared folder that it was trained on")
    arguments = parser.parse_args()
    model = gc.load_model(arguments.run / "model.keras")
    columns = PreparedData(arguments.prepared).columns("test")
    tasks, rows = model.schema.task_names, len(columns["group"])
    print(f"{rows:,} test rows\n\n| tables | MB | {' | '.join(tasks)} | mean AUC | mean group AUC | largest change |")
    print("|---" * (len(tasks) + 5) + "|")
    exact: dict[str, np.ndarray] = {}
    for tables in TABLES:
        served, parts = ServedModel(model, tables), []
        for start in range(0, rows, BATCH):
            batch = {name: columns[name][start : start + BATCH] for name in model.schema.feature_names}
            parts.append({task: values.numpy().ravel() for task, values in served.predict(batch).items()})
        predicted = {task: np.concatenate([part[task] for part in parts]) for task in tasks}
        exact = exact or predicted
        change = max(np.abs(predicted[task] - exact[task]).max() for task in tasks)
        auc = [float(gc.metrics.auc(columns[task], predicted[task])) for task in tasks]
        gauc = [float(gc.metrics.group_auc(columns[task], predicted[task], columns["group"])) for task in tasks]
        with tempfile.TemporaryDirectory() as folder:
            path = gc.serving.export(model, folder, tables=tables)
            size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) / 1e6
        values = " | ".join(f"{value:.5f}" for value in (*auc, np.mean(auc), np.mean(gauc)))
        print(f"| {tables} | {size:.1f} | {values} | {change:.1e} |")


if __name__ == "__main__":
    main()
