"""Kinds of features: what follows from an argument, what is refused, and that a schema file keeps all of it."""

import json

import numpy as np
import pytest
import tensorflow as tf

from tf_gradcraft.data_pipelines.hashing import MISSING, hashed_ids
from tf_gradcraft.data_pipelines.schema import Feature, Schema, Task

ITEM = {"name": "item", "kind": "categorical", "dtype": "string", "size": 9, "dimension": 8, "side": "candidate"}
USER = {"name": "user", "kind": "categorical", "dtype": "int64", "size": 100, "hashed": True}
AGE = {"name": "age", "kind": "numeric", "boundaries": [18, 30.1], "dimension": 4}
TAGS = {
    "name": "tags",
    "kind": "tags",
    "dtype": "string",
    "size": 5,
    "length": 3,
    "pooling": "max",
    "side": "candidate",
}
SEEN = {"name": "seen", "kind": "history", "of": "item", "length": 6}
RATE = {"name": "rate", "kind": "statistic", "key": "item"}


def schema(*features):
    return Schema(features=[Feature(**feature) for feature in features], tasks=[Task(name="click")])


def test_a_schema_file_keeps_every_kind(tmp_path):
    made = schema(SEEN, ITEM, USER, AGE, TAGS, RATE)
    made.save(tmp_path)
    assert Schema.load(tmp_path) == made
    assert json.loads((tmp_path / "schema.json").read_text())["features"][4]["pooling"] == "max"


def test_a_schema_file_from_before_these_kinds_is_read():
    old = {
        "features": [
            {"name": "user", "kind": "categorical", "dtype": "int64", "size": 9, "table": "user", "crosses": []},
            {"name": "age", "kind": "numeric", "dtype": "float32", "size": None, "table": None, "transform": "log1p"},
        ],
        "tasks": [{"name": "click", "kind": "binary", "mask": None}],
        "group": None,
    }
    features = Schema.from_dict(old).features
    assert [(f.dimension, f.hashed, f.boundaries, f.length, f.pooling, f.of) for f in features] == [
        (None, False, (), None, None, None)
    ] * 2


def test_what_follows_from_other_arguments():
    made = schema(SEEN, ITEM, USER, AGE, TAGS, RATE)
    seen, age = made.feature("seen"), made.feature("age")
    assert (seen.dtype, seen.size, seen.table, seen.dimension) == ("string", 9, "item", 8)
    assert (age.size, age.table) == (3, "age")
    assert age.boundaries == (18.0, float(np.float32(30.1)))
    assert [f.name for f in made.features if f.listed] == ["seen", "tags"]
    assert [f.name for f in made.features if f.embedded] == ["seen", "item", "user", "age", "tags"]
    assert [f.name for f in made.features if f.has_vocabulary] == ["item", "tags"]
    assert [f.name for f in made.features if not f.raw] == ["rate"]
    assert {name: made.side(name) for name in made.feature_names} == {
        "seen": "request",
        "item": "candidate",
        "user": "request",
        "age": "request",
        "tags": "candidate",
        "rate": "candidate",
    }


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (ITEM | {"dimension": 0}, "feature 'item': dimension must be at least 1, got 0"),
        (ITEM | {"length": 3}, "length is for tags and history features, this one is categorical"),
        (ITEM | {"boundaries": [1.0]}, "boundaries is for numeric features"),
        (ITEM | {"hashed": True, "size": 1}, "a hashed feature needs size >= 2"),
        (AGE | {"boundaries": [1.0, 1.0]}, r"boundaries must be finite and rise \(as float32\), got \(1.0, 1.0\)"),
        (AGE | {"boundaries": [1.0, 1.0 + 1e-9]}, "boundaries must be finite and rise"),
        (AGE | {"boundaries": [float("nan")]}, "boundaries must be finite"),
        (AGE | {"boundaries": [float("inf")]}, "boundaries must be finite"),
        (AGE | {"transform": "log1p"}, "boundaries cut the raw value; leave out transform='log1p'"),
        (AGE | {"size": 2}, "2 boundaries make one more ids, not size=2"),
        (AGE | {"boundaries": []}, "dimension is for what is embedded"),
        (AGE | {"hashed": True}, "hashed is for categorical features, this one is numeric"),
        (AGE | {"dtype": "int64"}, "raw values of a numeric feature are 'float32', not 'int64'"),
        (TAGS | {"length": None}, "a tags feature needs length >= 1, got None"),
        (TAGS | {"pooling": "men"}, "pooling='men' is not known; did you mean 'mean'"),
        (TAGS | {"dtype": "float32"}, "raw values of a tags feature are 'int64' or 'string'"),
        (TAGS | {"size": None}, r"a tags feature needs size >= 1 \(id 0 is unknown\), got None"),
        (SEEN | {"of": None}, "names the categorical feature whose values it lists in `of`"),
        (SEEN | {"pooling": "mean"}, "pooling is for tags features, this one is history"),
        (SEEN | {"side": "candidate"}, "a history is the user's"),
        (RATE | {"of": "item"}, "of is for history features"),
    ],
)
def test_arguments_that_do_not_fit_the_kind_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Feature(**settings)


CROSS = {"name": "cross", "kind": "categorical", "dtype": "int64", "size": 3, "crosses": ("item", "user")}


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ([SEEN], "feature='item' is not known"),
        ([SEEN | {"of": "age"}, AGE], "feature 'seen' refers to 'age', which is not categorical"),
        ([SEEN | {"of": "tags"}, TAGS], "feature 'seen' refers to 'tags', which is not categorical"),
        ([SEEN | {"of": "cross"}, CROSS, ITEM, USER], "lists values of 'cross', which has none of its own"),
        ([SEEN | {"dimension": 4}, ITEM], "dimension follows from 'item'; leave out dimension=4"),
        ([RATE | {"key": "user"}, USER], "'user' is hashed and keeps no vocabulary, so no statistics by id"),
        (
            [ITEM, TAGS | {"table": "item"}],
            "table 'item' must have the same size: 'item' has 9, 'tags' 5",
        ),
        ([ITEM, TAGS | {"table": "item", "size": 9}], "must have the same dimension: 'item' has 8, 'tags' None"),
        ([USER, USER | {"name": "friend", "table": "user", "hashed": False}], "must have the same hashed"),
        ([AGE, AGE | {"name": "old", "table": "age", "boundaries": [1, 2]}], "must have the same boundaries"),
    ],
)
def test_features_that_do_not_fit_each_other_are_refused(features, message):
    with pytest.raises(ValueError, match=message):
        schema(*features)


def test_hashed_ids_are_stable_in_range_and_zero_only_where_missing():
    numbers = np.arange(-500, 500)
    ids = hashed_ids(tf.constant(numbers, tf.int64), 1000).numpy()
    assert ids.dtype == np.int32
    assert ids.min() >= 1
    assert ids.max() < 1000
    # As many distinct ids as a thousand balls in 999 bins fill: 1 - 1/e of them, about.
    assert 580 < len(set(ids.tolist())) < 680
    texts = hashed_ids(tf.constant([str(number) for number in numbers]), 1000)
    np.testing.assert_array_equal(texts, ids)
    assert hashed_ids(tf.constant([MISSING["int64"], 0], tf.int64), 2).numpy().tolist() == [0, 1]
    assert hashed_ids(tf.constant([[MISSING["string"], "é"]]), 2).numpy().tolist() == [[0, 1]]
