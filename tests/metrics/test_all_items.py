"""Ranking of all items against a loop over users and against the metrics of rows."""

import math

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tf_gradcraft.metrics import AllItemsRanking, ndcg_at_k, precision_at_k, recall_at_k
from tf_gradcraft.training import RankingValidation

USERS, ITEMS = 23, 31


def case(seed=0):
    """Scores [user id, item], users, and disjoint known and held-out items; some users have nothing known."""
    random = np.random.default_rng(seed)
    users = random.permutation(np.arange(1, USERS + 1))
    known, held_out = [], []
    for row in range(USERS):
        items = random.permutation(np.arange(1, ITEMS))
        known += [(row, item) for item in items[: row % 6]]
        held_out += [(row, item) for item in items[6 : 7 + row % 4]]
    scores = random.permutation((USERS + 1) * ITEMS).reshape(USERS + 1, ITEMS).astype("float32")
    known, held_out = (tuple(random.permutation(pairs).T) for pairs in (known, held_out))
    return scores, users, known, held_out


def by_hand(scores, users, known, held_out, k):
    """Mean NDCG, recall and precision at k, user by user."""
    values = []
    for row, user in enumerate(users):
        left_out = {0, *known[1][known[0] == row]}
        wanted = set(held_out[1][held_out[0] == row])
        ranked = sorted(
            (item for item in range(scores.shape[1]) if item not in left_out), key=lambda item: -scores[user, item]
        )
        hits = [item in wanted for item in ranked[:k]]
        gain = sum(hit / math.log2(place + 2) for place, hit in enumerate(hits))
        best = sum(1 / math.log2(place + 2) for place in range(min(k, len(wanted))))
        values.append((gain / best, sum(hits) / len(wanted), sum(hits) / k))
    return np.mean(values, axis=0)


@pytest.mark.parametrize("batch_size", [5, 64])
def test_equals_a_loop_over_users(batch_size):
    scores, *parts = case()
    ranking = AllItemsRanking(*parts, num_items=ITEMS, k=[1, 3, 10], batch_size=batch_size)
    values = ranking.evaluate(lambda users: tf.gather(tf.constant(scores), users))
    for k in (1, 3, 10):
        found = [values[f"{name}_at_{k}"] for name in ("ndcg", "recall", "precision")]
        np.testing.assert_allclose(found, by_hand(scores, *parts, k), rtol=1e-12)


def test_equals_the_metrics_of_rows():
    scores, users, known, held_out = case(1)
    rows, items = np.divmod(np.arange(USERS * ITEMS), ITEMS)
    kept = (items > 0) & ~np.isin(rows * ITEMS + items, known[0] * ITEMS + known[1])
    rows, items = rows[kept], items[kept]
    labels = np.isin(rows * ITEMS + items, held_out[0] * ITEMS + held_out[1]).astype(float)
    ranking = AllItemsRanking(users, known, held_out, num_items=ITEMS, k=[5])
    values = ranking.evaluate(lambda users: tf.gather(tf.constant(scores), users))
    for name, metric in (("ndcg", ndcg_at_k), ("recall", recall_at_k), ("precision", precision_at_k)):
        expected = float(metric(labels, scores[users[rows], items], rows, k=5))
        assert values[f"{name}_at_5"] == pytest.approx(expected, rel=1e-12)


def test_of_equal_scores_the_lower_id_comes_first():
    ranking = AllItemsRanking([3], known=([0], [1]), held_out=([0], [4]), num_items=9, k=[2, 3])
    values = ranking.evaluate(lambda users: tf.zeros([1, 9]))
    assert (values["recall_at_2"], values["recall_at_3"]) == (0.0, 1.0)  # the list is 2, 3, 4, ...


def test_an_unknown_item_counts_but_is_never_found():
    ranking = AllItemsRanking([1], known=([], []), held_out=([0, 0], [0, 2]), num_items=5, k=[4])
    values = ranking.evaluate(lambda users: tf.constant([[9.0, 1.0, 8.0, 0.0, 0.0]]))
    assert values["recall_at_4"] == 0.5
    assert values["ndcg_at_4"] == pytest.approx(1 / (1 + 1 / math.log2(3)))


def test_known_items_are_in_no_list_even_where_few_are_left():
    ranking = AllItemsRanking([1], known=([0, 0, 0], [1, 2, 3]), held_out=([0], [4]), num_items=5, k=[1, 4])
    values = ranking.evaluate(lambda users: tf.constant([[9.0, 8.0, 7.0, 6.0, -5.0]]))
    assert (values["recall_at_1"], values["precision_at_4"]) == (1.0, 0.25)


def test_bad_input_is_named():
    good = {"users": [7, 8], "known": ([0], [1]), "held_out": ([0, 1], [2, 2]), "num_items": 5, "k": [2]}
    for change, message in (
        ({"k": [5]}, "k=5 is more than there are items to rank: 4"),
        ({"k": [0]}, "must be at least 1"),
        ({"held_out": ([0], [2])}, "held_out has no item for user 8"),
        ({"held_out": ([0, 1], [1, 2])}, "item 1 of user 7 is both known and held out"),
        ({"known": ([0], [5])}, r"known: items run from 5 to 5, must be in \[0, 5\)"),
        ({"held_out": ([0, 2], [2, 2])}, r"held_out: rows run from 0 to 2, must be in \[0, 2\)"),
    ):
        with pytest.raises(ValueError, match=message):
            AllItemsRanking(**{**good, **change})
    with pytest.raises(tf.errors.InvalidArgumentError, match="a score is NaN"):
        AllItemsRanking(**good).evaluate(lambda users: tf.fill([tf.size(users), 5], math.nan))
    for scores, message in (({}, "neither are given"), ({"score": print, "score_items": print}, "both are given")):
        with pytest.raises(ValueError, match=message):
            AllItemsRanking(**good).evaluate(**scores)
        with pytest.raises(ValueError, match=message):
            RankingValidation(AllItemsRanking(**good), **scores)


