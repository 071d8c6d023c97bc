"""What `load` yields of a prepared folder, and what it refuses."""

import json

import narwhals as nw
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tf_gradcraft.data_pipelines import PreparedData
from tf_gradcraft.data_pipelines.manifest import describe_file
from tf_gradcraft.data_pipelines.preparation.options import Options, TableSpec
from tf_gradcraft.data_pipelines.preparation.table import prepare_table


def edit(folder, split, change):
    """Changes a shard and makes the manifest agree: what only the checks of the values can find."""
    path = folder / split / "part-00000.parquet"
    table = pq.read_table(path).to_pandas()
    changed = change(table)
    table = table if changed is None else changed
    pq.write_table(pa.Table.from_pandas(table, preserve_index=False), path)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["outputs"][f"{split}/part-00000.parquet"] = describe_file(path)
    manifest["rows"][split] = len(table)
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("split", "column", "value", "message"),
    [
        ("valid", "click", 0.5, r"valid, column 'click': the value 0.5 in row 3 is no label of a binary task"),
        ("train", "like", np.nan, r"train, column 'like': the value nan in row 3 is missing or NaN"),
        ("train", "duration_s", np.nan, r"train, column 'duration_s': the value nan in row 3 is NaN or infinite"),
        ("test", "user_id_click_rate", np.inf, r"test, column 'user_id_click_rate': the value inf in row 3"),
        ("test", "user_id", 10**6, r"test, column 'user_id': the value 1000000 in row 3 is no id \(0 <= id < "),
        ("train", "video_id", -1, r"train, column 'video_id': the value -1 in row 3 is no id"),
    ],
)
def test_load_refuses_bad_values(folder, split, column, value, message):
    def change(table):
        table.loc[3, column] = np.array(value).astype(table[column].dtype)

    edit(folder, split, change)
    with pytest.raises(ValueError, match=message):
        PreparedData(folder).load()


def test_load_refuses_empty_splits_and_wrong_row_counts(folder):
    edit(folder, "valid", lambda table: table.iloc[:0])
    with pytest.raises(ValueError, match=r"valid is empty: it has no row; prepare again"):
        PreparedData(folder).load()
    data = PreparedData(folder)
    data.rows["train"] += 1
    with pytest.raises(ValueError, match="rows in the shards"):
        data.columns("train")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tasks": ["clik"]}, "task='clik' is not known; did you mean 'click'"),
        ({"features": ["user"]}, "feature='user' is not known; did you mean 'user_id'"),
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"tasks": []}, "at least one task"),
        ({"features": []}, "at least one task and one feature"),
    ],
)
def test_load_refuses_bad_arguments(original, arguments, message):
    with pytest.raises(ValueError, match=message):
        PreparedData(original).load(**arguments)


def test_unknown_split_and_column(original):
    with pytest.raises(ValueError, match="did you mean 'train'"):
        PreparedData(original).columns("trian")
    with pytest.raises(ValueError, match="did you mean 'click'"):
        PreparedData(original).columns("train", ["clik"])


