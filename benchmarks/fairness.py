"""What fairness objectives do to the gap between two groups and to AUC, on prepared KuaiRand data.

`python benchmarks/fairness.py prepared/kuairand runs/fairness --seeds 1 2 3`

Trains a small PLE on click, long view and like, with 22 of the features and for a fixed number of epochs, with one
objective at a time on click, and prints a table of the test part in Markdown: mean over seeds (standard deviation). The
groups are the users of two degrees of activity, which the model sees as a feature. Each run leaves a file; one that is
there is not repeated, so an interrupted benchmark goes on where it stopped.
"""

import argparse
import json
import time
from pathlib import Path

import keras
import numpy as np
import pandas as pd

import tf_gradcraft as gc
from tf_gradcraft.data_pipelines import PreparedData
from tf_gradcraft.models import PLE
from tf_gradcraft.objectives import Adversary, DemographicParity, EqualOpportunity, ExposureDisparity

TASKS = ("click", "long_view", "like")
FEATURE, GROUPS = "user_active_degree", ("full_active", "high_active")
EPOCHS, BATCH_SIZE, LEARNING_RATE = 4, 2048, 2e-3
MODEL = {"expert_units": [32, 16], "tower_units": [16], "embedding_dim": 4}
KEYS = ("user_id", "video_id", "author_id")
FEATURES = (*KEYS, "tab", "hour", "tag", "upload_type", FEATURE, "register_days_range", "duration_ms")
FEATURES = (*FEATURES, *(f"{key}_{what}" for key in KEYS for what in (*(f"{task}_rate" for task in TASKS), "count")))
RUNS = {
    "none": None,
    "parity": DemographicParity,
    "opportunity": EqualOpportunity,
    "exposure": ExposureDisparity,
    "adversary": Adversary,
}


def train(data: PreparedData, balancing: str, run: str, seed: int) -> dict:
    """Trains one model and returns its values on the test part."""
    keras.utils.set_random_seed(seed)
    schema = data.schema.select(tasks=TASKS, features=FEATURES)
    train_part, _, test = data.load(BATCH_SIZE, seed=seed, tasks=TASKS, features=FEATURES)
    groups = tuple(int(i) for i in schema.vocabularies[FEATURE].encode(np.array(GROUPS)))
    kind = RUNS[run]
    objectives = kind and {"fairness": kind(task="click", feature=FEATURE, groups=groups)}
    model = PLE(schema, **MODEL)
    model.compile(gc.optimizers.LazyAdam(LEARNING_RATE), balancing=balancing, objectives=objectives)
    start = time.perf_counter()
    model.fit(train_part, epochs=EPOCHS, verbose=0)
    seconds = time.perf_counter() - start
    metrics = model.evaluate(test, verbose=0, return_dict=True)
    predicted = model.predict(test, verbose=0)["click"][:, 0]
    columns = data.columns("test", [FEATURE, "click"])
    clicked = columns["click"] == 1
    one, other = (columns[FEATURE] == group for group in groups)
    logit = np.log(predicted) - np.log1p(-predicted)
    share = np.exp(logit) / np.exp(logit).mean()
    return {
        "gap": float(predicted[other].mean() - predicted[one].mean()),
        "gap of positives": float(predicted[other & clicked].mean() - predicted[one & clicked].mean()),
        "gap of exposure": float(share[other].mean() - share[one].mean()),
        "click auc": metrics["click_auc"],
        "mean auc": metrics["auc_mean"],
        "seconds": seconds,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("prepared", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--balancing", nargs="+", default=["sum", "gradcraft"])
    parser.add_argument("--runs", nargs="+", default=list(RUNS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    data = PreparedData(arguments.prepared)
    rows = []
    for seed in arguments.seeds:
        for balancing in arguments.balancing:
            for run in arguments.runs:
                file = arguments.out / f"{balancing}-{run}-seed{seed}.json"
                if not file.exists():
                    file.write_text(json.dumps(train(data, balancing, run, seed)))
                rows.append({"balancing": balancing, "objective": run, **json.loads(file.read_text())})
    table = pd.DataFrame(rows).groupby(["balancing", "objective"], sort=False)
    mean, spread = table.mean(), table.std(ddof=1)
    print("|", " | ".join(["balancing", "objective", *mean.columns]), "|")
    print("|" + "---|" * (2 + len(mean.columns)))
    for key in mean.index:
        digits = [1 if name == "seconds" else 4 for name in mean.columns]
        cells = zip(mean.loc[key], spread.loc[key], digits, strict=True)
        print("|", " | ".join([*key, *(f"{m:.{d}f} ({s:.{d}f})" for m, s, d in cells)]), "|")


if __name__ == "__main__":
    main()
