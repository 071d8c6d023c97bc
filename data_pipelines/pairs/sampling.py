"""Batches of observed pairs and sampled unobserved ones, drawn in the graph."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from tf_gradcraft.suggestions import unknown_name

ATTEMPTS = 4
SHARES = ("equal", "proportional")


def pair_batches(
    pairs: Mapping[str, tuple[np.ndarray, np.ndarray]],
    *,
    num_items: int,
    batch_size: int,
    negatives: int,
    shares: str = "equal",
    item_weights: np.ndarray | None = None,
    seed: int = 0,
    names: tuple[str, str] = ("user_id", "item_id"),
) -> tf.data.Dataset:
    """Returns batches of observed pairs of each behaviour, each with unobserved pairs of the same user.

    An epoch is one pass over the pairs of the first behaviour, the target. Each behaviour's pairs come in a new order
    each epoch. With equal shares a batch holds as many observed pairs of each behaviour: of behaviours with more pairs
    than the target an epoch takes as many as of the target, others start again at the beginning. With proportional
    shares a batch holds of each behaviour in proportion to its number of pairs, and an epoch is one pass over the
    pairs of all of them. Losses are means over a behaviour's rows, so that it weighs the same either way.

    Unobserved items are drawn anew each epoch. One that is among the user's training pairs of *the same* behaviour is
    drawn again, up to four draws in all; if all are observed, that row gets weight 0. An item that the user has viewed
    but not bought can therefore be a negative of `buy`.

    Args:
        pairs: For each behaviour, the target first, users and items [n] (ids from 1) of its training pairs.
        num_items: Number of item ids, id 0 (unknown) included; items 1 to `num_items` - 1 are drawn.
        batch_size: Observed pairs B of the target in a batch, at most.
        negatives: Unobserved pairs n for each observed one.
        shares: `"equal"` or `"proportional"`, see above.
        item_weights: Items are drawn in proportion to these [num_items]; uniformly by default.
        seed: Seed of order and draws: the same seed, the same epochs. TensorFlow combines it with its global seed, if
            one is set (`keras.utils.set_random_seed`).
        names: Names of the two features.

    Returns:
        A dataset of `(features, labels, weights)`. With T behaviours a batch of equal shares has R = T B (1 + n) rows,
        those of the first behaviour first, observed ones before unobserved ones: features are int32 [R]; for each
        behaviour labels are float32 [R], and weights are 1 on that behaviour's own rows and 0 elsewhere.

    Raises:
        ValueError: If a behaviour has no pair, a number is below 1, or `shares` is not known.

    Example:
        >>> pairs = {"buy": (np.array([1, 2]), np.array([3, 1])), "view": (np.array([1, 1, 2]), np.array([1, 3, 2]))}
        >>> batches = pair_batches(pairs, num_items=999, batch_size=2, negatives=1)
        >>> features, labels, weights = next(iter(batches))
        >>> features["item_id"].shape, labels["buy"].numpy().tolist(), weights["view"].numpy().tolist()
        (TensorShape([8]), [1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0])
    """
    if batch_size < 1 or negatives < 1:
        raise ValueError(f"batch_size and negatives must be at least 1, got {batch_size} and {negatives}")
    if shares not in SHARES:
        raise ValueError(unknown_name("shares", shares, SHARES))
    if empty := [name for name, (users, _) in pairs.items() if not len(users)]:
        raise ValueError(f"there is no training pair of: {', '.join(empty)}; leave the behaviour out")
    users = [tf.constant(users, tf.int64) for users, _ in pairs.values()]
    items = [tf.constant(items, tf.int64) for _, items in pairs.values()]
    observed = [tf.sort(of_user * num_items + item) for of_user, item in zip(users, items, strict=True)]
    counts = [int(of_behaviour.shape[0]) for of_behaviour in observed]
    steps = -(-counts[0] // batch_size)
    heights = None if item_weights is None else tf.constant(cumulative_shares(item_weights))

    def draw(shape: list, seeds: tf.Tensor) -> tf.Tensor:
        if heights is None:
            return tf.random.stateless_uniform(shape, seeds, 1, num_items, tf.int64)
        uniform = tf.random.stateless_uniform(shape, seeds, dtype=tf.float64)
        found = tf.searchsorted(heights, tf.reshape(uniform, [-1]), side="right", out_type=tf.int64)
        return tf.reshape(found, shape)

    def spans(step: tf.Tensor) -> list[tuple[tf.Tensor, tf.Tensor]]:
        """First and last place + 1 of a step's pairs in the order of each behaviour."""
        if shares == "proportional":
            return [(step * count // steps, (step + 1) * count // steps) for count in counts]
        start = step * batch_size
        return [(start, tf.minimum(start + batch_size, counts[0]))] * len(counts)

    def batch(step: tf.Tensor, orders: tuple[tf.Tensor, ...], seed_of_epoch: tf.Tensor) -> tuple:
        places = [tf.range(first, last) for first, last in spans(step)]
        sizes = [tf.size(of_behaviour, tf.int64) for of_behaviour in places]
        drawn = draw([tf.add_n(sizes) * negatives, ATTEMPTS], tf.stack([seed_of_epoch, step + 1]))
        drawn_for = tf.split(drawn, tf.stack(sizes) * negatives, num=len(sizes))
        rows_users, rows_items, rows_labels, rows_weights = [], [], [], []
        for number, order in enumerate(orders):
            at = tf.gather(order, places[number] % counts[number])
            positive_users = tf.gather(users[number], at)
            negative_users = tf.repeat(positive_users, negatives)
            keys = negative_users[:, tf.newaxis] * num_items + drawn_for[number]
            free = tf.logical_not(contains(observed[number], keys))
            first = tf.argmax(tf.cast(free, tf.int32), axis=1)
            rows_users += [positive_users, negative_users]
            rows_items += [tf.gather(items[number], at), tf.gather(drawn_for[number], first, axis=1, batch_dims=1)]
            rows_labels += [tf.ones([sizes[number]]), tf.zeros([sizes[number] * negatives])]
            valid = tf.concat([tf.ones([sizes[number]], tf.bool), tf.reduce_any(free, axis=1)], axis=0)
            own = tf.one_hot(number, len(orders))
            rows_weights += [tf.cast(valid, tf.float32)[:, tf.newaxis] * own]
        features = {
            names[0]: tf.cast(tf.concat(rows_users, axis=0), tf.int32),
            names[1]: tf.cast(tf.concat(rows_items, axis=0), tf.int32),
        }
        weights = tf.unstack(tf.concat(rows_weights, axis=0), axis=1)
        return features, dict.fromkeys(pairs, tf.concat(rows_labels, axis=0)), dict(zip(pairs, weights, strict=True))

    def epoch(seed_of_epoch: tf.Tensor) -> tf.data.Dataset:
        orders = tuple(
            tf.random.experimental.stateless_shuffle(
                tf.range(count, dtype=tf.int64), seed=tf.stack([seed_of_epoch, tf.constant(-1 - number, tf.int64)])
            )
            for number, count in enumerate(counts)
        )
        return tf.data.Dataset.range(steps).map(lambda step: batch(step, orders, seed_of_epoch))

    # One number an epoch: each pass over the dataset draws the next one of a sequence that the seed fixes.
    seeds = tf.data.Dataset.random(seed=seed, rerandomize_each_iteration=True).take(1)
    dataset = seeds.flat_map(epoch).apply(tf.data.experimental.assert_cardinality(steps))
    return dataset.prefetch(tf.data.AUTOTUNE)


def contains(ordered: tf.Tensor, keys: tf.Tensor) -> tf.Tensor:
    """Returns whether each key (int64, any shape) is in an ascending vector [n].

    Example:
        >>> contains(tf.constant([2, 5, 9], tf.int64), tf.constant([[5, 6], [1, 10]], tf.int64)).numpy().tolist()
        [[True, False], [False, False]]
    """
    at = tf.searchsorted(ordered, tf.reshape(keys, [-1]), out_type=tf.int64)
    found = tf.gather(ordered, tf.minimum(at, tf.size(ordered, tf.int64) - 1))
    return tf.reshape(found, tf.shape(keys)) == keys


def cumulative_shares(weights: np.ndarray) -> np.ndarray:
    """Returns cumulative shares of items by weight, such that a uniform number finds an item to its right.

    Args:
        weights: Weights [num_items], not negative; that of item 0 (unknown) does not count.

    Raises:
        ValueError: If no item has a positive weight.

    Example:
        >>> cumulative_shares(np.array([7.0, 1.0, 3.0])).tolist()
        [0.0, 0.25, 1.0]
    """
    weights = np.concatenate([[0.0], np.asarray(weights, np.float64)[1:]])
    if not weights.sum() > 0:
        raise ValueError("no item has a positive weight; take sampling='uniform'")
    heights = np.cumsum(weights) / weights.sum()
    # Rounding must leave no room above the last item that has a weight.
    heights[np.flatnonzero(weights)[-1] :] = 1.0
    return heights
