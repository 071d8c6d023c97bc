"""Prepared rows as TFRecord files of `tf.train.Example`, as TensorFlow Extended reads them; written and read."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from tf_gradcraft.data_pipelines.preparation.splitting import SPLITS
from tf_gradcraft.data_pipelines.reading.examples import serialize_rows
from tf_gradcraft.data_pipelines.reading.layout import layout_of
from tf_gradcraft.data_pipelines.reading.shards import Shards
from tf_gradcraft.data_pipelines.schema import Schema
from tf_gradcraft.suggestions import unknown_name

if TYPE_CHECKING:
    from tf_gradcraft.data_pipelines.prepared import PreparedData

INDEX_FILE = "tfrecord.json"
COMPRESSIONS = {None: "", "GZIP": ".gz", "ZLIB": ".zz"}
SHUFFLE_ROWS = 2**16


def write_tfrecord(
    data: PreparedData, folder: str | Path, compression: str | None = None, rows_per_file: int = 1_000_000
) -> Path:
    """Writes a prepared folder's rows as TFRecord files, with the schema beside them.

    Files are `<split>/part-00000.tfrecord` and so on, with rows in the order of the Parquet files. Integer columns are
    `int64_list`s, others `float_list`s, under the columns' names.

    Args:
        data: The prepared folder.
        folder: The folder to write; it must not exist. It is written beside its place and moved there in the end.
        compression: None, `"GZIP"` or `"ZLIB"`.
        rows_per_file: Most rows a file.

    Returns:
        The folder.

    Raises:
        FileExistsError: If the folder exists.
        ValueError: If an argument is out of range, or a shard can't be read.
    """
    folder = Path(folder)
    if compression not in COMPRESSIONS:
        raise ValueError(f"compression={compression!r} is not known; use 'GZIP', 'ZLIB' or None")
    if rows_per_file < 1:
        raise ValueError(f"rows_per_file must be at least 1, got {rows_per_file}")
    if folder.exists():
        raise FileExistsError(f"{folder} exists; remove it, or choose another folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = folder.parent / f".{folder.name}.{uuid.uuid4().hex[:8]}.partial"
    try:
        columns: dict[str, Any] = {}
        for split in SPLITS:
            shards = data.shards(split)
            columns = {name: describe(values) for name, values in shards.empty(shards.types.names).items()}
            _write_split(shards, beside / split, compression, rows_per_file)
        data.schema.save(beside)
        files = {str(path.relative_to(beside)): path.stat().st_size for path in sorted(beside.glob("*/*.tfrecord*"))}
        index = {"compression": compression, "rows": data.rows, "columns": columns, "bytes": files}
        (beside / INDEX_FILE).write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")
        beside.rename(folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return folder


def describe(values: np.ndarray) -> dict[str, Any]:
    """Returns dtype and, for lists, length of a column."""
    return {"dtype": str(values.dtype), "length": values.shape[1] if values.ndim == 2 else None}


def _write_split(shards: Shards, folder: Path, compression: str | None, rows_per_file: int) -> None:
    folder.mkdir(parents=True)
    writer: tf.io.TFRecordWriter | None = None
    written = 0
    for group in range(len(shards.groups)):
        for row in serialize_rows(shards.read(shards.types.names, [group])):
            if writer is None or written % rows_per_file == 0:
                if writer is not None:
                    writer.close()
                name = f"part-{written // rows_per_file:05d}.tfrecord{COMPRESSIONS[compression]}"
                writer = tf.io.TFRecordWriter(str(folder / name), options=compression)
            writer.write(row)
            written += 1
    if writer is not None:
        writer.close()


class TFRecordData:
    """A folder that `write_tfrecord` wrote.

    Args:
        folder: The folder.

    Attributes:
        folder: The folder.
        schema: Features, tasks, group key and vocabularies.
        rows: Number of rows by split.

    Raises:
        FileNotFoundError: If the folder is none of these.
        ValueError: If a file is missing or cut short.

    Example:
        >>> import tempfile
        >>> from tf_gradcraft.data_pipelines import datasets
        >>> folder = Path(tempfile.mkdtemp())
        >>> log = datasets.Synthetic.write(folder / "raw", rows=2000, seed=1)
        >>> written = log.prepare(folder / "prepared").to_tfrecord(folder / "tfrecord", compression="GZIP")
        >>> train, valid, test = TFRecordData(written).load(batch_size=256)
        >>> features, labels = next(iter(train))
        >>> features["user_id"].shape.as_list(), labels["like"].dtype.name
        ([256], 'float32')
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        path = self.folder / INDEX_FILE
        if not path.is_file():
            raise FileNotFoundError(
                f"{self.folder} is no folder of TFRecords: it holds no {INDEX_FILE}; write one with to_tfrecord"
            )
        try:
            self._index: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            self.rows: dict[str, int] = self._index["rows"]
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path} is damaged ({error!r}); write the folder again with to_tfrecord") from error
        for name, size in self._index["bytes"].items():
            file = self.folder / name
            found = file.stat().st_size if file.is_file() else None
            if found != size:
                wrong = "is missing" if found is None else f"has {found} bytes, {size} were written"
                raise ValueError(f"{file} {wrong}; write the folder again with to_tfrecord")
        self.schema = Schema.load(self.folder)

    def load(
        self,
        batch_size: int = 4096,
        shuffle: bool = True,
        seed: int = 0,
        tasks: Iterable[str] | None = None,
        features: Iterable[str] | None = None,
        drop_remainder: bool = False,
        *,
        shuffle_rows: int = SHUFFLE_ROWS,
    ) -> tuple[tf.data.Dataset, tf.data.Dataset, tf.data.Dataset]:
        """Returns the three splits as tf.data of batches, as `PreparedData.load` does.

        A batch is parsed at once. Unshuffled, the batches are those of `PreparedData.load`; shuffled, each row is
        drawn from a buffer of the next `shuffle_rows` rows (held serialised). For larger reach, for several workers or
        to resume, read the Parquet files.

        Args:
            batch_size: Rows a batch; the last one of a split may be smaller.
            shuffle: Whether the training rows come in a new order each pass.
            seed: Seed of that order.
            tasks: Names of the tasks to load, in this order; all by default.
            features: Names of the features to load, in this order; all by default.
            drop_remainder: Whether to leave out the last, smaller batch of the training part.
            shuffle_rows: Rows of the buffer.

        Raises:
            ValueError: If a name is not known or `batch_size` is below 1.
            tf.errors.DataLossError: While reading, if a file was changed.
        """
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        layout = layout_of(self.schema, tasks, features)
        columns = self._index["columns"]
        for name in layout.columns:
            if name not in columns:
                raise ValueError(f"{self.folder}: " + unknown_name("column", name, columns))
        types = {name: tf.as_dtype(columns[name]["dtype"]) for name in layout.columns}
        stored = {
            name: tf.io.FixedLenFeature(
                [] if columns[name]["length"] is None else [columns[name]["length"]],
                tf.float32 if dtype.is_floating else tf.int64,
            )
            for name, dtype in types.items()
        }

        def parse(rows: tf.Tensor) -> tuple:
            batch = tf.io.parse_example(rows, stored)
            return layout.element({name: tf.cast(batch[name], dtype) for name, dtype in types.items()})

        datasets = []
        for split in SPLITS:
            train = split == "train"
            files = [str(self.folder / name) for name in sorted(self._index["bytes"]) if name.startswith(f"{split}/")]
            dataset = tf.data.TFRecordDataset(files, self._index["compression"], buffer_size=1 << 20)
            if train and shuffle:
                dataset = dataset.shuffle(shuffle_rows, seed=seed, reshuffle_each_iteration=True)
            dataset = dataset.batch(batch_size, drop_remainder=train and drop_remainder)
            rows = self.rows[split]
            count = rows // batch_size if train and drop_remainder else -(-rows // batch_size)
            dataset = dataset.apply(tf.data.experimental.assert_cardinality(count))
            dataset = dataset.map(parse, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
            datasets.append(dataset.prefetch(tf.data.AUTOTUNE))
        train_set, valid_set, test_set = datasets
        return train_set, valid_set, test_set
