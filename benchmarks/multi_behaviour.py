"""Trains methods over seeds in MetaBalance's setting: positives by behaviour, all items ranked for the target.

`python benchmarks/multi_behaviour.py prepared/tmall runs/tmall --method single --method sum \
    --method metabalance,strategy=C,relax_factor=0.7 --seeds 1 2 3`

A method is `single` (the target alone) or the name of a balancing method with its arguments. Each run leaves a folder;
one that is done is not repeated, one that was stopped goes on after its last epoch with the same numbers. The epoch is
chosen by NDCG@10 on some of the valid users; the test part is ranked once, at the end. With `--seconds` the script
stops after about that time with exit code 3: call it again. `--table` prints what is there and trains nothing.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

PARTS = {"target": "test", "any": "test, seen items left out"}
CHUNK = 4000
SETTINGS = ("epochs", "batch_size", "negatives", "embedding_dim", "dropout", "l2", "learning_rate", "valid_users")
VALUES = ("ndcg_at_10", "recall_at_10", "precision_at_10", "ndcg_at_20", "recall_at_20", "precision_at_20")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("prepared", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--method", action="append", required=True, help="single, or name[,argument=value...]")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--validate-every", type=int, default=2, help="epochs from one validation to the next")
    parser.add_argument("--batch-size", type=int, default=256, help="observed pairs of each behaviour")
    parser.add_argument("--negatives", type=int, default=2)
    parser.add_argument("--embedding-dim", type=int, default=32)
    parser.add_argument("--dropout", type=float, default=0.2)
    parser.add_argument("--l2", type=float, default=0.0)
    parser.add_argument("--learning-rate", type=float, default=1e-2)
    parser.add_argument("--valid-users", type=int, default=1000, help="users ranked in a validation")
    parser.add_argument("--no-test", action="store_true", help="valid part only, while settings are chosen")
    parser.add_argument("--seen", action="store_true", help="rank the test users without items they have seen, too")
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
        self.tasks = [data.target] if method == "single" else list(data.schema.task_names)

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
            schema, embedding_dim=options.embedding_dim, dropout=options.dropout, l2=options.l2
        )
        optimizer = gc.optimizers.LazyAdam(options.learning_rate)
        balancing = None if self.method == "single" else balancer(self.method)
        model.compile(optimizer=optimizer, balancing=balancing, metrics={})
        return model

    def train(self, until: float) -> None:
        """Trains from one validation to the next, until all epochs are done or the time is over."""
        options = self.options
        model = None
        while self.state["epochs"] < options.epochs and time.perf_counter() < until:
            model = model or self.model()
            begin = time.process_time()
            done = self.state["epochs"]
            for epoch in range(done, min(done + options.validate_every, options.epochs)):
                # An epoch has a seed of its own: a run that was stopped goes on with the same pairs.
                pairs = self.data.train(
                    options.batch_size, negatives=options.negatives, seed=1000 * self.seed + epoch, tasks=self.tasks
                )
                loss = model.fit(pairs, verbose=0).history["loss"][0]
            values = self.rank(model, some_users(self.data.ranking("valid"), options.valid_users))
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

        model = None
        for mask, name in list(PARTS.items())[: 1 + self.options.seen]:
            part = self.data.ranking("test", mask=mask)
            done = self.state.setdefault(name, [])
            for start in range(len(done) * CHUNK, len(part["users"]), CHUNK):
                if time.perf_counter() >= until:
                    return
                model = model or gc.load_model(self.folder / "best.keras")
                chosen = np.arange(start, min(start + CHUNK, len(part["users"])))
                done.append({"users": len(chosen), **self.rank(model, of_users(part, chosen))})
                self.write()
                say(f"{self.method} seed {self.seed} {name}: {chosen[-1] + 1}/{len(part['users'])} users")
        self.state["done"] = True
        self.write()

    def rank(self, model, part: dict) -> dict:
        from tf_gradcraft.metrics import AllItemsRanking

        return AllItemsRanking(**part).evaluate(lambda users: model.score_all_items(users, self.data.target))

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


def balancer(method: str):
    """Returns the balancing method that `name,argument=value` names."""
    from tf_gradcraft import balancing

    name, *settings = method.split(",")
    pairs = (setting.split("=") for setting in settings)
    return balancing.get(name, **{key: number_or_text(value) for key, value in pairs})


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
    for name in PARTS.values():
        rows = []
        for (method, seed), state in states.items():
            if state["done"] and name in state:
                users = [chunk["users"] for chunk in state[name]]
                values = {of: np.average([chunk[of] for chunk in state[name]], weights=users) for of in VALUES}
                row = {"method": method, "seed": seed, "epoch": state["best"], "valid ndcg_at_10": max(state["valid"])}
                rows.append({**row, **values})
        if not rows:
            continue
        table = pd.DataFrame(rows)
        table[["valid ndcg_at_10", *VALUES]] *= 100
        print(f"\n## Every run, {name}, %\n")
        print(markdown(table.round(3)))
        print(f"\n## Mean over seeds (standard deviation), {name}, %\n")
        grouped = table.groupby("method", sort=False)[list(VALUES)]
        mean, spread = grouped.mean(), grouped.std(ddof=1)
        print(markdown((mean.map("{:.3f}".format) + " (" + spread.map("{:.3f}".format) + ")").reset_index()))
        if "sum" in mean.index:
            print("\nGain over the plain sum, %:\n")
            print(markdown(((mean / mean.loc["sum"] - 1) * 100).round(1).reset_index()))


def markdown(table: pd.DataFrame) -> str:
    """Returns a data frame as a Markdown table."""
    lines = [list(map(str, table.columns)), ["---"] * len(table.columns), *table.astype(str).to_numpy().tolist()]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


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
            if run.state["epochs"] >= options.epochs and not options.no_test:
                run.test(until)
            if time.perf_counter() >= until:
                sys.exit(3)
    print_tables(options)


if __name__ == "__main__":
    main()
