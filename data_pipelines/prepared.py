"""A prepared folder: schema, manifest and Parquet shards, read as arrays or as tf.data."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tf_gradcraft.data_pipelines.checks import check_finite, check_ids, check_labels, check_weights
from tf_gradcraft.data_pipelines.manifest import AGAIN, read_manifest, verify_files
from tf_gradcraft.data_pipelines.preparation.splitting import SPLITS
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
            For each feature its ids (int32 [n]) or raw numbers (float32 [n]), `"group"` (int64 [n]), and for each
            task its labels and, where there is one, its mask (float32 [n]).

        Raises:
            ValueError: If the split or a column is not known, or the shards do not hold what the manifest says.
        """
        if split not in SPLITS:
            raise ValueError(unknown_name("split", split, SPLITS))
        shards = sorted(name for name in self.manifest["outputs"] if name.startswith(f"{split}/"))
        if not shards:
            raise ValueError(f"{self.folder / split} holds no shard; {AGAIN}")
        known = pq.read_schema(self.folder / shards[0]).names
        wanted = list(known if names is None else names)
        for name in wanted:
            if name not in known:
                raise ValueError(f"{self.folder / shards[0]}: " + unknown_name("column", name, known))
        try:
            tables = [pq.read_table(self.folder / shard, columns=wanted) for shard in shards]
        except (pa.ArrowException, OSError) as error:
            raise ValueError(f"{self.folder / split}: a shard cannot be read ({error}); {AGAIN}") from error
        table = pa.concat_tables(tables)
        if len(table) != self.rows[split]:
            wrong = f"{len(table)} rows in the shards, {self.rows[split]} in the manifest"
            raise ValueError(f"{self.folder / split}: {wrong}; {AGAIN}")
        return {name: table[name].to_numpy() for name in wanted}

    def load(
        self,
        batch_size: int = 4096,
        shuffle: bool = True,
        seed: int = 0,
        tasks: Iterable[str] | None = None,
        features: Iterable[str] | None = None,
        drop_remainder: bool = False,
    ) -> tuple[tf.data.Dataset, tf.data.Dataset, tf.data.Dataset]:
        """Returns the three splits as tf.data of batches, held in memory.

        Args:
            batch_size: Rows a batch; the last one of a split may be smaller.
            shuffle: Whether the training rows come in a new order each epoch (valid and test never do).
            seed: Seed of that order.
            tasks: Names of the tasks to load, in this order; all by default. Those that open a sample space of one of
                them come along.
            features: Names of the features to load, in this order; all by default.
            drop_remainder: Whether to leave out the last, smaller batch of the training part (then every batch has
                the static size `batch_size`); valid and test always keep all rows.

        Returns:
            `(train, valid, test)`, each of elements `(features, labels)` or, when a loaded task has a mask,
            `(features, labels, weights)`: `features` a dict of int32 ids and float32 raw numbers [B] and the int64
            key `"group"` [B], `labels` and `weights` dicts of float32 [B] by task.

        Raises:
            ValueError: If a name is not known, `batch_size` is below 1, a split is empty, or a column holds NaN,
                an id outside its vocabulary or a label that its task does not have.
        """
        from tf_gradcraft.data_pipelines.reader import memory_dataset

        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        task_list = [self.schema.task(name) for name in (self.schema.task_names if tasks is None else tasks)]
        names = self.schema.feature_names if features is None else tuple(features)
        feature_list = [self.schema.feature(name) for name in names]
        if not task_list or not feature_list:
            raise ValueError("load needs at least one task and one feature")
        # What opens a sample space is needed as a label, whether the task itself is trained or not.
        loaded = {task.name for task in task_list}
        spaces = dict.fromkeys(task.sample_space for task in task_list if task.sample_space)
        task_list += [self.schema.task(space) for space in spaces if space not in loaded]
        masks = {task.name: task.mask for task in task_list}
        wanted = [GROUP, *names, *masks, *(mask for mask in masks.values() if mask)]
        datasets = []
        for split in SPLITS:
            columns = self.columns(split, dict.fromkeys(wanted))
            self._check(split, columns)
            train = split == "train"
            dataset = memory_dataset(
                columns,
                features=[*names, GROUP],
                masks=masks,
                batch_size=batch_size,
                seed=seed if shuffle and train else None,
                drop_remainder=drop_remainder and train,
            )
            datasets.append(dataset)
        train_set, valid_set, test_set = datasets
        return train_set, valid_set, test_set

    def _check(self, split: str, columns: dict[str, np.ndarray]) -> None:
        """Refuses values that would train nonsense; each column once."""
        where = str(self.folder / split)
        if not self.rows[split]:
            raise ValueError(f"{where} is empty: it has no row; prepare again with another split")
        tasks = {task.name: task for task in self.schema.tasks}
        masks = {task.mask for task in self.schema.tasks}
        features = {feature.name: feature for feature in self.schema.features}
        for name, values in columns.items():
            if f"{split}/{name}" in self._checked or name == GROUP:
                continue
            if name in tasks:
                check_labels(values, tasks[name], where, name, AGAIN)
            elif name in masks:
                check_weights(values, where, name, AGAIN)
            elif features[name].kind == "categorical":
                check_ids(values, features[name].size or 0, where, name, AGAIN)
            else:
                check_finite(values, where, name, AGAIN)
            self._checked.add(f"{split}/{name}")
