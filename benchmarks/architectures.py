"""Trains every architecture on a prepared KuaiRand folder under one budget, and prints tables in Markdown.

`python benchmarks/architectures.py prepared/kuairand runs/architectures --seeds 1 2 3`

Each run is a process of its own and leaves one JSON file; a run that is there is not repeated, so that an interrupted
benchmark goes on where it stopped. All train in the same way: the same features, expert widths 256-128-64, towers
32-16, dropout 0.5, LazyAdam 1e-3, batch 2048, at most 12 epochs; the epoch with the best mean AUC of the valid part is
kept. The test part is looked at once a run, with its labels as they are in the log.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
from rich.progress import track
from tables import markdown

CHAIN = ("click", "long_view", "complete_view")
"""Each of these follows from the one before: 0.3% of long views have no click, no complete view is no long view."""
GROUPS = (CHAIN, ("like", "profile_enter", "comment"))
EXPERTS = (256, 128, 64)

ARCHITECTURES = {
    "shared_bottom": {"bottom_units": EXPERTS},
    "omoe": {"num_experts": 7, "expert_units": EXPERTS},
    "mmoe": {"num_experts": 7, "expert_units": EXPERTS},
    "dselect_k": {"num_experts": 8, "expert_units": EXPERTS},
    "cgc": {"expert_units": EXPERTS},
    "ple": {"num_levels": 2, "expert_units": EXPERTS},
    "stem": {"expert_units": EXPERTS},
    "home": {"groups": GROUPS},
    "aitm": {"chain": CHAIN, "expert_units": EXPERTS},
    "esmm": {"chain": CHAIN, "tower_units": (*EXPERTS, 32, 16)},
    "escm2": {"chain": CHAIN, "tower_units": (*EXPERTS, 32, 16)},
    "escm2 (dr)": {"chain": CHAIN, "estimator": "dr", "tower_units": (*EXPERTS, 32, 16)},
}


def train(prepared: Path, architecture: str, method: str, over: str, seed: int) -> dict:
    """Trains one model and returns its row of the table."""
    import keras
    import numpy as np
    from sklearn.metrics import roc_auc_score

    import tf_gradcraft as gc
    from tf_gradcraft import balancing, models
    from tf_gradcraft.cli.options import parse_settings
    from tf_gradcraft.data_pipelines import PreparedData

    data = PreparedData(prepared)
    name, *settings = method.split(",")
    keras.utils.set_random_seed(seed)
    train_part, valid, test = data.load(batch_size=2048, seed=seed)
    model = models.get(architecture.split()[0])(data.schema, dropout=0.5, **ARCHITECTURES[architecture])
    model.compile(
        gc.optimizers.LazyAdam(1e-3), balancing=balancing.get(name, **parse_settings(settings)), balance_over=over
    )
    stopping = keras.callbacks.EarlyStopping("val_auc_mean", mode="max", patience=2, restore_best_weights=True)
    begun = time.perf_counter()
    history = model.fit(train_part, validation_data=valid, epochs=12, verbose=2, callbacks=[stopping]).history
    seconds = time.perf_counter() - begun
    predictions, labels = model.predict(test, verbose=0), data.columns("test", [*data.schema.task_names, "group"])
    row = {"architecture": architecture, "method": method, "seed": seed, "parameters": model.count_params()}
    row |= {"epochs": len(history["loss"]), "seconds an epoch": seconds / len(history["loss"])}
    row["valid auc"] = max(history["val_auc_mean"])
    for task in data.schema.task_names:
        row[task] = float(roc_auc_score(labels[task], predictions[task][:, 0]))
        group = gc.metrics.group_auc(labels[task], predictions[task][:, 0], labels["group"])
        row[f"{task} (group)"] = float(group)
    for kind, suffix in (("mean AUC", ""), ("mean group AUC", " (group)")):
        row[kind] = float(np.mean([row[f"{task}{suffix}"] for task in data.schema.task_names]))
    return row


def report(rows: list[dict]) -> str:
    """Returns the tables: means over seeds with their spread, and every run."""
    table = pd.DataFrame(rows)
    tasks = list(table.columns[table.columns.get_loc("valid auc") + 1 : -2 : 2])
    shown = [*tasks, "mean AUC", "mean group AUC"]
    grouped = table.groupby(["method", "architecture"], sort=False)
    mean, spread = grouped[shown].mean(), grouped[shown].std(ddof=1)
    cells = mean.map("{:.4f}".format) + " (" + spread.map("{:.4f}".format) + ")"
    cells.insert(0, "parameters", grouped["parameters"].first().map("{:,}".format))
    every = table[["method", "architecture", "seed", "epochs", "valid auc", *shown]].round(4)
    return f"{markdown(cells.reset_index())}\n\nEvery run:\n\n{markdown(every)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("prepared", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--method", default="sum", help="balancing method, name[,setting=value...]")
    parser.add_argument("--over", default="parameters", help="balance_over")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--architecture", nargs="+", default=list(ARCHITECTURES), choices=list(ARCHITECTURES))
    parser.add_argument("--one", type=Path, help="train one model here and write this file")
    arguments = parser.parse_args()
    architectures, method, seeds = arguments.architecture, arguments.method, arguments.seeds
    if arguments.one:
        row = train(arguments.prepared, architectures[0], method, arguments.over, seeds[0])
        arguments.one.write_text(json.dumps(row, indent=1))
        return
    arguments.out.mkdir(parents=True, exist_ok=True)
    runs = [(seed, architecture) for seed in seeds for architecture in architectures]
    files = []
    for seed, architecture in track(runs, "training"):
        file = arguments.out / f"{architecture}-{method}-{seed}.json"
        files.append(file)
        if not file.exists():
            what = ["--architecture", architecture, "--method", method, "--over", arguments.over, "--seeds", str(seed)]
            places = [str(arguments.prepared), str(arguments.out), "--one", str(file)]
            with (arguments.out / f"{file.stem}.log").open("w") as log:
                subprocess.run([sys.executable, __file__, *places, *what], check=True, stdout=log, stderr=log)
    print(report([json.loads(file.read_text()) for file in files]))


if __name__ == "__main__":
    main()
