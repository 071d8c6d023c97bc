"""The single steps of preparation against naive pandas oracles."""

import duckdb
import narwhals as nw
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tf_gradcraft.data_pipelines.preparation.cleaning import drop_duplicates, join_features
from tf_gradcraft.data_pipelines.preparation.core_filter import k_core
from tf_gradcraft.data_pipelines.preparation.hashing import row_uniform, splitmix64
from tf_gradcraft.data_pipelines.preparation.numbers import Moments, fill_missing, fit_boundaries, fit_missing
from tf_gradcraft.data_pipelines.preparation.parts import FOLD
from tf_gradcraft.data_pipelines.preparation.splitting import date_split, random_split
from tf_gradcraft.data_pipelines.preparation.statistics import KeyStatistics, priors, sum_by_key
from tf_gradcraft.data_pipelines.preparation.vocabularies import encode_column, fit_vocabulary
from tf_gradcraft.data_pipelines.task import Task
from tf_gradcraft.data_pipelines.vocabulary import Vocabulary, cross_codes

PAIRS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=60)


def naive_k_core(log: pd.DataFrame, k: int) -> pd.DataFrame:
    while True:
        kept = log[log.groupby("user")["user"].transform("size") >= k]
        kept = kept[kept.groupby("item")["item"].transform("size") >= k]
        if len(kept) == len(log):
            return kept
        log = kept


@settings(max_examples=25, deadline=None)
@given(pairs=PAIRS, k=st.integers(0, 4), engine=st.sampled_from(["duckdb", "pandas"]))
def test_k_core_equals_naive_loop(pairs, k, engine):
    log = pd.DataFrame({"user": [u for u, _ in pairs], "item": [i for _, i in pairs], "row": range(len(pairs))})
    log = log.astype("int64")
    with duckdb.connect() as connection:
        frame = nw.from_native(connection.from_df(log) if engine == "duckdb" else log).lazy()
        rows = k_core(frame, "user", "item", k).collect()["row"].to_list()
    assert sorted(rows) == sorted(naive_k_core(log, k)["row"])


def test_k_core_needs_several_rounds():
    # A chain: dropping its end makes the next one fall below 2, and so on.
    chain = pd.DataFrame({"user": [0, 1, 1, 2, 2, 3, 8, 8, 9, 9], "item": [0, 0, 1, 1, 2, 2, 7, 6, 7, 6]})
    left = k_core(nw.from_native(chain).lazy(), "user", "item", 2).collect()
    assert sorted(left["user"].to_list()) == [8, 8, 9, 9]


def test_k_core_refuses_negative():
    with pytest.raises(ValueError, match="k_core"):
        k_core(nw.from_native(pd.DataFrame({"user": [1], "item": [1]})).lazy(), "user", "item", -1)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 2), st.booleans()), min_size=1, max_size=50),
    st.floats(0.1, 50),
)
def test_rates_equal_naive_loop(rows, smoothing):
    ids, folds, labels = (np.array(column) for column in zip(*rows, strict=True))
    labels = labels.astype("float32")
    log = pd.DataFrame({"id": ids, "fold": folds, "label": labels})
    prior = labels.astype(float).mean()

    def log_odds(seen: pd.DataFrame) -> float:
        rate = (seen["label"].sum() + smoothing * prior) / (len(seen) + smoothing)
        rate = min(max(rate, 1e-6), 1 - 1e-6)
        return np.log(rate / (1 - rate))

    nobody = log.iloc[:0]
    by_id = [log[log["id"] == i] if i else nobody for i in range(5)]
    outside = [log[(log["id"] == i) & (log["fold"] != f)] if i else nobody for i, f in zip(ids, folds, strict=True)]
    history, ones = KeyStatistics(ids, 5, folds, 3), np.ones(len(ids))
    close = {"rtol": 1e-5, "atol": 1e-6}
    got = history.rates(labels, ones, prior, smoothing)
    np.testing.assert_allclose(got, [log_odds(s) for s in by_id], **close)
    got = history.rates_out_of_fold(labels, ones, prior, smoothing)[ids, folds]
    np.testing.assert_allclose(got, [log_odds(s) for s in outside], **close)
    np.testing.assert_array_equal(history.counts(), [len(s) for s in by_id])
    got = history.counts_out_of_fold()[ids, folds]
    np.testing.assert_allclose(got, [len(s) * 1.5 for s in outside], rtol=1e-6)


