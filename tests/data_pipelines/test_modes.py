"""Reading from memory and streaming: the same rows in exact batches, shared among workers, read on from any step."""

import itertools

import numpy as np
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from prepared_files import FEATURES, table_of, write_folder, write_manifest

from tf_gradcraft.data_pipelines import PreparedData
from tf_gradcraft.data_pipelines.reading.layout import layout_of
from tf_gradcraft.data_pipelines.reading.memory import memory_dataset
from tf_gradcraft.data_pipelines.reading.mode import available_memory, choose_mode
from tf_gradcraft.data_pipelines.reading.plan import Plan
from tf_gradcraft.data_pipelines.reading.shards import Shards
from tf_gradcraft.data_pipelines.reading.streaming import streaming_dataset

both_modes = pytest.mark.parametrize("mode", ["memory", "streaming"])


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prepared")
    columns = write_folder(folder)
    return PreparedData(folder), columns


def rows_of(batches):
    return [features["row"].numpy().tolist() for features, *_ in batches]


def load_rows(data, **arguments):
    """Loads no more than the number of each row."""
    return data.load(features=["row"], tasks=["click"], **arguments)[0]


def training_rows(data, mode, shuffle_rows, **plan):
    """The same without the two other splits, for tests that need many."""
    shards, layout = data.shards("train"), layout_of(data.schema, ["click"], ["row"])
    plan = Plan(rows=shards.rows, **plan)
    if mode == "memory":
        return memory_dataset(data.columns("train"), layout, plan)
    return streaming_dataset(shards, layout, plan, lambda *_: None, shuffle_rows)


