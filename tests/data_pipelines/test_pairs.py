"""Pairs by behaviour: splits, sampling in the graph, what is ranked, and the data sets, against pandas."""

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from tf_gradcraft.data_pipelines import PreparedPairs, datasets
from tf_gradcraft.data_pipelines.pairs.sampling import contains, pair_batches
from tf_gradcraft.data_pipelines.pairs.splitting import split_pairs

USERS, ITEMS = 30, 40
SPLITS = ("train", "valid", "test")


def pairs(seed=0):
    """Distinct pairs: every user has some of each behaviour; many bought items were viewed."""
    random = np.random.default_rng(seed)
    rows = []
    for user in range(100, 100 + USERS):
        items = random.permutation(ITEMS)[: random.integers(10, 20)]
        for position, item in enumerate(items):
            buy = position < 5
            rows.append((user, 1000 + item, int(not buy or position % 2), int(position % 3 == 0), int(buy)))
    table = pd.DataFrame(rows, columns=["user_id", "item_id", "view", "fav", "buy"])
    return table[table[["view", "fav", "buy"]].any(axis=1)].reset_index(drop=True)


def with_marks(table):
    """Marks each user's first pair of each behaviour, as a data set that holds out pairs itself."""
    table = table.copy()
    for name in ("view", "fav", "buy"):
        first = table[table[name] == 1].groupby("user_id").head(1).index
        table[f"{name}_test"] = table.index.isin(first).astype(int)
    return table


def prepared(table, folder, **options):
    folder.mkdir(exist_ok=True)
    table.to_parquet(folder / "pairs.parquet")
    return datasets.Pairs(folder).prepare(folder / "prepared", **options)


def raw(data, split):
    """The pairs of a split with their raw keys."""
    columns = data.columns(split)
    frame = pd.DataFrame({name: columns[name] for name in data.schema.task_names})
    for name in (data.user, data.item):
        values = data.schema.vocabularies[name].values
        frame[name] = np.where(columns[name] > 0, values[np.maximum(columns[name], 1) - 1], -1)
    return frame


@pytest.fixture(scope="module")
def marked(tmp_path_factory):
    table = with_marks(pairs())
    return table, prepared(table, tmp_path_factory.mktemp("marked"))


@pytest.fixture(scope="module")
def unmarked(tmp_path_factory):
    table = pairs()
    return table, prepared(table, tmp_path_factory.mktemp("unmarked"))


def keys(frame):
    return set(zip(frame.user_id, frame.item_id, strict=True))


def test_held_out_pairs_are_in_no_behaviours_training_pairs(marked):
    table, data = marked
    held_out = table[table[["view_test", "fav_test", "buy_test"]].any(axis=1)]
    assert (held_out[["view", "fav", "buy"]].sum(axis=1) > 1).any(), "some held-out pair has a second behaviour"
    train, valid, test = (raw(data, split) for split in SPLITS)
    assert keys(test) == keys(held_out)
    assert not keys(train) & (keys(test) | keys(valid))
    assert keys(train) | keys(valid) | keys(test) == keys(table)
    # One pair a user to find, those that are marked for the target; other marked pairs are no purchases to find.
    assert keys(test[test.buy == 1]) == keys(table[table.buy_test == 1])
    assert valid.groupby("user_id").size().eq(1).all()
    assert keys(valid) <= keys(table[table.buy == 1])
    # What is left of each behaviour is trained on as it was.
    for name in ("view", "fav", "buy"):
        assert keys(train[train[name] == 1]) == keys(table[table[name] == 1]) - keys(test) - keys(valid)


def test_pairs_held_out_for_a_behaviour_that_is_not_asked_for_are_not_trained_on(marked, tmp_path):
    table, data = marked
    of_two = datasets.Pairs(data.folder.parent, tasks=["buy", "view"]).prepare(tmp_path / "prepared")
    assert keys(raw(of_two, "train")) == keys(raw(data, "train"))
    test = raw(of_two, "test")
    assert keys(test[test.buy == 1]) == keys(table[table.buy_test == 1])