def test_own_label_does_not_move_own_rate():
    random = np.random.default_rng(0)
    ids, folds = random.integers(1, 6, 200), random.integers(0, 5, 200)
    labels = random.integers(0, 2, 200).astype(float)
    first, second = np.flatnonzero(labels == 0)[0], np.flatnonzero(labels == 1)[0]
    flipped = labels.copy()
    flipped[[first, second]] = flipped[[second, first]]  # two labels change places: the prior stays
    history, ones, prior = KeyStatistics(ids, 6, folds, 5), np.ones(200), labels.mean()
    rates, other = (history.rates_out_of_fold(values, ones, prior, 5.0)[ids, folds] for values in (labels, flipped))
    touched = [(ids == ids[row]) & (folds != folds[row]) for row in (first, second)]
    assert (rates != other).any()
    assert not (rates != other)[~(touched[0] | touched[1])].any()


def test_unlabelled_rows_do_not_count():
    table = pd.DataFrame({"id": [1, 1, 1, 2], FOLD: [0, 1, 0, 1], "buy": [1.0, 0, 1, 1], "known": [1.0, 1, 0, 0]})
    task = Task(name="buy", mask="known")
    sums = sum_by_key(nw.from_native(table).lazy(), ["id"], [task])
    prior = priors(sums, [task])["buy"]
    assert prior == 0.5
    history = KeyStatistics(sums["id"].to_numpy(), 3, sums[FOLD].to_numpy(), 2)
    rates = history.rates(sums["positives_buy"].to_numpy(), sums["labelled_buy"].to_numpy(), prior, 2.0)
    np.testing.assert_allclose(1 / (1 + np.exp(-rates)), [0.5, (1 + 1) / 4, 0.5], atol=1e-6)


def test_rates_stay_finite_without_a_positive():
    history = KeyStatistics(np.array([1, 1]), 2, np.array([0, 1]), 2)
    assert np.isfinite(history.rates(np.zeros(2), np.ones(2), 0.0, 1.0)).all()
    assert np.isfinite(history.rates_out_of_fold(np.ones(2), np.ones(2), 1.0, 1.0)).all()


def test_splitmix64_golden_values():
    # The first outputs of the reference generator seeded with 0.
    golden = 0x9E3779B97F4A7C15
    states = np.array([0, golden, 2 * golden % 2**64], np.uint64)
    assert [hex(int(value)) for value in splitmix64(states)] == [
        "0xe220a8397b1dcdaf",
        "0x6e789e6aa1b965f4",
        "0x6c45d188009454f",
    ]


