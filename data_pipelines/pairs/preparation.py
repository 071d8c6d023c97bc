"""From pairs of user and item to a prepared folder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import narwhals as nw
import numpy as np
import pyarrow as pa

from tf_gradcraft.data_pipelines.checks import check_labels
from tf_gradcraft.data_pipelines.pairs.prepared_pairs import PreparedPairs
from tf_gradcraft.data_pipelines.pairs.splitting import SPLIT_WAYS, split_pairs
from tf_gradcraft.data_pipelines.pairs.writing import write_pairs
from tf_gradcraft.data_pipelines.preparation.core_filter import k_core
from tf_gradcraft.data_pipelines.preparation.folder import FolderWriter
from tf_gradcraft.data_pipelines.preparation.hashing import row_uniform
from tf_gradcraft.data_pipelines.preparation.splitting import SPLITS, TEST, TRAIN
from tf_gradcraft.data_pipelines.schema import GROUP, Feature, Schema, Task
from tf_gradcraft.data_pipelines.vocabulary import Vocabulary
from tf_gradcraft.suggestions import unknown_name

USER, ITEM, TIME, MARKED = "user_id", "item_id", "time", "held_out"
Progress = Callable[[str], None]


def pairs_of_log(log: nw.LazyFrame, tasks: Iterable[str]) -> nw.LazyFrame:
    """Turns a log of actions into distinct pairs.

    Args:
        log: One row an action: `user_id`, `item_id`, `behaviour` (its name) and `time` (a number).
        tasks: Names of the behaviours, the target first; other actions are left out.

    Returns:
        One row a pair: `user_id`, `item_id`, one 0/1 column a behaviour, and `time`, the last time of the target
        behaviour (missing where the pair has none).

    Example:
        >>> import pandas as pd
        >>> log = pd.DataFrame({"user_id": 1, "item_id": [5, 5, 6], "behaviour": ["view", "buy", "view"],
        ...                     "time": [1, 2, 3]})
        >>> pairs = pairs_of_log(nw.from_native(log).lazy(), ["buy", "view"]).sort("item_id").collect()
        >>> pairs["buy"].to_list(), pairs["view"].to_list()
        ([1, 0], [1, 1])
    """
    names = list(tasks)
    is_task = {name: nw.col("behaviour") == name for name in names}
    columns = [when.cast(nw.Int8).alias(name) for name, when in is_task.items()]
    time = nw.when(is_task[names[0]]).then(nw.col("time")).alias(TIME)
    log = log.filter(nw.col("behaviour").is_in(names)).with_columns(*columns, time)
    return log.group_by(USER, ITEM).agg(*(nw.col(name).max() for name in [*names, TIME]))


def prepare_pairs(
    read: Callable[[], nw.LazyFrame],
    tasks: tuple[str, ...],
    folder: str | Path,
    *,
    dataset: str,
    inputs: list[Path],
    split: str = "leave_one_out",
    k_core: int = 0,
    seed: int = 0,
    min_count: int = 1,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> PreparedPairs:
    """Prepares pairs: k-core, split, vocabularies, Parquet.

    Nothing is fitted on held-out pairs, and a held-out pair is in no behaviour's training pairs.

    Args:
        read: Returns the distinct pairs as a lazy frame: `user_id`, `item_id` (integers or strings), a 0/1 column for
            each task, and, where known, `time` (of the target behaviour) and `held_out` (pairs that the data set holds
            out: a bit mask, bit i for task i).
        tasks: Behaviours, the target first.
        folder: The prepared folder to write.
        dataset: Name of the data set, for the manifest.
        inputs: The files that are read.
        split: `"leave_one_out"` or `"random"` (7:1:2), see `split_pairs`. Without times a user's pairs are taken in a
            random order.
        k_core: Keeps only users and items with at least so many pairs of the target, until stable; 0 keeps all.
        seed: Seed of the random order.
        min_count: Users and items in fewer training pairs become unknown (id 0) and are not trained on.
        overwrite: Whether to replace a folder that was prepared with other arguments or inputs.
        progress: Called with a short text before each step.

    Returns:
        The `PreparedPairs`.

    Raises:
        FileNotFoundError: If an input file is missing.
        ValueError: If an argument makes no sense, a column is missing or not 0/1, a pair stands twice, a part of the
            split is empty, or `folder` holds something else. `folder` then stays as it was.
    """
    if split not in SPLIT_WAYS:
        raise ValueError(unknown_name("split", split, SPLIT_WAYS))
    if min_count < 1 or k_core < 0:
        raise ValueError(f"min_count must be at least 1 and k_core not negative, got {min_count} and {k_core}")
    progress = progress or (lambda text: None)
    arguments = {"split": split, "k_core": k_core, "seed": seed, "min_count": min_count}
    arguments |= {"tasks": list(tasks), "target": tasks[0]}
    progress("hashing the input files")
    writer = FolderWriter(folder, dataset, inputs, arguments, overwrite)
    if writer.existing():
        progress("nothing to do: the folder was prepared from the same files with the same arguments")
        return PreparedPairs(folder)
    progress(f"reading {', '.join(path.name for path in inputs)}")
    table = collect_pairs(read(), tasks, k_core)
    progress(f"splitting {len(table):,} pairs")
    schema, columns, parts = encode_pairs(table, tasks, split, seed, min_count, inputs[0].name if inputs else dataset)
    progress("writing")
    write_pairs(writer.folder, writer.origin, schema, columns, parts)
    return PreparedPairs(folder)


def collect_pairs(pairs: nw.LazyFrame, tasks: tuple[str, ...], core: int) -> pa.Table:
    """Filters pairs to the k-core of the target's and evaluates them, in order of user and item."""
    if core > 1:
        kept = k_core(pairs.filter(nw.col(tasks[0]) == 1).select(USER, ITEM), USER, ITEM, core)
        for key in (USER, ITEM):
            pairs = pairs.join(kept.select(key).unique(), on=key, how="semi")
    return pairs.sort(USER, ITEM).collect(backend="pyarrow").to_arrow()


