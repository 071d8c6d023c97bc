"""TFRecord files of tf.train.Example: what is in them, and reading them as the Parquet files are read."""

import itertools
import json

import numpy as np
import pytest
import tensorflow as tf
from prepared_files import FEATURES, write_folder

from tf_gradcraft.data_pipelines import PreparedData, TFRecordData


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prepared")
    write_folder(folder)
    return PreparedData(folder)


@pytest.fixture(scope="module")
def written(data, tmp_path_factory):
    return data.to_tfrecord(tmp_path_factory.mktemp("records") / "plain", rows_per_file=40)


def test_the_files_hold_examples_that_protobuf_reads(data, written):
    files = sorted(str(path) for path in (written / "train").iterdir())
    assert files == [str(written / "train" / f"part-0000{n}.tfrecord") for n in range(3)]
    examples = [tf.train.Example.FromString(row.numpy()) for row in tf.data.TFRecordDataset(files)]
    columns = data.columns("train")
    assert len(examples) == 100
    for at, example in enumerate(examples):
        features = example.features.feature
        assert set(features) == set(columns)
        for name in ("row", "group", "tags", "items"):
            assert list(features[name].int64_list.value) == np.ravel(columns[name][at]).tolist()
        for name in ("price", "click", "known"):
            assert list(features[name].float_list.value) == [columns[name][at]]


@pytest.mark.parametrize("compression", [None, "GZIP"])
def test_unshuffled_batches_are_those_of_the_parquet_files(data, tmp_path, compression):
    records = TFRecordData(data.to_tfrecord(tmp_path / "out", compression))
    assert records.rows == data.rows
    assert records.schema == data.schema
    pairs = zip(records.load(8, shuffle=False), data.load(8, shuffle=False), strict=True)
    for ours, parquet in pairs:
        assert ours.element_spec == parquet.element_spec
        assert int(ours.cardinality()) == int(parquet.cardinality())
        for one, other in zip(ours, parquet, strict=True):
            tf.nest.map_structure(np.testing.assert_array_equal, one, other)


def test_shuffling_keeps_rows_together(data, written):
    columns, orders = data.columns("train"), []
    train = TFRecordData(written).load(16, seed=1, drop_remainder=True)[0]
    assert train.element_spec[0]["row"].shape.as_list() == [16]
    for _ in range(2):
        at = []
        for features, labels, _ in train:
            at += features["row"].numpy().tolist()
            for name in FEATURES:
                np.testing.assert_array_equal(features[name], columns[name][features["row"]])
            np.testing.assert_array_equal(labels["buy"], columns["buy"][features["row"]])
        assert len(set(at)) == len(at) == 96
        orders.append(at)
    assert orders[0] != orders[1]
    again = TFRecordData(written).load(16, seed=1, drop_remainder=True)[0]
    assert list(itertools.chain(*(x["row"].numpy().tolist() for x, *_ in again))) == orders[0]


def test_damaged_folders_are_refused(data, tmp_path):
    folder = data.to_tfrecord(tmp_path / "out")
    with pytest.raises(FileExistsError, match="exists; remove it"):
        data.to_tfrecord(folder)
    file = folder / "train" / "part-00000.tfrecord"
    content = file.read_bytes()
    file.write_bytes(content[:-10])
    with pytest.raises(ValueError, match=r"part-00000\.tfrecord has \d+ bytes, \d+ were written"):
        TFRecordData(folder)
    file.write_bytes(content[:50] + b"x" + content[51:])
    with pytest.raises(tf.errors.DataLossError):
        list(TFRecordData(folder).load(8)[0])
    file.unlink()
    with pytest.raises(ValueError, match=r"part-00000\.tfrecord is missing"):
        TFRecordData(folder)
    (folder / "tfrecord.json").write_text("{")
    with pytest.raises(ValueError, match=r"tfrecord\.json is damaged"):
        TFRecordData(folder)
    with pytest.raises(FileNotFoundError, match=r"no tfrecord\.json"):
        TFRecordData(tmp_path)


def test_a_column_that_the_files_lack(data, written, tmp_path):
    index = json.loads((written / "tfrecord.json").read_text())
    del index["columns"]["price"]
    records = TFRecordData(written)
    records._index = index
    with pytest.raises(ValueError, match="column='price' is not known"):
        records.load()


def test_bad_arguments_and_interrupted_writing_leave_nothing(data, written, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="compression='zip' is not known"):
        data.to_tfrecord(tmp_path / "out", "zip")
    with pytest.raises(ValueError, match="rows_per_file must be at least 1"):
        data.to_tfrecord(tmp_path / "out", rows_per_file=0)
    with pytest.raises(ValueError, match="batch_size must be at least 1"):
        TFRecordData(written).load(0)

    def fail(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr(type(data.schema), "save", fail)
    with pytest.raises(OSError, match="No space"):
        data.to_tfrecord(tmp_path / "out")
    assert not list(tmp_path.iterdir())
