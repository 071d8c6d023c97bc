"""A prepared folder: schema, manifest and Parquet shards, read as arrays or as tf.data."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tf_gradcraft.data_pipelines.checks import check_finite, check_ids, check_labels, check_lists, check_weights
from tf_gradcraft.data_pipelines.manifest import AGAIN, read_manifest, verify_files
from tf_gradcraft.data_pipelines.preparation.splitting import SPLITS
from tf_gradcraft.data_pipelines.reading.layout import layout_of
from tf_gradcraft.data_pipelines.reading.shards import Shards, open_shards
from tf_gradcraft.data_pipelines.schema import GROUP, Schema
from tf_gradcraft.suggestions import unknown_name

if TYPE_CHECKING:
    import tensorflow as tf


class PreparedData:
    """Opens a prepared folder and verifies it against its manifest.

    Args:
        folder: What `prepare` wrote.

    Attributes:
        folder: The folder.
        schema: Features, tasks, group key and vocabularies.
        manifest: Where the folder comes from: data set, arguments, hashes of inputs and outputs, rows, label rates.
        rows: Number of rows by split.

    Raises:
        FileNotFoundError: If the folder is no prepared folder.
        ValueError: If a file is missing, cut short or edited.

    Example:
        >>> import tempfile
        >>> from tf_gradcraft.data_pipelines import datasets
        >>> folder = Path(tempfile.mkdtemp())
        >>> log = datasets.Synthetic.write(folder / "raw", rows=2000, seed=1)
        >>> data = log.prepare(folder / "prepared")
        >>> sum(data.rows.values()), data.schema.task_names
        (2000, ('click', 'long_view', 'like', 'follow'))
        >>> train, valid, test = data.load(batch_size=256)
        >>> features, labels = next(iter(valid))
        >>> features["user_id"].dtype.name, labels["click"].dtype.name
        ('int32', 'float32')
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.manifest: dict[str, Any] = read_manifest(self.folder)
        verify_files(self.folder, self.manifest)
        self.schema = Schema.load(self.folder)
        self.rows: dict[str, int] = {split: self.manifest["rows"].get(split, 0) for split in SPLITS}
        self._checked: set[str] = set()

    def __repr__(self) -> str:
        """Folder, rows and tasks."""
        rows = ", ".join(f"{split} {count:,}" for split, count in self.rows.items())
        return f"PreparedData({str(self.folder)!r}: {rows} rows; tasks {', '.join(self.schema.task_names)})"

    def columns(self, split: str, names: Iterable[str] | None = None) -> dict[str, np.ndarray]:
        """Reads columns of a split.

        Args:
            split: `"train"`, `"valid"` or `"test"`.
            names: Which columns; all by default.

        Returns:
            For each feature its ids (int32 [n], or [n, length] for tags and histories) or raw numbers (float32 [n]),
            `"group"` (int64 [n]), and for each task its labels and, where there is one, its mask (float32 [n]).

        Raises:
            ValueError: If the split or a column is not known, or the shards do not hold what the manifest says.
        """
        wanted = None if names is None else list(names)
        shards = self.shards(split, wanted or ())
        return shards.read(shards.types.names if wanted is None else wanted, range(len(shards.groups)))

    def shards(self, split: str, names: Iterable[str] = ()) -> Shards:
        """Opens the Parquet files of a split without reading their rows.

        Args:
            split: `"train"`, `"valid"` or `"test"`.
            names: Columns that every file must have.

        Raises:
            ValueError: As for `columns`.
        """
        if split not in SPLITS:
            raise ValueError(unknown_name("split", split, SPLITS))
        files = [name for name in self.manifest["outputs"] if name.startswith(f"{split}/")]
        names_in_folder = sorted(name.removeprefix(f"{split}/") for name in files)
        return open_shards(self.folder / split, names_in_folder, list(names), self.rows[split])

    def load(
        self,
        batch_size: int = 4096,
        shuffle: bool = True,
        seed: int = 0,
        tasks: Iterable[str] | None = None,
        features: Iterable[str] | None = None,
        drop_remainder: bool = False,
        *,
        mode: str = "auto",
        shuffle_rows: int = 2**19,
        num_workers: int = 1,
        worker: int = 0,
        repeat: bool = False,
        start_step: int = 0,
    ) -> tuple[tf.data.Dataset, tf.data.Dataset, tf.data.Dataset]:
        """Returns the three splits as tf.data of batches.

        Args:
            batch_size: Rows a batch (of one worker); the last one of a pass may be smaller.
            shuffle: Whether the training rows come in a new order each pass (valid and test never do).
            seed: Seed of that order.
            tasks: Names of the tasks to load, in this order; all by default. Those that open a sample space of one of
                them come along.
            features: Names of the features to load, in this order; all by default.
            drop_remainder: Whether to leave out the last, smaller batch of the training part (then every batch has
                the static size `batch_size`); valid and test always keep all rows.
            mode: `"memory"`: the columns are held, every order of the rows is as likely. `"streaming"`: Parquet files
                are read along, rows are shuffled within windows of row groups drawn from all of them. `"auto"`:
                memory if three times the columns' size is at most half of the available memory.
            shuffle_rows: Streaming: rows a window.
            num_workers: Number of workers that share the rows of each split: each has its own consecutive piece of
                the common order, which differ by one row at most. Without `drop_remainder` one worker may
                have one batch more than another.
            worker: Which of them this is, from 0.
            repeat: Whether the training part is one endless stream of passes, instead of one pass an iteration.
                Every iterator begins at `start_step`; see docs/reading.md on how to resume.
            start_step: With `repeat`: number of batches that were trained on before, over all passes.

        Returns:
            `(train, valid, test)`, each of elements `(features, labels)` or, when a loaded task has a mask,
            `(features, labels, weights)`: `features` a dict of int32 ids and float32 raw numbers [B], int32 ids of
            tags and histories [B, length], and the int64 key `"group"` [B]; `labels` and `weights` dicts of float32
            [B] by task. Their cardinality is known, but for the endless stream.

        Raises:
            ValueError: If a name is not known, a number is out of range, a split is empty, or a column holds NaN,
                an id outside its vocabulary or a label that its task does not have. While streaming, values are
                checked when they are first read: a `tf.errors.InvalidArgumentError` then carries the same text.
        """
        from tf_gradcraft.data_pipelines.reading.memory import memory_dataset
        from tf_gradcraft.data_pipelines.reading.mode import choose_mode
        from tf_gradcraft.data_pipelines.reading.plan import Plan
        from tf_gradcraft.data_pipelines.reading.streaming import streaming_dataset

        layout = layout_of(self.schema, tasks, features)
        sharing: dict[str, Any] = {"batch_size": batch_size, "num_workers": num_workers, "worker": worker}
        opened = {split: self.shards(split, layout.columns) for split in SPLITS}
        chosen = choose_mode(mode, sum(shards.bytes(layout.columns) for shards in opened.values()))
        datasets = []
        for split, shards in opened.items():
            if not shards.rows:
                raise ValueError(f"{shards.folder} is empty: it has no row; prepare again with another split")
            plan = Plan(rows=shards.rows, **sharing)
            if split == "train":
                plan = Plan(
                    rows=shards.rows,
                    seed=seed if shuffle else None,
                    drop_remainder=drop_remainder,
                    repeat=repeat,
                    start_step=start_step,
                    **sharing,
                )
            if chosen == "streaming":
                dataset = streaming_dataset(shards, layout, plan, self._check, shuffle_rows)
            else:
                columns = shards.read(layout.columns, range(len(shards.groups)))
                unchecked = [name for name in columns if f"{split}/{name}" not in self._checked]
                self._check(str(shards.folder), {name: columns[name] for name in unchecked})
                self._checked.update(f"{split}/{name}" for name in unchecked)
                dataset = memory_dataset(columns, layout, plan)
            datasets.append(dataset)
        train_set, valid_set, test_set = datasets
        return train_set, valid_set, test_set

    def steps(self, batch_size: int, drop_remainder: bool = False, num_workers: int = 1, worker: int = 0) -> int:
        """Returns the number of training batches of one pass, as `load` with these arguments makes them."""
        from tf_gradcraft.data_pipelines.reading.plan import Plan

        return Plan(
            rows=self.rows["train"],
            batch_size=batch_size,
            drop_remainder=drop_remainder,
            num_workers=num_workers,
            worker=worker,
        ).steps

    def to_tfrecord(self, folder: str | Path, compression: str | None = None, rows_per_file: int = 1_000_000) -> Path:
        """Writes the rows as files of `tf.train.Example`, see `reading.tfrecord.write_tfrecord`."""
        from tf_gradcraft.data_pipelines.reading.tfrecord import write_tfrecord

        return write_tfrecord(self, folder, compression, rows_per_file)

    def _check(self, where: str, columns: dict[str, np.ndarray]) -> None:
        """Refuses values that would train nonsense."""
        tasks = {task.name: task for task in self.schema.tasks}
        masks = {task.mask for task in self.schema.tasks}
        features = {feature.name: feature for feature in self.schema.features}
        for name, values in columns.items():
            if name in tasks:
                check_labels(values, tasks[name], where, name, AGAIN)
            elif name in masks:
                check_weights(values, where, name, AGAIN)
            elif name == GROUP:
                continue
            elif features[name].kind in ("tags", "history"):
                check_lists(values, features[name].size or 0, where, name, AGAIN)
            elif features[name].kind == "categorical":
                check_ids(values, features[name].size or 0, where, name, AGAIN)
            else:
                check_finite(values, where, name, AGAIN)