def test_poisoned_held_out_pairs_change_nothing_in_training(marked, tmp_path):
    table, data = marked
    poisoned = table.copy()
    at = poisoned[["view_test", "fav_test", "buy_test"]].any(axis=1)
    poisoned.loc[at, "item_id"] += 100_000
    poisoned.loc[at, ["view", "fav"]] = 1
    other = prepared(poisoned, tmp_path / "poisoned")
    for name, vocabulary in data.schema.vocabularies.items():
        np.testing.assert_array_equal(vocabulary.values, other.schema.vocabularies[name].values)
    for split in ("train", "valid"):
        for name, values in data.columns(split).items():
            np.testing.assert_array_equal(values, other.columns(split)[name])
    # Items that nobody was trained on are wanted, but unknown.
    assert (other.ranking("test")["held_out"][1] == 0).all()
    for sampling in ("uniform", "popularity"):
        batches = [next(iter(of.train(8, sampling=sampling, seed=1))) for of in (data, other)]
        tf.nest.map_structure(np.testing.assert_array_equal, *batches)


def test_leave_one_out_keeps_a_pair_to_train_on(unmarked):
    table, data = unmarked
    train, valid, test = (raw(data, split) for split in SPLITS)
    for part in (valid, test):
        assert part.groupby("user_id").size().tolist() == [1] * USERS
        assert keys(part) <= keys(table[table.buy == 1])
    assert not keys(train) & (keys(test) | keys(valid))
    assert train.groupby("user_id").buy.sum().tolist() == [3] * USERS


def test_leave_one_out_takes_the_last_of_users_with_enough():
    users = np.array([1, 1, 1, 1, 2, 2, 3])
    target = np.array([True, True, True, False, True, True, True])
    times = np.array([5, 9, 7, 99, 1, 2, 1])
    none = np.zeros(7, bool)
    assert split_pairs(users, target, times, none, "leave_one_out").tolist() == [0, 2, 1, 0, 0, 0, 0]
    marks = np.array([False, True, False, False, False, True, False])
    assert split_pairs(users, target, times, marks, "leave_one_out").tolist() == [0, 2, 1, 0, 0, 2, 0]


def test_random_split_has_the_papers_shares_and_ignores_the_order_of_rows(tmp_path):
    table = pairs()
    data = prepared(table, tmp_path / "a", split="random", seed=3)
    again = prepared(table.sample(frac=1, random_state=1), tmp_path / "b", split="random", seed=3)
    rows = {split: raw(data, split) for split in SPLITS}
    assert {split: keys(raw(again, split)) for split in SPLITS} == {split: keys(rows[split]) for split in SPLITS}
    bought = table.buy.sum()
    assert [len(rows[split]) / bought for split in ("valid", "test")] == pytest.approx([0.1, 0.2], abs=0.07)


@pytest.mark.parametrize(("shares", "whole"), [("equal", ["buy"]), ("proportional", ["buy", "view", "fav"])])
def test_batches_hold_each_training_pair_once_and_no_observed_negative(marked, shares, whole):
    _, data = marked
    columns, names, negatives = data.columns("train"), data.schema.task_names, 3
    observed = {name: keys_of(columns, columns[name] == 1) for name in names}
    seen, drawn, counts = ({name: [] for name in names} for _ in range(3))
    for features, labels, weights in data.train(16, negatives=negatives, shares=shares, seed=5):
        users, items = features["user_id"].numpy(), features["item_id"].numpy()
        assert users.dtype == np.int32
        total = sum(weights[name].numpy() for name in names)
        assert set(total) <= {0.0, 1.0}
        for name in names:
            own, label = weights[name].numpy() == 1, labels[name].numpy()
            positives = list(zip(users[own & (label == 1)], items[own & (label == 1)], strict=True))
            assert set(positives) <= observed[name]
            unobserved = list(zip(users[own & (label == 0)], items[own & (label == 0)], strict=True))
            assert not set(unobserved) & observed[name]
            # A few rows have no weight: of 40 items a user has viewed up to 15.
            assert 0.7 * negatives * len(positives) < len(unobserved) <= negatives * len(positives)
            drawn[name] += unobserved
            seen[name] += positives
            counts[name].append(len(positives))
    for name in whole:
        assert sorted(seen[name]) == sorted(observed[name])
    if shares == "equal":
        assert counts["view"] == counts["fav"] == counts["buy"]
    for name in whole:
        # Equal batches but for the remainder: with equal shares in the last one, else spread.
        assert len(set(counts[name])) <= 2
    assert min(item for _, item in drawn["view"]) == 1
    assert max(item for _, item in drawn["view"]) == data.num_items - 1


