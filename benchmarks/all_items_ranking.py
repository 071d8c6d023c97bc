"""Times the ranking of all items: `python benchmarks/all_items_ranking.py` (15,000 users x 12,000 items by default).

MetaBalance's network, by default with the paper's widths, and random weights; fifty known and one held-out item a user.
For a share of the users (`--found`) that item is the twentieth of the list, else any. Or, with `--prepared FOLDER
--model FILE`, the test part of a prepared folder of pairs and a model that `multi_behaviour.py` trained.

Users are scored on all items only where that can make a difference, and all users on all items, in turns; the first
turn traces the graphs. Then what model calls on all pairs of some of the users take, scaled up to all of them. Before
it the rates of two matrix products: of a large one, and of the tower's first layer on a block of items.
"""

import argparse
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import tf_gradcraft as gc
from tf_gradcraft.data_pipelines import PreparedPairs
from tf_gradcraft.data_pipelines.schema import Feature, Schema, Task
from tf_gradcraft.metrics import AllItemsRanking
from tf_gradcraft.models import MatrixFactorizationMLP


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=15_000)
    parser.add_argument("--items", type=int, default=12_000)
    parser.add_argument("--embedding-dim", type=int, default=64)
    parser.add_argument("--tower-units", type=int, nargs="+", default=[64, 32])
    parser.add_argument("--known", type=int, default=50, help="known items a user")
    parser.add_argument("--found", type=float, default=0.1, help="share of users whose held-out item is in the list")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--pairwise-users", type=int, default=64, help="users of the pairwise comparison; 0: none")
    parser.add_argument("--prepared", type=Path, help="a prepared folder of pairs, with --model")
    parser.add_argument("--model", type=Path)
    options = parser.parse_args()
    if (options.prepared is None) != (options.model is None):
        parser.error("--prepared and --model need each other")
    model, task, ranking = trained(options) if options.model else made_up(options)
    for shape in ((4096, 512, 512), (3000, *model.get_layer(f"{task}_tower").dense[0].kernel.shape)):
        print(f"product of {' x '.join(map(str, shape))}: {rate(*shape):.0f} GFLOP/s")

    def score(users: tf.Tensor) -> tf.Tensor:
        return model.score_all_items(users, task)

    def score_items(users: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
        return model.score_items(users, items, task)

    for turn in range(1 + options.repeat):
        for name, scores in (
            ("where needed", {"score_items": score_items}),
            ("all users on all items", {"score": score}),
        ):
            start, cpu = time.perf_counter(), time.process_time()
            values = ranking.evaluate(**scores)
            seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
            figures = f"NDCG@10 {values['ndcg_at_10']:.5f}, recall@20 {values['recall_at_20']:.5f}"
            print(f"turn {turn}, {name}: {seconds:.1f} s, {cpu:.1f} s of CPU, {figures}", flush=True)
    if options.pairwise_users:
        print(f"pair by pair: {pairwise(model, task, ranking, options.pairwise_users):.1f} s")


def made_up(options: argparse.Namespace) -> tuple[MatrixFactorizationMLP, str, AllItemsRanking]:
    """Returns a model with random weights, its task, and what is to be ranked."""
    keras.utils.set_random_seed(0)
    features = [
        Feature(name=name, kind="categorical", dtype="int64", size=size + 1)
        for name, size in (("user_id", options.users), ("item_id", options.items))
    ]
    schema = Schema(features=features, tasks=[Task(name="buy"), Task(name="view")])
    model = MatrixFactorizationMLP(schema, embedding_dim=options.embedding_dim, tower_units=options.tower_units)
    random = np.random.default_rng(0)
    first = random.integers(0, options.items, (options.users, 1))
    drawn = (first + 7 * np.arange(options.known + 1)) % options.items + 1
    rows = np.repeat(np.arange(options.users), options.known)
    known, held_out = drawn[:, :-1], drawn[:, -1]
    found = random.choice(options.users, round(options.found * options.users), replace=False)
    held_out[found] = twentieth(model, found + 1, known[found])
    ranking = AllItemsRanking(
        np.arange(options.users) + 1,
        known=(rows, known.ravel()),
        held_out=(np.arange(options.users), held_out),
        num_items=options.items + 1,
        batch_size=options.batch_size,
    )
    return model, "buy", ranking


def trained(options: argparse.Namespace) -> tuple[MatrixFactorizationMLP, str, AllItemsRanking]:
    """Returns a model that was trained on a prepared folder, the target, and the test part."""
    data = PreparedPairs(options.prepared)
    ranking = AllItemsRanking(**data.ranking("test", mask="any"), batch_size=options.batch_size)
    return gc.load_model(options.model), data.target, ranking


def twentieth(model: MatrixFactorizationMLP, users: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Returns the item at place 20 of each of these users' lists, without known items [B, K]: ids [B]."""
    score = tf.function(lambda users: model.score_all_items(users, "buy"), reduce_retracing=True)
    items = []
    for start in range(0, len(users), 256):
        scores = score(tf.constant(users[start : start + 256])).numpy()
        scores[:, 0] = -np.inf
        np.put_along_axis(scores, known[start : start + 256], -np.inf, axis=1)
        items.append(np.argsort(-scores, axis=1)[:, 19])
    return np.concatenate([np.zeros(0, np.int64), *items])


def rate(rows: int, inner: int, columns: int) -> float:
    """Returns the best rate of twenty matrix products of this size, GFLOP/s."""
    one, other = tf.random.normal((rows, inner)), tf.random.normal((inner, columns))
    times = []
    for _ in range(21):
        start = time.perf_counter()
        tf.matmul(one, other).numpy()
        times.append(time.perf_counter() - start)
    return 2e-9 * rows * inner * columns / min(times[1:])


def pairwise(model: MatrixFactorizationMLP, task: str, ranking: AllItemsRanking, count: int) -> float:
    """Returns the seconds that model calls on all pairs would take, from those of some users."""
    items = tf.range(ranking.num_items)
    user_name, item_name = model.schema.feature_names

    @tf.function
    def scores(user: tf.Tensor) -> tf.Tensor:
        return model({user_name: tf.fill(tf.shape(items), user), item_name: items})[task]

    scores(tf.constant(1))
    start = time.perf_counter()
    for user in range(count):
        scores(tf.constant(user))
    return (time.perf_counter() - start) / count * len(ranking.users)


if __name__ == "__main__":
    main()
