"""Small frame operations: exact duplicates, joins of features by key, materialising."""

from __future__ import annotations

import uuid

import duckdb
import narwhals as nw


def drop_duplicates(frame: nw.LazyFrame) -> nw.LazyFrame:
    """Keeps one of the rows that are equal in every column.

    Example:
        >>> import pandas as pd
        >>> frame = nw.from_native(pd.DataFrame({"user": [1, 1, 1], "item": [5, 5, 6]})).lazy()
        >>> len(drop_duplicates(frame).collect())
        2
    """
    return frame.unique()


def join_features(frame: nw.LazyFrame, features: nw.LazyFrame, key: str, where: str) -> nw.LazyFrame:
    """Adds the features of a key to each row; missing where the key has none.

    Args:
        frame: The log.
        features: One row for each value of the key (rows that repeat another exactly are dropped).
        key: Name of the key column in both.
        where: File of the features, for errors.

    Raises:
        ValueError: If a value of the key has several rows: each of its impressions would be counted several times.

    Example:
        >>> import pandas as pd
        >>> log, users = pd.DataFrame({"user": [1, 2]}), pd.DataFrame({"user": [1], "age": [30]})
        >>> joined = join_features(nw.from_native(log).lazy(), nw.from_native(users).lazy(), "user", "users.csv")
        >>> joined.sort("user").collect()["age"].to_list()
        [30.0, nan]
    """
    features = materialise(drop_duplicates(features))
    repeated = features.group_by(key).agg(nw.len().alias("rows")).filter(nw.col("rows") > 1).head(1).collect()
    if len(repeated):
        value = repeated[key].to_list()[0]
        raise ValueError(f"{where}: {key} {value} stands in several rows that differ; keep one of them")
    return frame.join(features, on=key, how="left")


def materialise(frame: nw.LazyFrame) -> nw.LazyFrame:
    """Evaluates a lazy frame once, so that what is built on it does not evaluate it again.

    A DuckDB relation becomes a table in its own connection, which may spill to disk; a Spark frame is checkpointed on
    its workers; other frames are collected.

    Example:
        >>> relation = duckdb.connect().sql("select 1 as user_id")
        >>> materialise(nw.from_native(relation)).collect()["user_id"].to_list()
        [1]
    """
    native = frame.to_native()
    if isinstance(native, duckdb.DuckDBPyRelation):
        name = f"materialised_{uuid.uuid4().hex}"
        native.create(name)
        return nw.from_native(native.query("unused_view", f"SELECT * FROM {name}"))
    if frame.implementation.is_spark_like():
        return nw.from_native(native.localCheckpoint())
    return frame.collect().lazy()