def keys_of(columns, at):
    return set(zip(columns["user_id"][at], columns["item_id"][at], strict=True))


def test_negatives_are_new_each_epoch_and_the_seed_repeats_them(unmarked):
    _, data = unmarked

    def epochs(seed):
        dataset = data.train(1000, negatives=2, seed=seed)
        return [next(iter(dataset))[0]["item_id"].numpy().tolist() for _ in range(2)]

    first, second = epochs(1)
    assert first != second
    assert epochs(1) == [first, second]
    assert epochs(2)[0] != first


def test_popular_items_are_drawn_as_often_as_they_stand_in_the_pairs():
    random = np.random.default_rng(0)
    items = random.choice(np.arange(1, 6), p=[0.5, 0.2, 0.15, 0.1, 0.05], size=2000)
    weights = np.bincount(items, minlength=8)
    one = {"buy": (np.arange(1, 2001), items)}
    batch = next(iter(pair_batches(one, num_items=8, batch_size=2000, negatives=20, item_weights=weights)))
    drawn = batch[0]["item_id"].numpy()[2000:][batch[2]["buy"].numpy()[2000:] == 1]
    # A user's own item is drawn again, up to four draws: each user draws among the others, while the own is not drawn.
    p = weights / weights.sum()
    shares = p * (1 - p**4) / (1 - p)
    others = [sum(shares[own] * p[of] for own in range(8) if own != of) for of in range(8)]
    expected = np.array(others) / sum(others)
    np.testing.assert_allclose(np.bincount(drawn, minlength=8) / len(drawn), expected, atol=0.01)
    assert set(drawn) == {1, 2, 3, 4, 5}


def test_where_everything_is_observed_the_row_has_no_weight():
    one = {"buy": (np.array([1, 1]), np.array([1, 2]))}
    _, labels, weights = next(iter(pair_batches(one, num_items=3, batch_size=2, negatives=2)))
    assert labels["buy"].numpy().tolist() == [1, 1, 0, 0, 0, 0]
    assert weights["buy"].numpy().tolist() == [1, 1, 0, 0, 0, 0]


def test_membership_equals_numpy():
    random = np.random.default_rng(0)
    ordered, queries = np.unique(random.integers(0, 50, 20)), random.integers(-5, 60, (7, 9))
    np.testing.assert_array_equal(contains(tf.constant(ordered), tf.constant(queries)), np.isin(queries, ordered))


@pytest.mark.parametrize("mask", ["target", "any"])
def test_ranking_leaves_out_what_is_known(marked, mask):
    table, data = marked
    part = data.ranking("test", mask=mask)
    train, valid = (raw(data, split) for split in ("train", "valid"))
    values = {name: data.schema.vocabularies[name].values for name in (data.user, data.item)}
    user_of_row = values[data.user][part["users"] - 1]

    def named(rows, items):
        return set(zip(user_of_row[rows], values[data.item][items - 1], strict=True))

    seen = train if mask == "any" else train[train.buy == 1]
    assert named(*part["known"]) == keys(seen) | keys(valid)
    assert named(*part["held_out"]) == keys(table[table.buy_test == 1])
    assert named(*data.ranking("valid", mask=mask)["known"]) == keys(seen)


def test_taobao_log_in_its_official_layout(tmp_path):
    random = np.random.default_rng(0)
    log = pd.DataFrame(
        {
            "user": np.repeat(np.arange(1, 21), 40),
            "item": random.integers(1, 15, 800),
            "category": 1,
            "action": random.choice(["pv", "buy", "cart", "fav"], 800),
            "time": random.permutation(800) + 1_511_544_070,
        }
    )
    log.to_csv(tmp_path / "UserBehavior.csv", index=False, header=False)
    data = datasets.UserBehavior(tmp_path).prepare(tmp_path / "prepared")
    assert data.schema.task_names == ("buy", "cart", "fav", "view")
    last = log[log.action == "buy"].groupby(["user", "item"]).time.max().reset_index().sort_values("time")
    last = last[last.groupby("user").item.transform("size") >= 3]
    expected = last.groupby("user").tail(1)
    found = raw(data, "test")
    assert keys(found) == set(zip(expected.user, expected.item, strict=True))
    assert sum(data.rows.values()) == len(log.drop_duplicates(["user", "item"]))
    train = raw(data, "train")
    viewed = log[log.action == "pv"].drop_duplicates(["user", "item"])
    held_out = keys(found) | keys(raw(data, "valid"))
    assert keys(train[train.view == 1]) == set(zip(viewed.user, viewed.item, strict=True)) - held_out


