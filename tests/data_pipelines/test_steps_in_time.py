"""Splits, and what looks back in time: histories and rates before a row; lists, hashes and buckets of columns."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from test_table import OPTIONS, SPEC, encode, log

from tf_gradcraft.data_pipelines import History, Options, TableSpec, Tags
from tf_gradcraft.data_pipelines.preparation import staging
from tf_gradcraft.data_pipelines.task import Task

RICH = dataclasses.replace(
    SPEC,
    categorical={"user": "int64", "item": "string", "city": "string"},
    numeric={"price": "log1p", "age": None},
    tags={"tags": Tags(length=2, separator="|")},
    histories={"last_items": History(length=4), "last_users": History(length=2, of="user")},
    hashed={"city": 50},
    buckets={"age": 5},
    dimensions={"city": 3},
)


def rich_log(rows: int = 600) -> pd.DataFrame:
    random, frame = np.random.default_rng(8), log(rows)
    frame["time"] = np.arange(rows) // 4  # several rows share a time
    frame["tags"] = np.array(["a|b", "b", None, "c|b|a"], dtype=object)[random.integers(0, 4, rows)]
    frame["city"] = np.array(["Rome", "Oslo", None], dtype=object)[random.integers(0, 3, rows)]
    # No two rows tie, so that three keys are enough to find a row again.
    return frame.drop_duplicates(["time", "user", "item"], ignore_index=True)


def ordered(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.sort_values(["time", "user", "item"], kind="stable", ignore_index=True)


@pytest.mark.parametrize("batch", [7, 10_000])
def test_histories_hold_what_a_loop_over_earlier_rows_finds(batch, monkeypatch):
    monkeypatch.setattr(staging.StagedRows.batches, "__defaults__", (batch,))
    schema, columns, _ = encode(rich_log(), spec=RICH)
    frame = ordered(rich_log())
    ids = dict(zip(schema.vocabularies["item"].values, range(1, 100), strict=False))
    frame["id"] = frame["item"].map(ids).fillna(0).astype(int)
    for row in range(0, len(frame), 13):
        mine = frame[(frame["user"] == frame["user"][row]) & (frame["time"] < frame["time"][row])]
        wanted = (mine["id"].tolist()[::-1] + [-1] * 4)[:4]
        assert columns["last_items"][row].tolist() == wanted
    assert (columns["last_items"][-200:] >= 0).all(axis=1).mean() > 0.9
    assert schema.feature("last_items").of == "item"
    assert columns["last_users"].shape == (len(frame), 2)


@pytest.mark.parametrize("batch", [7, 10_000])
def test_rates_before_a_row_are_what_a_loop_over_earlier_training_rows_finds(batch, monkeypatch):
    monkeypatch.setattr(staging.StagedRows.batches, "__defaults__", (batch,))
    frame, options = rich_log(), dataclasses.replace(OPTIONS, rates="before")
    schema, columns, split = encode(frame, options)
    frame = ordered(frame)
    prior = frame.loc[split == 0, "click"].mean()
    for row in np.flatnonzero(split == 0)[::11]:
        seen = frame[(frame["user"] == frame["user"][row]) & (frame["time"] < frame["time"][row])]
        rate = (seen["click"].sum() + 3 * prior) / (len(seen) + 3)
        assert columns["user_count"][row] == len(seen)
        assert columns["user_click_rate"][row] == pytest.approx(np.log(rate / (1 - rate)), abs=1e-5)
    later = split > 0
    by_id = schema.vocabularies["user"].statistics["user_click_rate"]
    np.testing.assert_array_equal(columns["user_click_rate"][later], by_id[columns["user"][later]])
    # The table by id does not depend on which rows a training row sees.
    other = encode(rich_log())[0].vocabularies["user"].statistics["user_click_rate"]
    np.testing.assert_array_equal(by_id, other)


def test_lists_hashes_and_buckets():
    schema, columns, split = encode(rich_log(), spec=RICH)
    frame = ordered(rich_log())
    tags = schema.vocabularies["tags"].values.tolist()
    assert sorted(tags) == ["a", "b", "c"]
    assert tags[0] == "b"
    for row in range(0, len(frame), 17):
        named = [] if pd.isna(frame["tags"][row]) else frame["tags"][row].split("|")[:2]
        assert columns["tags"][row].tolist() == ([tags.index(tag) + 1 for tag in named] + [-1, -1])[:2]
    feature = schema.feature("city")
    assert (feature.hashed, feature.size, feature.dimension) == (True, 50, 3)
    assert "city" not in schema.vocabularies
    import tensorflow as tf

    hashed = 1 + tf.strings.to_hash_bucket_fast(frame["city"].fillna("").to_numpy().astype(str), 49).numpy()
    np.testing.assert_array_equal(columns["city"], np.where(frame["city"].isna(), 0, hashed))
    boundaries = schema.feature("age").boundaries
    train = frame.loc[split == 0, "age"].to_numpy(np.float32)
    counts = np.bincount(np.digitize(train, boundaries))
    assert len(counts) == 5
    assert counts.max() - counts.min() <= 2
    assert schema.feature("tags").length == 2


def test_poison_in_later_parts_changes_no_boundary_list_or_median():
    clean = rich_log()
    poisoned = clean.copy()
    late = poisoned["day"] >= 6
    poisoned.loc[late, ["price", "age"]] = 1e8
    poisoned.loc[late, "tags"] = "poison|a"
    poisoned.loc[late, "city"] = "nowhere"
    poisoned.loc[late, ["click", "buy", "buy_known"]] = 1
    poisoned.loc[late, "user"] = 10_000 + np.arange(late.sum())
    for rates in ("out_of_fold", "before"):
        options = dataclasses.replace(OPTIONS, rates=rates)
        schema, columns, split = encode(clean, options, RICH)
        other, others, _ = encode(poisoned, options, RICH)
        assert schema == other
        for name, vocabulary in schema.vocabularies.items():
            assert vocabulary.values.tolist() == other.vocabularies[name].values.tolist()
            for statistic, values in vocabulary.statistics.items():
                np.testing.assert_array_equal(values, other.vocabularies[name].statistics[statistic])
        for name, values in columns.items():
            np.testing.assert_array_equal(values[split == 0], others[name][split == 0], err_msg=name)


def test_leave_one_out_takes_the_last_two_rows_of_each_user():
    frame = pd.concat([log(), log(2).assign(user=999, time=[3, 4])])
    options = Options(split="leave_one_out", smoothing=3.0)
    for shuffled in (frame, frame.sample(frac=1, random_state=2)):
        _, columns, split = encode(shuffled, options)
        users = pd.Series(columns["group"])
        from_end = users.groupby(users).cumcount(ascending=False)
        wanted = np.select([users == 999, from_end == 0, from_end == 1], [0, 2, 1], 0)
        np.testing.assert_array_equal(split, wanted)


def test_the_split_by_user_keeps_users_whole_and_follows_the_seed():
    frame = log(2000).assign(user=np.arange(2000) % 400)
    parts = {}
    for seed in (0, 1):
        _, columns, split = encode(frame, Options(split="user", seed=seed))
        of_user = pd.Series(split).groupby(columns["group"])
        assert (of_user.min() == of_user.max()).all()
        parts[seed] = of_user.first()
        assert 0.72 < (parts[seed] == 0).mean() < 0.88
    assert (parts[0] != parts[1]).mean() > 0.15
    text = frame.assign(user=frame["user"].map("u{:03d}".format))
    spec = dataclasses.replace(SPEC, categorical={"user": "string", "item": "string"})
    np.testing.assert_array_equal(encode(text, Options(split="user"), spec)[2], encode(frame, Options(split="user"))[2])


def test_tasks_of_other_kinds_have_labels_but_no_rates():
    watch = Task(name="price", kind="watch_time", loss="duration_quantile", duration="age")
    frame = log().assign(age=np.arange(600.0) % 50, price=np.arange(600.0) % 7)
    spec = dataclasses.replace(SPEC, tasks=("click", watch), numeric={"age": None}, masks={"price": "buy_known"})
    schema, columns, _ = encode(frame, spec=spec)
    assert not [name for name in schema.feature_names if "price" in name]
    task = schema.task("price")
    assert task.mask == "buy_known"
    assert len(task.quantiles) == len(task.boundaries) + 1
    known = columns["buy_known"] > 0
    np.testing.assert_array_equal(columns["price"], np.where(known, frame["price"], 0))
    assert max(map(max, task.quantiles)) <= 6


def test_rows_that_tie_are_in_one_order():
    frame = rich_log().assign(time=0)
    _, columns, _ = encode(frame, Options(smoothing=3.0))
    _, other, _ = encode(frame.sample(frac=1, random_state=3), Options(smoothing=3.0))
    for name, values in columns.items():
        np.testing.assert_array_equal(values, other[name], err_msg=name)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hashed": {"user": 9}, "crosses": (), "statistic_keys": ("user",)}, "statistic key='user' is not known"),
        ({"buckets": {"price": 4}}, "buckets of 'price': needs 2 or more and no transform"),
        ({"buckets": {"agee": 4}}, "feature with buckets='agee' is not known; did you mean 'age'"),
        ({"histories": {"h": History(length=2, of="itm")}}, "feature of a history='itm' is not known"),
        ({"crosses": (("user", "itm"),)}, "crossed feature='itm' is not known; did you mean 'item'"),
    ],
)
def test_a_spec_refuses_what_it_does_not_know(change, message):
    with pytest.raises(ValueError, match=message):
        TableSpec(**{field.name: getattr(SPEC, field.name) for field in dataclasses.fields(SPEC)} | change)
