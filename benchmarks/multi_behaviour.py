"""Trains methods over seeds in MetaBalance's setting: positives by behaviour, all items ranked for the target.

`python benchmarks/multi_behaviour.py prepared/tmall runs/tmall --method popularity --method single --method sum \
    --method metabalance,strategy=C,relax_factor=0.7 --seeds 1 2 3`

A method is `popularity` (number of training pairs of the target), `single` (the target alone) or the name of a
balancing method with its arguments; `learning_rate=` among them is the optimizer's. Each run leaves a folder; one that
is done is not repeated, one that was stopped goes on after its last epoch with the same numbers. The epoch is chosen by
NDCG@10 on some of the valid users; the test part is ranked once, at the end. With `--seconds` the script stops after
about that time with exit code 3: call it again. `--table` prints what is there and trains nothing.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from tables import markdown

PARTS = {"any": "test, seen items left out", "target": "test, purchases left out"}
CHUNK = 2000
SETTINGS = ("epochs", "patience", "batch_size", "shares", "negatives", "embedding_dim", "tower_units", "dropout", "l2")
SETTINGS += ("learning_rate", "valid_users", "mask")
VALUES = ("ndcg_at_10", "recall_at_10", "precision_at_10", "ndcg_at_20", "recall_at_20", "precision_at_20")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("prepared", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--method", action="append", required=True, help="see above: name[,argument=value...]")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--epochs", type=int, default=30, help="passes over the target's pairs, at most")
    parser.add_argument("--validate-every", type=int, default=5, help="epochs from one validation to the next")
    parser.add_argument("--patience", type=int, default=2, help="validations without a better one that end a run")
    parser.add_argument("--batch-size", type=int, default=1024, help="observed pairs of the target")
    parser.add_argument("--negatives", type=int, default=2)
    parser.add_argument("--shares", choices=["equal", "proportional"], default="equal", help="of other behaviours")
    parser.add_argument("--embedding-dim", type=int, default=32)
    parser.add_argument("--tower-units", type=int, nargs="+", default=[32, 16])
    parser.add_argument("--dropout", type=float, default=0.2)
    parser.add_argument("--l2", type=float, default=0.0)
    parser.add_argument("--learning-rate", type=float, default=3e-3)
    parser.add_argument("--valid-users", type=int, default=3000, help="users ranked in a validation")
    parser.add_argument("--mask", choices=list(PARTS), default="any", help="what a validation leaves out of the lists")
    parser.add_argument("--no-test", action="store_true", help="valid part only, while settings are chosen")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after about so many seconds")
    parser.add_argument("--table", action="store_true")
    return parser.parse_args()


class Run:
    """One method with one seed: its folder, its model, and how far it has come."""

    def __init__(self, method: str, seed: int, options: argparse.Namespace, data) -> None:
        self.method, self.seed, self.options, self.data = method, seed, options, data
        self.folder = folder_of(method, seed, options.out)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.state = read(self.folder)
        self.score = None
        self.name, self.settings = name_and_settings(method)
        self.tasks = [data.target] if self.name == "single" else list(data.schema.task_names)

    @property
    def trained(self) -> bool:
        """Whether nothing is left to train: all epochs are done, or the last validations were no better."""
        since = (self.state["epochs"] - self.state["best"]) // self.options.validate_every
        stopped = bool(self.state["valid"]) and since >= self.options.patience
        return self.name == "popularity" or stopped or self.state["epochs"] >= self.options.epochs

    def model(self):
        """Returns the model as it was after the last epoch, or a new one."""
        import keras

        import tf_gradcraft as gc
        from tf_gradcraft.models import MatrixFactorizationMLP

        options = self.options
        if self.state["valid"]:
            return gc.load_model(self.folder / f"after{self.state['epochs']}.keras")
        keras.utils.set_random_seed(self.seed)
        schema = self.data.schema.select(tasks=self.tasks)
        model = MatrixFactorizationMLP(
            schema,
            embedding_dim=options.embedding_dim,
            tower_units=options.tower_units,
            dropout=options.dropout,
            l2=options.l2,
        )
        settings = dict(self.settings)
        optimizer = gc.optimizers.LazyAdam(settings.pop("learning_rate", options.learning_rate))
        balancing = None if self.name == "single" else gc.balancing.get(self.name, **settings)
        model.compile(optimizer=optimizer, balancing=balancing, metrics={})
        return model

    def train(self, until: float) -> None:
        """Trains from one validation to the next, until all epochs are done or the time is over."""
        options = self.options
        model = None
        part = some_users(self.data.ranking("valid", mask=options.mask), options.valid_users)
        if self.name == "popularity" and not self.state["valid"]:
            self.state["valid"] = [self.rank(None, {options.mask: part})[options.mask]["ndcg_at_10"]]
            self.write()
        while not self.trained and time.perf_counter() < until:
            model = model or self.model()
            begin = time.process_time()
            done = self.state["epochs"]
            for epoch in range(done, min(done + options.validate_every, options.epochs)):
                # An epoch has a seed of its own: a run that was stopped goes on with the same pairs.
                pairs = self.data.train(
                    options.batch_size,
                    negatives=options.negatives,
                    shares=options.shares,
                    seed=1000 * self.seed + epoch,
                    tasks=self.tasks,
                )
                loss = model.fit(pairs, verbose=0).history["loss"][0]
            values = self.rank(model, {options.mask: part})[options.mask]
            best = values["ndcg_at_10"] > max(self.state["valid"], default=-1.0)
            before = self.folder / f"after{done}.keras"
            self.state["epochs"] = epoch + 1
            self.state["valid"].append(values["ndcg_at_10"])
            self.state["cpu seconds"] += time.process_time() - begin
            if best:
                self.state["best"] = epoch + 1
                model.save(self.folder / "best.keras")
            model.save(self.folder / f"after{epoch + 1}.keras")
            self.write()
            before.unlink(missing_ok=True)
            mark = "  best so far" if best else ""
            say(
                f"{self.method} seed {self.seed} epoch {epoch + 1}/{options.epochs} loss {loss:.4f} "
                f"valid NDCG@10 {values['ndcg_at_10']:.5f}{mark}"
            )

    def test(self, until: float) -> None:
        """Ranks the test users, some thousand at a time, with the best epoch's model."""
        import tf_gradcraft as gc

        model, self.score = None, None
        parts = {mask: self.data.ranking("test", mask=mask) for mask in PARTS}
        number = len(parts["any"]["users"])
        done = [self.state.setdefault(name, []) for name in PARTS.values()]
        for start in range(len(done[0]) * CHUNK, number, CHUNK):
            if time.perf_counter() >= until:
                return
            if self.name != "popularity":
                model = model or gc.load_model(self.folder / "best.keras")
            chosen = np.arange(start, min(start + CHUNK, number))
            begin = time.process_time()
            values = self.rank(model, {mask: of_users(part, chosen) for mask, part in parts.items()})
            for chunks, mask in zip(done, PARTS, strict=True):
                chunks.append({"users": len(chosen), **values[mask]})
            self.state["cpu seconds of the test"] = (
                self.state.get("cpu seconds of the test", 0.0) + time.process_time() - begin
            )
            self.write()
            say(f"{self.method} seed {self.seed} test: {chosen[-1] + 1}/{number} users")
        self.state["done"] = True
        self.write()

    def rank(self, model, parts: dict) -> dict:
        """Returns the values of each part of the same users, who are scored once."""
        import tensorflow as tf

        from tf_gradcraft.metrics import AllItemsRanking

        users = tf.constant(next(iter(parts.values()))["users"])
        if model is None:
            columns = self.data.columns("train")
            counts = np.bincount(columns[self.data.item], columns[self.data.target], self.data.num_items)
            scores = tf.repeat(tf.constant(counts[np.newaxis], tf.float32), tf.size(users), axis=0)
        else:
            if self.score is None:  # a run has one model, whose trace serves all validations
                self.score = tf.function(
                    lambda some: model.score_all_items(some, self.data.target), reduce_retracing=True
                )
            scores = tf.concat([self.score(users[at : at + 256]) for at in range(0, len(users), 256)], axis=0)
        rows = np.arange(len(users))
        return {
            mask: AllItemsRanking(**{**part, "users": rows}).evaluate(lambda some: tf.gather(scores, some))
            for mask, part in parts.items()
        }

    def write(self) -> None:
        settings = {name: str(value) for name, value in vars(self.options).items() if name in SETTINGS}
        text = json.dumps({**self.state, "settings": settings}, indent=1) + "\n"
        (self.folder / "result.partial").write_text(text)
        (self.folder / "result.partial").rename(self.folder / "result.json")