def test_repeat_buyers_in_their_official_layout(tmp_path):
    random = np.random.default_rng(1)
    log = pd.DataFrame(
        {
            "user_id": np.repeat(np.arange(1, 21), 40),
            "item_id": random.integers(1, 12, 800),
            "cat_id": 1,
            "seller_id": 1,
            "brand_id": "",
            "time_stamp": random.integers(511, 1112, 800),
            "action_type": random.integers(0, 4, 800),
        }
    )
    log.to_csv(tmp_path / "user_log_format1.csv", index=False)
    data = datasets.RepeatBuyers(tmp_path, tasks=["buy", "view"]).prepare(tmp_path / "prepared", k_core=3)
    kept = log[log.action_type == 2].drop_duplicates(["user_id", "item_id"])
    while True:
        size = len(kept)
        for key in ("user_id", "item_id"):
            kept = kept[kept.groupby(key)[key].transform("size") >= 3]
        if len(kept) == size:
            break
    bought = pd.concat([frame[frame.buy == 1] for frame in (raw(data, split) for split in SPLITS)])
    assert keys(bought) == keys(kept)
    assert raw(data, "train").view.sum() > 0


def test_preparing_again_does_nothing_and_a_csv_gives_the_same(unmarked, tmp_path):
    table, data = unmarked
    texts = []
    again = datasets.Pairs(data.folder.parent).prepare(data.folder, progress=texts.append)
    assert texts[-1].startswith("nothing to do")
    assert again.manifest == data.manifest
    table.to_csv(tmp_path / "pairs.csv", index=False)
    from_csv = datasets.Pairs(tmp_path / "pairs.csv").prepare(tmp_path / "prepared")
    assert {split: keys(raw(from_csv, split)) for split in SPLITS} == {
        split: keys(raw(data, split)) for split in SPLITS
    }


def test_bad_input_is_named(unmarked, tmp_path):
    table, data = unmarked
    with pytest.raises(FileNotFoundError, match="no file of pairs there"):
        datasets.Pairs(tmp_path)
    with pytest.raises(ValueError, match=r"task='bye' is not known; did you mean 'buy'\?"):
        datasets.Pairs(data.folder.parent, tasks=["bye"])
    with pytest.raises(ValueError, match="split='leave_one' is not known; did you mean 'leave_one_out'"):
        datasets.Pairs(data.folder.parent).prepare(tmp_path / "x", split="leave_one")
    with pytest.raises(ValueError, match=r"the pair of user 100 and item .* stands in several rows"):
        prepared(pd.concat([table, table.head(1)]), tmp_path / "twice")
    with pytest.raises(ValueError, match=r"pairs.parquet, column 'view': the value 2.0 in row \d+ is no label"):
        prepared(table.assign(view=2), tmp_path / "label")
    with pytest.raises(ValueError, match="sampling='popular' is not known; did you mean 'popularity'"):
        data.train(sampling="popular")
    with pytest.raises(ValueError, match="shares='proportion' is not known; did you mean 'proportional'"):
        data.train(shares="proportion")
    with pytest.raises(ValueError, match="batch_size and negatives must be at least 1, got 0 and 4"):
        data.train(0)
    with pytest.raises(ValueError, match="mask='all' is not known"):
        data.ranking(mask="all")
    log = datasets.Synthetic.write(tmp_path / "log", rows=500).prepare(tmp_path / "no_pairs")
    with pytest.raises(ValueError, match="holds no pairs by behaviour; open it with PreparedData"):
        PreparedPairs(log.folder)