def collect(dataset):
    parts = [{**{name: v.numpy() for name, v in x.items()}, **{t: v.numpy() for t, v in y.items()}} for x, y in dataset]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def test_load_yields_each_row_once_in_named_columns(original):
    data = PreparedData(original)
    for dataset, split in zip(data.load(batch_size=128), ("train", "valid", "test"), strict=True):
        assert int(dataset.cardinality()) == -(-data.rows[split] // 128) == sum(1 for _ in dataset)
        features, labels = dataset.element_spec
        assert list(features) == [*data.schema.feature_names, "group"]
        assert list(labels) == list(data.schema.task_names)
        assert {spec.dtype.name for spec in labels.values()} == {"float32"}
        for feature in data.schema.features:
            assert features[feature.name].dtype == ("int32" if feature.kind == "categorical" else "float32")
            assert features[feature.name].shape.as_list() == [None]
        assert features["group"].dtype == "int64"
        got, columns = pd.DataFrame(collect(dataset)), pd.DataFrame(data.columns(split))
        if split == "train":
            by = list(got)
            assert not got.equals(columns[by])
            got, columns = (frame.sort_values(by, ignore_index=True) for frame in (got, columns[by]))
        pd.testing.assert_frame_equal(got, columns[list(got)])


def test_shuffling_is_new_each_epoch_and_reproducible_by_seed(original):
    data = PreparedData(original)

    def epochs(**arguments):
        train = data.load(batch_size=100, features=["duration_s"], tasks=["click"], **arguments)[0]
        return [collect(train)["duration_s"].tolist() for _ in range(2)]

    first, other = epochs(seed=4), epochs(seed=5)
    assert first == epochs(seed=4)
    assert first[0] != first[1]
    assert first[0] != other[0]
    assert sorted(first[0]) == sorted(first[1]) == sorted(other[0])
    still = epochs(shuffle=False)
    assert still[0] == still[1] == data.columns("train")["duration_s"].tolist()


def test_each_repetition_covers_every_row_in_a_new_order(original):
    data = PreparedData(original)
    train = data.load(batch_size=100, features=["duration_s"], tasks=["click"])[0]
    rows = collect(train.repeat(2))["duration_s"]
    first, second = rows[: data.rows["train"]], rows[data.rows["train"] :]
    assert first.tolist() != second.tolist()
    assert sorted(first) == sorted(second) == sorted(data.columns("train")["duration_s"])


def test_drop_remainder_is_for_training_only(original):
    data = PreparedData(original)
    train, valid, test = data.load(batch_size=64, drop_remainder=True)
    assert train.element_spec[0]["user_id"].shape.as_list() == [64]
    assert sum(len(y["click"]) for _, y in train) == data.rows["train"] // 64 * 64
    for dataset, split in ((valid, "valid"), (test, "test")):
        assert sum(len(y["click"]) for _, y in dataset) == data.rows[split]


def test_tasks_and_features_in_the_order_asked_for(original):
    train = PreparedData(original).load(tasks=["like", "click"], features=["category", "user_id"])[0]
    features, labels = train.element_spec
    assert list(labels) == ["like", "click"]
    assert list(features) == ["category", "user_id", "group"]


def masked_data(tmp_path):
    rows = 200
    random = np.random.default_rng(0)
    log = pd.DataFrame({"user": np.arange(rows) % 9, "item": np.arange(rows) % 7, "time": np.arange(rows)})
    log["click"], log["buy"] = random.integers(0, 2, rows), random.integers(0, 2, rows)
    log["known"] = random.choice([0.0, 0.5, 1.0], rows)
    spec = TableSpec(
        user="user",
        item="item",
        time="time",
        tasks=("click", "buy"),
        categorical={"user": "int64"},
        masks={"buy": "known"},
    )
    options = Options(split="date", valid_from=100, test_from=150)
    prepare = nw.from_native(log).lazy
    data = prepare_table(lambda: prepare(), spec, options, tmp_path / "m", dataset="m", inputs=[], arguments={})
    return log, data


def test_masks_become_weights_of_every_task(tmp_path):
    log, data = masked_data(tmp_path)
    valid = data.load(batch_size=1000)[1]
    ((features, labels, weights),) = list(valid)
    assert set(features) == {"user", "group"}
    np.testing.assert_array_equal(weights["buy"], log["known"][100:150])
    np.testing.assert_array_equal(weights["click"], np.ones(50))
    np.testing.assert_array_equal(labels["click"], log["click"][100:150])
    np.testing.assert_array_equal(labels["buy"], np.where(log["known"] > 0, log["buy"], 0)[100:150])
    assert len(next(iter(data.load(tasks=["click"])[0]))) == 2  # no mask among the tasks: no weights


def test_load_refuses_bad_weights(tmp_path):
    masked_data(tmp_path)

    def change(table):
        table.loc[3, "known"] = -1.0

    edit(tmp_path / "m", "train", change)
    with pytest.raises(ValueError, match=r"column 'known': the value -1\.0 in row 3 is no weight"):
        PreparedData(tmp_path / "m").load()
