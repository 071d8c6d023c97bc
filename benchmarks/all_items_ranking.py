"""Times the ranking of all items: `python benchmarks/all_items_ranking.py` (15,000 users x 12,000 items by default).

MetaBalance's network, by default with the paper's widths, and random weights; fifty known and one held-out item a user.
Prints the seconds of the first call, which traces the graph, and of further ones, and beside them what model calls on
all pairs of some of the users take, scaled up to all of them. Before it the rates of two matrix products: of a
large one, and of the tower's first layer on a block of items.
"""

import argparse
import time

import keras
import numpy as np
import tensorflow as tf

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
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--pairwise-users", type=int, default=64, help="users of the pairwise comparison; 0: none")
    options = parser.parse_args()
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
    ranking = AllItemsRanking(
        np.arange(options.users) + 1,
        known=(rows, drawn[:, :-1].ravel()),
        held_out=(np.arange(options.users), drawn[:, -1]),
        num_items=options.items + 1,
        batch_size=options.batch_size,
    )
    for shape in ((4096, 512, 512), (3000, options.embedding_dim + 8, options.tower_units[0])):
        print(f"product of {' x '.join(map(str, shape))}: {rate(*shape):.0f} GFLOP/s")
    for call in range(1 + options.repeat):
        start, cpu = time.perf_counter(), time.process_time()
        values = ranking.evaluate(lambda users: model.score_all_items(users, "buy"))
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
        print(f"call {call + 1}: {seconds:.1f} s, {cpu:.1f} s of CPU, NDCG@10 {values['ndcg_at_10']:.5f}", flush=True)
    if options.pairwise_users:
        print(f"pair by pair: {pairwise(model, options):.1f} s")


def rate(rows: int, inner: int, columns: int) -> float:
    """Returns the best rate of twenty matrix products of this size, GFLOP/s."""
    one, other = tf.random.normal((rows, inner)), tf.random.normal((inner, columns))
    times = []
    for _ in range(21):
        start = time.perf_counter()
        tf.matmul(one, other).numpy()
        times.append(time.perf_counter() - start)
    return 2e-9 * rows * inner * columns / min(times[1:])


def pairwise(model: MatrixFactorizationMLP, options: argparse.Namespace) -> float:
    """Returns the seconds that model calls on all pairs would take, from those of some users."""
    items = tf.range(options.items + 1)

    @tf.function
    def scores(user: tf.Tensor) -> tf.Tensor:
        return model({"user_id": tf.fill(tf.shape(items), user), "item_id": items})["buy"]

    scores(tf.constant(1))
    start = time.perf_counter()
    for user in range(options.pairwise_users):
        scores(tf.constant(user))
    return (time.perf_counter() - start) / options.pairwise_users * options.users


if __name__ == "__main__":
    main()