@both_modes
def test_unshuffled_batches_are_the_rows_of_the_files_in_order(prepared, mode):
    data, columns = prepared
    for dataset, split in zip(data.load(8, shuffle=False, mode=mode), ("train", "valid", "test"), strict=True):
        batches = list(dataset)
        rows = data.rows[split]
        assert [len(x["row"]) for x, _, _ in batches] == [8] * (rows // 8) + [rows % 8]
        assert int(dataset.cardinality()) == len(batches)
        for name in (*FEATURES, "group"):
            np.testing.assert_array_equal(np.concatenate([x[name] for x, _, _ in batches]), columns[split][name])
        for task in ("click", "buy"):
            np.testing.assert_array_equal(np.concatenate([y[task] for _, y, _ in batches]), columns[split][task])
        np.testing.assert_array_equal(np.concatenate([w["buy"] for _, _, w in batches]), columns[split]["known"])
        np.testing.assert_array_equal(np.concatenate([w["click"] for _, _, w in batches]), np.ones(rows))


def test_both_modes_yield_equal_types_and_shapes(prepared):
    data, _ = prepared
    for drop in (False, True):
        specs = [data.load(8, mode=mode, drop_remainder=drop)[0].element_spec for mode in ("memory", "streaming")]
        assert specs[0] == specs[1]
        assert specs[0][0]["tags"] == tf.TensorSpec([8 if drop else None, 3], tf.int32)


@both_modes
def test_columns_stay_together_when_shuffled(prepared, mode):
    data, columns = prepared
    for features, labels, weights in data.load(9, mode=mode, shuffle_rows=30)[0]:
        at = features["row"].numpy()
        for name in (*FEATURES, "group"):
            np.testing.assert_array_equal(features[name], columns["train"][name][at])
        np.testing.assert_array_equal(labels["buy"], columns["train"]["buy"][at])
        np.testing.assert_array_equal(weights["buy"], columns["train"]["known"][at])


@both_modes
def test_each_pass_has_a_new_order_that_the_seed_fixes(prepared, mode):
    data, _ = prepared

    def two_passes(seed):
        train = load_rows(data, batch_size=16, seed=seed, mode=mode, shuffle_rows=30)
        return [list(itertools.chain(*rows_of(train))) for _ in range(2)]

    first, again, other = two_passes(4), two_passes(4), two_passes(5)
    assert first == again
    assert len({tuple(order) for order in (*first, *other)}) == 4
    for order in (*first, *other):
        assert sorted(order) == list(range(100))
    assert max(abs(place - row) for place, row in enumerate(first[0])) > 60


@both_modes
@settings(max_examples=6, deadline=None)
@given(
    batch=st.integers(1, 40),
    workers=st.integers(1, 4),
    seed=st.none() | st.integers(0, 9),
    drop=st.booleans(),
    window=st.integers(1, 120),
)
def test_workers_share_all_rows_without_loss_or_repetition(prepared, mode, batch, workers, seed, drop, window):
    data, _ = prepared
    options = {"batch_size": batch, "seed": seed, "num_workers": workers, "drop_remainder": drop}
    parts = [rows_of(training_rows(data, mode, window, worker=worker, **options)) for worker in range(workers)]
    for worker, part in enumerate(parts):
        assert len(part) == data.steps(batch, drop, workers, worker)
        assert all(len(rows) == batch for rows in part[:-1])
    seen = sorted(itertools.chain(*itertools.chain(*parts)))
    if drop:
        assert len(set(seen)) == len(seen) == workers * (100 // workers // batch) * batch
        assert len({len(part) for part in parts}) == 1
    else:
        assert seen == list(range(100))
        sizes = [sum(map(len, part)) for part in parts]
        assert max(sizes) - min(sizes) <= 1


@both_modes
@settings(max_examples=6, deadline=None)
@given(
    batch=st.integers(1, 40),
    step=st.integers(0, 60),
    seed=st.none() | st.just(3),
    drop=st.booleans(),
    worker=st.integers(0, 1),
)
def test_reading_on_equals_never_having_stopped(prepared, mode, batch, step, seed, drop, worker):
    data, _ = prepared
    options = {"batch_size": batch, "seed": seed, "drop_remainder": drop, "num_workers": 2, "worker": worker}
    whole = rows_of(training_rows(data, mode, 20, repeat=True, **options).take(step + 5))
    resumed = training_rows(data, mode, 20, repeat=True, start_step=step, **options)
    assert rows_of(resumed.take(5)) == whole[step:]
    assert rows_of(resumed.take(5)) == whole[step:]  # whatever was read before


@both_modes
def test_the_endless_stream_has_a_new_order_each_pass(prepared, mode):
    data, _ = prepared
    steps = data.steps(16)
    stream = rows_of(load_rows(data, batch_size=16, mode=mode, repeat=True).take(3 * steps))
    passes = [list(itertools.chain(*stream[i * steps : (i + 1) * steps])) for i in range(3)]
    assert [sorted(rows) for rows in passes] == [list(range(100))] * 3
    assert len({tuple(rows) for rows in passes}) == 3


@both_modes
@pytest.mark.parametrize("repeat", [False, True])
def test_an_iterator_can_be_saved_and_restored(prepared, tmp_path, mode, repeat):
    data, _ = prepared

    def iterator():
        return iter(load_rows(data, batch_size=9, mode=mode, repeat=repeat, shuffle_rows=20))

    # Without `repeat` to the end of the pass; the endless stream over the ends of passes (12 steps each).
    before, after = (17, 15) if repeat else (5, 7)
    one, other = iterator(), iterator()
    rows_of(itertools.islice(one, before))
    path = tf.train.Checkpoint(iterator=one).save(str(tmp_path / "input"))
    tf.train.Checkpoint(iterator=other).restore(path)
    rest = rows_of(itertools.islice(one, after))
    assert len(rest) == after
    assert rows_of(itertools.islice(other, after)) == rest


def count_groups(monkeypatch):
    read, groups = Shards.read, []

    def counting(self, columns, numbers):
        groups.append(list(numbers))
        return read(self, columns, numbers)

    monkeypatch.setattr(Shards, "read", counting)
    return groups


def test_streaming_reads_a_few_row_groups_at_a_time(prepared, monkeypatch):
    data, _ = prepared
    groups = count_groups(monkeypatch)
    train = load_rows(data, batch_size=4, mode="streaming", shuffle_rows=14)
    assert not groups
    next(iter(train))
    assert len(set(itertools.chain(*groups))) < 14  # of 16 or so
    groups.clear()
    rows_of(train)
    assert max(map(len, groups)) <= 3
    assert sorted(itertools.chain(*groups)) == list(range(len(data.shards("train").groups)))


def test_streaming_from_a_late_step_does_not_read_what_comes_before(prepared, monkeypatch):
    data, _ = prepared
    groups = count_groups(monkeypatch)
    late = load_rows(data, batch_size=10, mode="streaming", shuffle=False, shuffle_rows=7, repeat=True, start_step=8)
    next(iter(late))
    # What comes first is late; the next pass may be read ahead already.
    assert next(itertools.chain(*groups)) > 8


def test_a_shard_that_is_cut_short_while_it_is_read(tmp_path):
    write_folder(tmp_path)
    train = load_rows(PreparedData(tmp_path), batch_size=10, mode="streaming", shuffle=False, shuffle_rows=7)
    path = tmp_path / "train" / "part-00001.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(
        tf.errors.InvalidArgumentError, match=r"part-00001\.parquet: a shard cannot be read .*prepare the folder"
    ):
        list(train)


@both_modes
def test_a_shard_without_a_column(tmp_path, mode):
    write_folder(tmp_path)
    path = tmp_path / "train" / "part-00001.parquet"
    pq.write_table(pq.read_table(path).drop(["price"]), path)
    write_manifest(tmp_path)
    with pytest.raises(ValueError, match=r"part-00001\.parquet: column='price' is not known"):
        PreparedData(tmp_path).load(mode=mode)


@both_modes
@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("tags", 7, "holds what is no id"),
        ("row", 100, "is no id"),
        ("click", 3, "is no label"),
        ("known", -1, "no weight"),
    ],
)
def test_bad_values(tmp_path, mode, column, value, message):
    columns = write_folder(tmp_path)["train"]
    columns[column][50] = value
    for path in sorted((tmp_path / "train").iterdir())[1:]:
        path.unlink()
    pq.write_table(table_of(columns), tmp_path / "train" / "part-00000.parquet", row_group_size=30)
    write_manifest(tmp_path)
    data = PreparedData(tmp_path)
    with pytest.raises(
        (ValueError, tf.errors.InvalidArgumentError), match=f"column '{column}': the value .* {message}"
    ):
        list(data.load(mode=mode, shuffle_rows=30)[0])


