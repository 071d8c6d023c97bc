"""The whole preparation of a table: nothing leaks, order doesn't matter, masks."""

import dataclasses
import json
import tempfile
from pathlib import Path

import narwhals as nw
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from tf_gradcraft.data_pipelines.preparation.engine import connect
from tf_gradcraft.data_pipelines.preparation.options import Options, TableSpec
from tf_gradcraft.data_pipelines.preparation.table import filter_rows, fit_rows, prepare_table
from tf_gradcraft.data_pipelines.schema import Feature, Schema

SPEC = TableSpec(
    user="user",
    item="item",
    time="time",
    date="day",
    tasks=("click", "buy"),
    categorical={"user": "int64", "item": "string"},
    numeric={"price": "log1p", "age": None},
    crosses=(("user", "item"),),
    statistic_keys=("user", "user_x_item"),
    masks={"buy": "buy_known"},
)
OPTIONS = Options(split="date", valid_from=6, test_from=8, smoothing=3.0)


def log(rows: int = 600) -> pd.DataFrame:
    random = np.random.default_rng(3)
    frame = pd.DataFrame({"user": random.integers(0, 25, rows), "time": np.arange(rows)})
    frame["item"] = np.array([f"item {i}" for i in range(15)])[random.integers(0, 15, rows)]
    frame["day"] = np.arange(rows) * 10 // rows
    frame["click"], frame["buy"] = random.integers(0, 2, rows), random.integers(0, 2, rows).astype(float)
    frame["buy_known"] = random.integers(0, 2, rows)
    frame.loc[frame["buy_known"] == 0, "buy"] = np.nan
    frame["price"] = np.where(random.random(rows) < 0.1, np.nan, random.random(rows) * 100)
    frame["age"] = random.normal(size=rows)
    return frame


def encode(frame, options: Options = OPTIONS, spec: TableSpec = SPEC):
    """Schema, columns of all rows in order of time, and the part of each row."""
    with tempfile.TemporaryDirectory() as name, connect(options, Path(name)) as connection:
        lazy = nw.from_native(frame).lazy()
        staged, encoder = fit_rows(lazy, spec, options, connection, Path(name), "the log", lambda text: None)
        batches = list(encoder.encode(staged))
        columns = {name: np.concatenate([columns[name] for columns, _ in batches]) for name in batches[0][0]}
        return encoder.schema(), columns, np.concatenate([split for _, split in batches])


def test_poisoned_valid_and_test_rows_change_nothing_that_is_fitted():
    clean = log()
    poisoned = clean.copy()
    late = poisoned["day"] >= 6
    for task in SPEC.tasks:
        poisoned.loc[late, task] = 1.0
    poisoned.loc[late, "buy_known"] = 1
    poisoned.loc[late, "price"] = 1e7
    poisoned.loc[late, "age"] = -1e7
    poisoned.loc[late, "item"] = "poison"
    poisoned.loc[late, "user"] = 10_000 + np.arange(late.sum())
    schema, columns, split = encode(clean)
    other_schema, other_columns, other_split = encode(poisoned)
    assert schema == other_schema  # sizes, means, deviations
    for name, vocabulary in schema.vocabularies.items():
        np.testing.assert_array_equal(vocabulary.values, other_schema.vocabularies[name].values)
        assert vocabulary.statistics.keys() == other_schema.vocabularies[name].statistics.keys()
        for statistic, values in vocabulary.statistics.items():
            np.testing.assert_array_equal(values, other_schema.vocabularies[name].statistics[statistic])
    train = split == 0
    np.testing.assert_array_equal(split, other_split)
    for name, values in columns.items():
        np.testing.assert_array_equal(values[train], other_columns[name][train], err_msg=name)
    # And the poisoned rows themselves: unknown ids, the prior, no history, groups that stay apart.
    test = other_split == 2
    assert (other_columns["user"][test] == 0).all()
    assert (other_columns["user_count"][test] == 0).all()
    prior = clean.loc[clean["day"] < 6, "click"].mean()
    np.testing.assert_allclose(other_columns["user_click_rate"][test], np.log(prior / (1 - prior)), rtol=1e-5)
    assert len(set(other_columns["group"][test])) == test.sum()