def test_row_uniform_is_uniform_and_independent():
    rows = 100_000
    keys = [np.arange(rows) % 997, np.arange(rows) // 997]
    split, fold, other = row_uniform(keys, 0, 0), row_uniform(keys, 0, 1), row_uniform(keys, 1, 0)
    assert split.min() >= 0
    assert split.max() < 1
    counts = np.histogram(split, 10, (0, 1))[0]
    assert (np.abs(counts - rows / 10) < 5 * np.sqrt(rows * 0.09)).all()
    for numbers in (fold, other):
        assert abs(np.corrcoef(split, numbers)[0, 1]) < 0.02


@given(st.permutations(range(30)), st.integers(-5, 5))
def test_row_uniform_does_not_depend_on_row_order(order, seed):
    users, items = np.arange(30) % 7, np.arange(30) - 12
    order = np.array(order)
    whole = row_uniform([users, items], seed, 0)
    np.testing.assert_array_equal(whole[order], row_uniform([users[order], items[order]], seed, 0))


def test_split_fractions_and_boundaries():
    shares = np.bincount(random_split(np.linspace(0, 1, 100_001)[:-1])) / 100_000
    np.testing.assert_allclose(shares, [0.8, 0.1, 0.1], atol=1e-4)
    days = np.array([20220501, 20220502, 20220503, 20220504])
    assert date_split(days, 20220502, 20220504).tolist() == [0, 1, 1, 2]
    with pytest.raises(ValueError, match="valid_from=5 must come before test_from=5"):
        date_split(days, 5, 5)


@pytest.mark.parametrize("values", [[3, 3, 1, 1, 2, None], ["c", "c", "a", "a", "b", None]])
def test_vocabulary_order_min_count_and_unknown(values):
    frame = nw.from_native(pa.table({"x": values}), eager_only=True)
    ranked = [values[2], values[0], values[4]]  # by count, then by value
    vocabulary = fit_vocabulary(frame, "x")
    assert vocabulary.values.tolist() == ranked
    assert fit_vocabulary(frame, "x", min_count=2).values.tolist() == ranked[:2]
    unseen = 99 if isinstance(values[0], int) else "zebra"
    assert encode_column(vocabulary, pa.chunked_array([[values[0], None, unseen, values[4]]])).tolist() == [2, 0, 0, 3]


def test_vocabulary_of_nothing_knows_nothing():
    empty = fit_vocabulary(nw.from_native(pa.table({"x": pa.array([None], pa.string())}), eager_only=True), "x")
    assert empty.size == 1
    assert encode_column(empty, pa.chunked_array([["a", None]])).tolist() == [0, 0]
    assert encode_column(empty, pa.chunked_array([pa.array([None], pa.string())])).tolist() == [0]


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 4), st.integers(0, 2)), min_size=1, max_size=30))
def test_cross_codes_are_unique_and_decode(rows):
    columns = [np.array(column, np.int32) for column in zip(*rows, strict=True)]
    codes = cross_codes(columns, [7, 5, 3])
    assert (codes // 15 == columns[0]).all()
    assert (codes // 3 % 5 == columns[1]).all()
    assert (codes % 3 == columns[2]).all()
    assert len(set(codes.tolist())) == len(set(rows))


def test_vocabulary_save_load_round_trip(tmp_path):
    for values in (np.array([5, 2]), np.array(["ü", ""]), np.zeros(0, np.int64)):
        statistics = {"rate": np.arange(len(values) + 1, dtype="float32")}
        Vocabulary(values, statistics).save(tmp_path / "v.parquet")
        loaded = Vocabulary.load(tmp_path / "v.parquet")
        assert loaded.values.tolist() == values.tolist()
        np.testing.assert_array_equal(loaded.statistics["rate"], statistics["rate"])


def test_numbers_are_fitted_on_train_only():
    values, train = np.array([1.0, np.nan, 5.0, 1e9, np.nan]), np.array([True, True, True, False, False])
    missing = fit_missing(values[train])
    np.testing.assert_array_equal(fill_missing(values, missing), np.array([1, 3, 5, 1e9, 3], "float32"))
    assert fit_missing(np.array([np.nan])) == 0.0
    assert moments([0.0, np.expm1(2.0)], "log1p") == pytest.approx((1.0, 1.0))
    assert moments(np.full(3, 0.1, "float32"))[1] == 1.0


def moments(values, transform=None, pieces=1):
    fitted = Moments(transform)
    for piece in np.array_split(np.asarray(values), pieces):
        fitted.add(piece)
    return fitted.result()


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30), st.integers(1, 5))
def test_moments_of_batches_are_those_of_the_whole(values, pieces):
    mean, std = moments(values, pieces=pieces)
    assert mean == pytest.approx(np.mean(values), rel=1e-9, abs=1e-6)
    wanted = np.std(values)
    assert std == pytest.approx(wanted if wanted > 1e-6 * max(1, abs(mean)) else 1.0, rel=1e-6)


def test_boundaries_are_quantiles_that_rise():
    values = np.append(np.arange(100.0), np.nan)
    assert fit_boundaries(values, 4) == (25.0, 50.0, 75.0)
    counts = np.bincount(np.digitize(values[:-1], fit_boundaries(values, 10)))
    assert (counts == 10).all()
    # Half of the values are equal: fewer buckets, none of them empty.
    assert fit_boundaries(np.array([0.0] * 5 + [1, 2, 3, 4, 5]), 5) == (2.0, 4.0)
    for constant in (np.ones(3), np.array([np.nan])):
        with pytest.raises(ValueError, match="two or more values"):
            fit_boundaries(constant, 3)


def test_duplicates_and_joins():
    log = pd.DataFrame({"user": [1, 1, 1, 2], "item": [4, 4, 5, 4]})
    unique = drop_duplicates(nw.from_native(log).lazy())
    assert len(unique.collect()) == 3
    users = pd.DataFrame({"user": [1, 1], "age": [3, 3]})
    joined = join_features(unique, nw.from_native(users).lazy(), "user", "users.csv").collect()
    assert len(joined) == 3
    users["age"] = [3, 4]
    with pytest.raises(ValueError, match=r"users\.csv: user 1 stands in several rows"):
        join_features(unique, nw.from_native(users).lazy(), "user", "users.csv")