def many_items(users=40, items=1500, seed=3):
    """Users with one to three wanted items among many, whose scores lie anywhere; id 0 is wanted too by some."""
    random = np.random.default_rng(seed)
    scores = random.normal(size=(users, items)).astype("float32")
    known, held_out = [], []
    for row in range(users):
        drawn = 1 + random.permutation(items - 1)
        known += [(row, item) for item in drawn[:20]]
        held_out += [(row, item) for item in drawn[20 : 21 + row % 3]]
        if row % 7 == 0:
            held_out.append((row, 0))
    held_out += [(users, 0)]  # one whose only wanted item is unknown
    scores = np.concatenate([scores, scores[:1]])
    return scores, np.arange(users + 1), tuple(np.transpose(known)), tuple(np.transpose(held_out))


def both_scores(scores):
    """Scores of users and of users and items, and how many users the latter were asked for on all items."""
    scores, count = tf.constant(scores), tf.Variable(0)

    def score_items(users, items):
        count.assign_add(tf.size(users) if items.shape[0] == scores.shape[1] else 0)
        return tf.gather(tf.gather(scores, users), items, axis=1)

    return lambda users: tf.gather(scores, users), score_items, count


@pytest.mark.parametrize(
    ("change", "most"),
    [
        (lambda scores, wanted: scores, 4),
        (lambda scores, wanted: np.round(scores, 1), 4),
        (lambda scores, wanted: np.zeros_like(scores), 40),
        (lambda scores, wanted: 1e-5 * scores - 7, 40),  # nearly equal
        (lambda scores, wanted: np.where(scores < 0, -np.inf, scores), 40),
        (lambda scores, wanted: scores + 2 * wanted, 40),
        (lambda scores, wanted: np.where(wanted, np.inf, scores), 40),
    ],
    ids=["any", "rounded", "equal", "nearly equal", "some minus infinity", "wanted ones high", "wanted ones infinite"],
)
def test_scoring_few_items_first_changes_no_value_and_spares_users(change, most):
    scores, users, known, held_out = many_items()
    wanted = np.zeros(scores.shape, bool)
    wanted[held_out] = True
    scores = change(scores, wanted).astype("float32")
    score, score_items, count = both_scores(scores)
    ranking = AllItemsRanking(users, known, held_out, num_items=scores.shape[1], k=[1, 5], batch_size=16)
    values = ranking.evaluate(score_items=score_items)
    assert count.numpy() <= most
    for k in (1, 5):
        found = [values[f"{name}_at_{k}"] for name in ("ndcg", "recall", "precision")]
        np.testing.assert_allclose(found, by_hand(scores, users, known, held_out, k), rtol=1e-12)
    assert values == pytest.approx(ranking.evaluate(score), rel=1e-12)


@given(seed=st.integers(0, 10**6), k=st.integers(1, 20), decimals=st.integers(0, 4), high=st.floats(0, 3))
@settings(max_examples=settings.default.max_examples // 20)
def test_scoring_few_items_first_is_the_same_whatever_the_scores(seed, k, decimals, high):
    scores, users, known, held_out = many_items(users=12, items=2000, seed=seed)
    scores[held_out] += high
    score, score_items, _ = both_scores(np.round(scores, decimals).astype("float32"))
    ranking = AllItemsRanking(users, known, held_out, num_items=scores.shape[1], k=[k], batch_size=5)
    assert ranking.evaluate(score_items=score_items) == pytest.approx(ranking.evaluate(score), rel=1e-12)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float64"])
def test_scores_of_any_precision_can_be_looked_at_first(dtype):
    scores, users, known, held_out = many_items()
    scores = scores.astype(tf.as_dtype(dtype).as_numpy_dtype)
    score, score_items, _ = both_scores(scores)
    ranking = AllItemsRanking(users, known, held_out, num_items=scores.shape[1], k=[5], batch_size=16)
    assert ranking.evaluate(score_items=score_items) == pytest.approx(ranking.evaluate(score), rel=1e-12)


def test_nan_among_the_items_looked_at_first_is_named():
    scores, users, known, held_out = many_items()
    scores[3, 7] = math.nan
    ranking = AllItemsRanking(users, known, held_out, num_items=scores.shape[1], k=[5])
    with pytest.raises(tf.errors.InvalidArgumentError, match="a score is NaN"):
        ranking.evaluate(score_items=both_scores(scores)[1])


def test_values_reach_the_callbacks_behind():
    ranking = AllItemsRanking([1], known=([], []), held_out=([0], [2]), num_items=4, k=[1])
    logs = {"loss": 1.0}
    score, score_items, _ = both_scores([[0.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]])
    for validation in (RankingValidation(ranking, score), RankingValidation(ranking, score_items=score_items)):
        validation.on_epoch_end(0, logs)
        assert logs == {"loss": 1.0, "val_ndcg_at_1": 0.0, "val_recall_at_1": 0.0, "val_precision_at_1": 0.0}