def test_valid_and_test_rows_look_up_what_the_vocabulary_carries():
    schema, columns, split = encode(log())
    later = split > 0
    for feature in schema.of_kind("statistic"):
        by_id = schema.vocabularies[feature.key].statistics[feature.name]
        np.testing.assert_array_equal(columns[feature.name][later], by_id[columns[feature.key][later]])
        train = columns[feature.name][~later]
        transformed = np.log1p(train) if feature.transform == "log1p" else train
        assert feature.mean == pytest.approx(transformed.mean(), abs=1e-5)
        assert feature.std == pytest.approx(transformed.std(), rel=1e-4)
    train_rates = columns["user_click_rate"][~later]
    assert (
        train_rates != schema.vocabularies["user"].statistics["user_click_rate"][columns["user"][~later]]
    ).mean() > 0.9


def test_schema_carries_what_stands_for_a_missing_number():
    frame = log()
    schema, columns, split = encode(frame)
    assert frame["price"].isna().any()
    median = np.float32(frame["price"][split == 0].median())
    assert schema.feature("price").missing == median
    np.testing.assert_array_equal(columns["price"][frame["price"].isna()], median)
    assert Schema.from_dict(json.loads(json.dumps(schema.to_dict()))) == schema


def test_sides_follow_from_the_item_and_the_features_of_it():
    spec = dataclasses.replace(SPEC, candidate=("price",))
    schema, _, _ = encode(log(), spec=spec)
    sides = {name: schema.side(name) for name in schema.feature_names}
    candidate = {name for name, side in sides.items() if side == "candidate"}
    of_cross = {name for name in sides if name.startswith("user_x_item")}
    assert candidate == {"item", "price", *of_cross}
    assert len(of_cross) == 4
    with pytest.raises(ValueError, match="candidate feature='prise' is not known; did you mean 'price'"):
        dataclasses.replace(SPEC, candidate=("prise",))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"side": "item"}, "side='item' is not known"),
        ({"missing": float("nan")}, "missing must be a finite number"),
        ({"kind": "statistic", "key": "user", "side": "candidate"}, "follows from what it is made of"),
    ],
)
def test_bad_sides_and_missing_numbers_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Feature(**{"name": "price", "kind": "numeric"} | settings)


def test_masked_labels_are_zero_and_their_values_never_count():
    frame = log()
    schema, columns, _ = encode(frame)
    assert schema.task("buy").mask == "buy_known"
    np.testing.assert_array_equal(columns["buy"], np.where(frame["buy_known"] == 1, frame["buy"], 0))
    filled = frame.assign(buy=np.where(frame["buy_known"] == 1, frame["buy"], 1.0))
    np.testing.assert_array_equal(columns["user_buy_rate"], encode(filled)[1]["user_buy_rate"])


@pytest.mark.parametrize("split", ["random", "date"])
def test_row_order_of_the_input_makes_no_difference(split):
    options = Options(split=split, valid_from=6, test_from=8, seed=5, k_core=3)
    schema, columns, parts = encode(log(), options)
    shuffled = log().sample(frac=1, random_state=1)
    other_schema, other_columns, other_parts = encode(shuffled, options)
    assert schema == other_schema
    np.testing.assert_array_equal(parts, other_parts)
    for name, values in columns.items():
        np.testing.assert_array_equal(values, other_columns[name], err_msg=name)
        assert not np.isnan(values).any()