def encode_pairs(
    table: pa.Table, tasks: tuple[str, ...], way: str, seed: int, min_count: int, where: str
) -> tuple[Schema, dict[str, np.ndarray], np.ndarray]:
    """Splits pairs and gives them ids.

    Args:
        table: Distinct pairs, see `prepare_pairs`.
        tasks: Behaviours, the target first.
        way: How to split.
        seed: Seed of the random order.
        min_count: Least number of training pairs of a known user or item.
        where: What the table is, for errors.

    Returns:
        The schema, the columns of the pairs by name, and the split of each (int8 [n]: 0 train, 1 valid, 2 test).
    """
    raw = {name: raw_values(table[name], where, name) for name in (USER, ITEM)}
    codes = {name: np.unique(values, return_inverse=True)[1].astype(np.int64) for name, values in raw.items()}
    refuse_repeated(codes[USER], codes[ITEM], raw, where)
    labels = {}
    for task in tasks:
        labels[task] = table[task].cast(pa.float64()).to_numpy()
        check_labels(labels[task], Task(name=task), where, task, "repair the input and prepare again")
        labels[task] = labels[task].astype(np.float32)
    held_out = table[MARKED].to_numpy() if MARKED in table.column_names else np.zeros(len(table), np.int64)
    # Values, not codes: what is drawn for a pair does not depend on which others there are.
    order = row_uniform([hashable(raw[USER]), hashable(raw[ITEM])], seed, stream=0)
    if TIME in table.column_names and way == "leave_one_out":
        order = table[TIME].cast(pa.float64()).fill_null(0).to_numpy()
    parts = split_pairs(codes[USER], labels[tasks[0]] == 1, order, held_out > 0, way)
    for part, name in enumerate(SPLITS):
        if not (parts == part).any():
            bought = int(labels[tasks[0]].sum())
            raise ValueError(
                f"{where}: the split leaves no pair in {name}; {bought} of {len(parts)} pairs have {tasks[0]}. "
                "Take more pairs, another split or a smaller k_core"
            )

    columns: dict[str, np.ndarray] = {GROUP: codes[USER]}
    features, vocabularies = [], {}
    for name, side in ((USER, "request"), (ITEM, "candidate")):
        vocabularies[name] = fit(raw[name][parts == TRAIN], min_count)
        columns[name] = vocabularies[name].encode(raw[name])
        dtype = "int64" if raw[name].dtype.kind == "i" else "string"
        features.append(Feature(name=name, kind="categorical", dtype=dtype, size=vocabularies[name].size, side=side))
    for bit, task in enumerate(tasks):
        marks = held_out >> bit & 1 if held_out.any() else np.full(len(table), bit == 0)
        chosen = np.where(parts == TRAIN, True, np.where(parts == TEST, marks > 0, bit == 0))
        columns[task] = labels[task] * chosen
    kept = (parts != TRAIN) | ((columns[USER] > 0) & (columns[ITEM] > 0))
    columns = {name: values[kept] for name, values in columns.items()}
    of_tasks = tuple(Task(name=task) for task in tasks)
    schema = Schema(features=tuple(features), tasks=of_tasks, group=USER, vocabularies=vocabularies)
    return schema, columns, parts[kept]


def fit(values: np.ndarray, min_count: int) -> Vocabulary:
    """Returns the vocabulary of raw values [n]: the most frequent gets id 1, equally frequent ones go by value.

    Example:
        >>> fit(np.array([4, 1, 1, 0]), min_count=1).values.tolist()
        [1, 0, 4]
    """
    found, counts = np.unique(values, return_counts=True)
    order = np.lexsort((found, -counts))
    return Vocabulary(found[order][counts[order] >= min_count])


def raw_values(column: pa.ChunkedArray, where: str, name: str) -> np.ndarray:
    """Returns a key column as int64 or str array.

    Raises:
        ValueError: If a value is missing, or they are neither integers nor strings.
    """
    if column.null_count:
        raise ValueError(f"{where}, column {name!r}: {column.null_count} values are missing; leave out those rows")
    if pa.types.is_integer(column.type):
        return column.to_numpy().astype(np.int64)
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return np.array(column.to_pylist(), dtype=np.str_)
    raise ValueError(f"{where}, column {name!r}: {column.type} is neither integer nor string; cast it first")


def hashable(values: np.ndarray) -> np.ndarray:
    """Returns integers for `row_uniform`: integers as they are, strings by their rank."""
    return values if values.dtype.kind == "i" else np.unique(values, return_inverse=True)[1].astype(np.int64)


def refuse_repeated(users: np.ndarray, items: np.ndarray, raw: Mapping[str, Any], where: str) -> None:
    """Raises an error if a pair (columns sorted by user and item) stands twice."""
    again = (users[1:] == users[:-1]) & (items[1:] == items[:-1])
    if again.any():
        row = int(np.argmax(again))
        raise ValueError(
            f"{where}: the pair of user {raw[USER][row]} and item {raw[ITEM][row]} stands in several rows "
            f"({int(again.sum())} such repetitions); keep one row a pair"
        )
