"""What `GradientMonitor` costs, in steps of `model.fit`: `python benchmarks/monitor_cost.py`.

The network and data of `step_time.py`. Of each method three models are trained in turns, five steps each, in an order
that changes from turn to turn: without a monitor, with one that notes no step of the turn, and with one that notes
every step. From the second against the first comes what a step costs that is not noted; from the third against the
second what a note costs. At n steps from one note to the next the cost is the first plus the second over n. Figures are
medians of ratios within a turn, with a 95% interval (bootstrap over turns) of what follows for the default n. On a
shared machine turns differ by 10%, so it takes many of them; short ones, so that the three are near each other in time.
"""

from __future__ import annotations

import argparse
import json
import time

import keras
import numpy as np
from scipy import stats
from step_network import MODES, make_data, make_model

import tf_gradcraft as gc
from tf_gradcraft.gradients.representation import Representation

METHODS = {"sum": None, "uw": "uw", "metabalance": "metabalance", "gradcraft": "gradcraft"}
OVER = ("representation", "parameters")
NEVER = 10**9


class Clock(keras.callbacks.Callback):
    """Times the steps between the first and the last of a call of `fit`, and what the monitor does after them."""

    def on_train_begin(self, logs=None):
        self.begun = time.perf_counter()

    def on_train_end(self, logs=None):
        self.seconds = time.perf_counter() - self.begun


def unmarked():
    """Makes models that mark no representation, so that the monitor measures by the shared variables."""
    gc.SharedRepresentation.call = lambda self, inputs: inputs
    Representation.only_mixed = lambda self, *mixed: None


def measure(method: str, over: str, args: argparse.Namespace) -> dict:
    """Returns the figures of a method."""
    MODES["monitored"] = {"balancing": METHODS[method], "balance_over": over if method not in ("sum", "uw") else None}
    if MODES["monitored"]["balance_over"] is None:
        del MODES["monitored"]["balance_over"]
        if over == "parameters":
            unmarked()
    data, clock, arms = make_data(args.tasks, args.rows), Clock(), {}
    for arm, every in (("without", None), ("idle", NEVER), ("each", 1)):
        model = make_model("monitored", args.tasks, args.rows)
        monitor = None if every is None else gc.callbacks.GradientMonitor(every=every, warn=False)
        callbacks = [clock] if monitor is None else [monitor, clock]
        arms[arm] = (model, callbacks, [])
        model.fit(data, steps_per_epoch=2, verbose=0, callbacks=callbacks)
    for turn in range(args.turns):
        for arm in np.roll(list(arms), turn):
            model, callbacks, times = arms[arm]
            model.fit(data, steps_per_epoch=args.steps, verbose=0, callbacks=callbacks)
            times.append(clock.seconds / args.steps)
    without, idle, each = (np.array(arms[arm][2]) for arm in ("without", "idle", "each"))
    layout = arms["each"][1][0].telemetry_for(arms["each"][0]).layout
    cost = (idle - without) / without + (each - idle) / without / layout.usual_interval
    interval = stats.bootstrap((cost,), np.median, method="percentile", rng=17).confidence_interval
    return {
        "method": method,
        "measured over": layout.over,
        "step in ms": round(1e3 * float(np.median(without)), 1),
        "a step not noted, in %": round(100 * float(np.median(idle / without) - 1), 2),
        "a note, in steps": round(float(np.median((each - idle) / without)), 2),
        "n": layout.usual_interval,
        "cost at n, in %": round(100 * float(np.median(cost)), 2),
        "95% interval": [round(100 * float(of), 2) for of in interval],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS))
    parser.add_argument("--over", nargs="+", default=list(OVER), choices=list(OVER))
    parser.add_argument("--tasks", type=int, default=6)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--turns", type=int, default=60)
    parser.add_argument("--steps", type=int, default=5, help="steps a turn")
    args = parser.parse_args()
    # The cells without marks come last: they change the class.
    for over in [over for over in OVER if over in args.over]:
        for method in args.methods:
            print(json.dumps(measure(method, over, args)), flush=True)


if __name__ == "__main__":
    main()