def test_random_split_seed_and_fractions():
    rows = 20_000
    frame = pd.concat([log().assign(time=np.arange(600) + 600 * i) for i in range(rows // 600 + 1)])
    parts = [encode(frame, Options(seed=seed))[2] for seed in (0, 0, 1)]
    np.testing.assert_array_equal(parts[0], parts[1])
    assert (parts[0] != parts[2]).mean() > 0.2
    np.testing.assert_allclose(np.bincount(parts[0]) / len(frame), [0.8, 0.1, 0.1], atol=0.01)


def test_min_count_makes_rare_values_unknown():
    frame = log()
    counts = frame[frame["day"] < 6]["user"].value_counts()
    threshold = int(counts.median())
    schema, columns, _ = encode(frame, Options(split="date", valid_from=6, test_from=8, min_count=threshold))
    assert schema.feature("user").size == (counts >= threshold).sum() + 1
    rare = ~frame["user"].isin(counts[counts >= threshold].index)
    np.testing.assert_array_equal(columns["user"] == 0, rare)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"click": 2}, r"the log, column 'click': the value 2.0 in row 7 is no label of a binary task"),
        ({"click": np.nan}, r"column 'click': the value nan in row 7 is missing or NaN"),
        ({"buy_known": -1}, r"column 'buy_known': the value -1.0 in row 7 is no weight"),
        ({"price": np.inf}, r"column 'price': the value inf in row 7 is infinite"),
        ({"user": None}, r"column 'user': 1 values are missing"),
        ({"user": 4.5}, r"the log, column 'user': the values are not all int64 .*; repair it"),
    ],
)
def test_bad_values_name_column_and_row(change, message):
    frame = log()
    for column, value in change.items():
        frame[column] = frame[column].astype("object")
        frame.loc[7, column] = value
        frame[column] = frame[column].astype("Int64" if value is None else "float64")
    table = pa.Table.from_pandas(frame, preserve_index=False)
    with pytest.raises(ValueError, match=message):
        encode(table)


def test_integers_that_pandas_made_floats_are_integers():
    frame = log()
    schema, columns, _ = encode(frame)
    other_schema, other_columns, _ = encode(frame.assign(user=frame["user"].astype(float)))
    assert schema == other_schema
    np.testing.assert_array_equal(columns["user"], other_columns["user"])
    np.testing.assert_array_equal(columns["group"], other_columns["group"])


def test_missing_column_and_empty_split(tmp_path):
    with pytest.raises(ValueError, match="no column 'price'; it has user, time"):
        filter_rows(nw.from_native(log().drop(columns="price")).lazy(), SPEC, OPTIONS, print)
    with pytest.raises(ValueError, match=r"no row in: test .* the dates run from 0 to 9"):
        encode(log(), Options(split="date", valid_from=6, test_from=20))
    with pytest.raises(ValueError, match=r"no row in: train, valid, test .* smaller k_core"):
        encode(log(), Options(split="date", valid_from=6, test_from=8, k_core=1000))


def test_any_frame_can_be_prepared(tmp_path):
    data = prepare_table(
        lambda: nw.from_native(log()).lazy(), SPEC, OPTIONS, tmp_path / "out", dataset="mine", inputs=[], arguments={}
    )
    assert data.rows == {"train": 360, "valid": 120, "test": 120}
    assert data.schema.feature_names[:3] == ("user", "item", "user_x_item")
    assert data.manifest["dataset"] == "mine"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"split": "dates"}, "did you mean 'date'"),
        ({"k_core": -1}, "k_core"),
        ({"min_count": 0}, "min_count"),
        ({"folds": 1}, "own label"),
        ({"smoothing": 0.0}, "smoothing must be positive"),
        ({"smoothing": {"click": -1.0}}, "smoothing must be positive"),
        ({"split": "date", "valid_from": 3, "test_from": 3}, "must come before"),
    ],
)
def test_options_refuse_nonsense(arguments, message):
    with pytest.raises(ValueError, match=message):
        Options(**arguments)


def test_smoothing_by_task_must_name_every_task(tmp_path):
    options = Options(smoothing={"click": 2.0, "bye": 1.0})
    with pytest.raises(ValueError, match="task='bye' is not known; did you mean 'buy'"):
        prepare_table(list, SPEC, options, tmp_path / "out", dataset="mine", inputs=[], arguments={})
    assert Options(smoothing={"click": 2.0}).smoothing_of("click") == 2.0
    with pytest.raises(ValueError, match="not for 'like'; add it"):
        Options(smoothing={"click": 2.0}).smoothing_of("like")
