"""Whether a search's memory grows with its trials: `python benchmarks/search_memory.py --trials 20`.

Searches tau of GradCraft and the learning rate of a small MMoE on the synthetic log, in one process, and prints the
resident memory of the process after each trial, in MB. Reads /proc, so Linux only.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

from tf_gradcraft import tuning
from tf_gradcraft.data_pipelines import datasets


def resident() -> float:
    """Returns the resident memory of this process, MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--rows", type=int, default=4000)
    args = parser.parse_args()
    after = []

    def note(trial, best, seconds):
        after.append(resident())
        print(f"trial {len(after)}: {after[-1]:.0f} MB", flush=True)

    with tempfile.TemporaryDirectory() as folder:
        raw, prepared = Path(folder, "raw"), Path(folder, "prepared")
        datasets.Synthetic.write(raw, rows=args.rows, seed=1, base_rates={"like": 0.2, "follow": 0.1})
        datasets.Synthetic(raw).prepare(prepared)
        space = tuning.MultiTaskHyperModel(
            prepared,
            epochs=2,
            method="gradcraft",
            tau=tuning.Range(0.0, 1.0),
            architecture="mmoe",
            units="64-32",
            learning_rate=tuning.Range(1e-4, 1e-2, log=True),
            batch_size=512,
        )
        tuning.make_tuner("random", space, Path(folder, "search"), max_trials=args.trials, listener=note).search()
    print(f"after the first trial {after[0]:.0f} MB, after the last {after[-1]:.0f}, at most {max(after):.0f}")


if __name__ == "__main__":
    main()