def read(folder: Path) -> dict:
    """Returns how far a run has come."""
    file = folder / "result.json"
    if file.exists():
        return json.loads(file.read_text())
    return {"epochs": 0, "best": 0, "valid": [], "cpu seconds": 0.0, "done": False}


def name_and_settings(method: str) -> tuple[str, dict]:
    """Returns what `name,argument=value` says."""
    name, *settings = method.split(",")
    return name, {key: number_or_text(value) for key, value in (setting.split("=") for setting in settings)}


def number_or_text(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def some_users(ranking: dict, count: int) -> dict:
    """Returns the ranking of some users, always the same ones."""
    number = len(ranking["users"])
    return of_users(ranking, np.sort(np.random.default_rng(0).choice(number, min(count, number), replace=False)))


def of_users(ranking: dict, chosen: np.ndarray) -> dict:
    """Returns the ranking of chosen users (rows, ascending)."""
    parts = {"users": ranking["users"][chosen], "num_items": ranking["num_items"]}
    for name in ("known", "held_out"):
        rows, items = ranking[name]
        kept = np.isin(rows, chosen)
        parts[name] = (np.searchsorted(chosen, rows[kept]), items[kept])
    return parts


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def folder_of(method: str, seed: int, out: Path) -> Path:
    return out / f"{method.replace(',', '-').replace('=', '')}-seed{seed}"


def print_tables(options: argparse.Namespace) -> None:
    """Prints every run, means over seeds, and gains over the plain sum."""
    runs = [(method, seed) for method in options.method for seed in options.seeds]
    states = {run: read(folder_of(*run, options.out)) for run in runs}
    print("\n## Valid part, NDCG@10, %\n")
    rows = [
        {
            "method": method,
            "seed": seed,
            "epoch": state["best"],
            "best": round(100 * max(state["valid"]), 3),
            "each": " ".join(f"{100 * value:.2f}" for value in state["valid"]),
            "CPU s": round(state["cpu seconds"]),
        }
        for (method, seed), state in states.items()
        if state["valid"]
    ]
    print(markdown(pd.DataFrame(rows)))
    for name in PARTS.values():
        rows = []
        for (method, seed), state in states.items():
            if state["done"] and name in state:
                users = [chunk["users"] for chunk in state[name]]
                values = {of: 100 * np.average([chunk[of] for chunk in state[name]], weights=users) for of in VALUES}
                rows.append({"method": method, "seed": seed, "epoch": state["best"], **values})
        if not rows:
            continue
        table = pd.DataFrame(rows)
        print(f"\n## Every run, {name}, %\n")
        print(markdown(table.round(3)))
        print(f"\n## Mean over seeds (standard deviation), {name}, %\n")
        grouped = table.groupby("method", sort=False)[list(VALUES)]
        mean, spread = grouped.mean(), grouped.std(ddof=1)
        print(markdown((mean.map("{:.3f}".format) + " (" + spread.map("{:.3f}".format) + ")").reset_index()))
        base = table[table["method"].str.split(",").str[0] == "sum"].set_index("seed")[list(VALUES)]
        if len(base):
            print("\nGain over the plain sum of the same seed, %, mean (standard deviation):\n")
            same = table[table["seed"].isin(base.index)]
            gains = 100 * (same[list(VALUES)] / base.loc[same["seed"]].to_numpy() - 1)
            grouped = gains.groupby(same["method"], sort=False)
            mean, spread = grouped.mean(), grouped.std(ddof=1)
            print(markdown((mean.map("{:+.1f}".format) + " (" + spread.map("{:.1f}".format) + ")").reset_index()))


def main() -> None:
    options = arguments()
    until = time.perf_counter() + options.seconds
    todo = [] if options.table else [(method, seed) for seed in options.seeds for method in options.method]
    todo = [run for run in todo if not read(folder_of(*run, options.out))["done"]]
    if todo:
        from tf_gradcraft.data_pipelines import PreparedPairs

        data = PreparedPairs(options.prepared)
        for number, (method, seed) in enumerate(todo):
            say(f"run {number + 1} of {len(todo)}: {method}, seed {seed}")
            run = Run(method, seed, options, data)
            run.train(until)
            if run.trained and not options.no_test:
                run.test(until)
            if time.perf_counter() >= until:
                sys.exit(3)
    print_tables(options)


if __name__ == "__main__":
    main()
