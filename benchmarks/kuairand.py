"""Trains methods over seeds on a prepared folder and prints a table in Markdown.

`python benchmarks/kuairand.py prepared/kuairand runs --method sum --method gradcraft,tau=0.3 --seeds 1 2 3`

Each run is a process (`tf-gradcraft train`, then `evaluate`); a run that is there already is not repeated, so
an interrupted benchmark goes on where it stopped. Early stopping looks at the valid part, the table at the test part.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd

COMMAND = [sys.executable, "-c", "from tf_gradcraft.cli import app; app()"]


def run(method: str, seed: int, arguments: argparse.Namespace) -> Path:
    """Trains and evaluates one method with one seed, unless that is done."""
    name, *settings = method.split(",")
    folder = arguments.out / f"{method.replace(',', '-').replace('=', '')}-seed{seed}"
    if not folder.exists():
        options = [option for setting in settings for option in ("--set", setting)]
        place = ["--out", str(folder), "--seed", str(seed)]
        train = [*COMMAND, "train", str(arguments.prepared), "--balancing", name, *options, *place, *arguments.rest]
        subprocess.run(train, check=True)
    if not (folder / "metrics_test.json").exists():
        subprocess.run([*COMMAND, "evaluate", str(folder)], check=True)
    return folder


def read(method: str, seed: int, folder: Path) -> dict:
    """Returns the row of one run."""
    trained = json.loads((folder / "metrics.json").read_text())
    test = json.loads((folder / "metrics_test.json").read_text())["metrics"]
    row = {"method": method, "seed": seed, "epoch": trained["epoch"], "seconds": trained["seconds"]}
    row["valid auc"] = trained["metrics"]["auc_mean"]
    return row | {name: value for name, value in test.items() if name.endswith(("auc", "auc_mean"))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("prepared", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument(
        "--method", action="append", required=True, help="name[,setting=value...]; the first is the base"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    arguments, arguments.rest = parser.parse_known_args()
    rows = [read(method, seed, run(method, seed, arguments)) for seed in arguments.seeds for method in arguments.method]
    table = pd.DataFrame(rows)
    values = [name for name in table.columns if name not in ("method", "seed")]
    print("\n## Every run, test part\n")
    print(markdown(table[["method", "seed", *values]].round(4)))
    print("\n## Mean over seeds (standard deviation)\n")
    grouped = table.groupby("method", sort=False)[values]
    mean, spread = grouped.mean(), grouped.std(ddof=1)
    cells = mean.map("{:.4f}".format) + " (" + spread.map("{:.4f}".format) + ")"
    print(markdown(cells.T.reset_index(names="")))
    base = table[table.method == arguments.method[0]].set_index("seed")
    for method in arguments.method[1:]:
        other = table[table.method == method].set_index("seed")
        for name in ("auc_mean", "gauc_mean"):
            difference = (other[name] - base[name]).to_numpy()
            print(f"\n{method} - {arguments.method[0]}, {name}, by seed: {np.round(difference, 4).tolist()}")


def markdown(table: pd.DataFrame) -> str:
    """Returns a data frame as a Markdown table."""
    lines = [list(map(str, table.columns)), ["---"] * len(table.columns), *table.astype(str).to_numpy().tolist()]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


if __name__ == "__main__":
    main()