def test_other_types_in_another_shard(tmp_path):
    write_folder(tmp_path)
    path = tmp_path / "train" / "part-00002.parquet"
    table = pq.read_table(path)
    pq.write_table(table.set_column(0, "row", table["row"].cast("int64")), path)
    write_manifest(tmp_path)
    with pytest.raises(ValueError, match=r"part-00002\.parquet: the column 'row' is int64, int32 in the first shard"):
        PreparedData(tmp_path).load()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mode": "stream"}, "mode='stream' is not known; did you mean 'streaming'"),
        ({"worker": 2, "num_workers": 2}, "worker must be from 0 to num_workers - 1"),
        ({"start_step": 3}, "start_step needs repeat=True"),
        ({"start_step": -1, "repeat": True}, "start_step must not be negative"),
        ({"batch_size": 101, "repeat": True, "drop_remainder": True}, "no batch to repeat"),
    ],
)
def test_bad_arguments_of_load(prepared, arguments, message):
    with pytest.raises(ValueError, match=message):
        prepared[0].load(**arguments)


def test_auto_takes_memory_while_there_is_enough(prepared, monkeypatch):
    data, _ = prepared
    assert choose_mode("auto", 10, available=60) == "memory"
    assert choose_mode("auto", 10, available=59) == "streaming"
    assert 2**20 < available_memory() < 2**50
    groups = count_groups(monkeypatch)
    load_rows(data, batch_size=4)
    assert len(groups) == 3  # each split as a whole
    groups.clear()
    monkeypatch.setattr("tf_gradcraft.data_pipelines.reading.mode.available_memory", lambda: 1000)
    load_rows(data, batch_size=4)
    assert not groups
