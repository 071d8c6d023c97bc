"""Columns with several values a row: their vocabulary, and their ids as lists of one length."""

from __future__ import annotations

import narwhals as nw
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tf_gradcraft.data_pipelines.feature import PADDING
from tf_gradcraft.data_pipelines.preparation.columns import ARROW_TYPES
from tf_gradcraft.data_pipelines.preparation.table_spec import Tags
from tf_gradcraft.data_pipelines.preparation.vocabularies import ColumnEncoder, fit_vocabulary
from tf_gradcraft.data_pipelines.vocabulary import Vocabulary


def fit_tags(train: nw.LazyFrame, column: str, tags: Tags, min_count: int = 1) -> Vocabulary:
    """Builds the vocabulary of the single values of a column of lists, see `fit_vocabulary`.

    Example:
        >>> import duckdb
        >>> rows = duckdb.sql("SELECT unnest(['a, b', 'b', NULL]) AS tag")
        >>> fit_tags(nw.from_native(rows), "tag", Tags(length=2)).values.tolist()
        ['b', 'a']
    """
    values = nw.col(column)
    frame = train.select(column).filter(~values.is_null())
    if frame.collect_schema()[column] == nw.String:
        frame = frame.select(values.str.split(tags.separator))
    frame = frame.explode(column).filter(~values.is_null())
    if frame.collect_schema()[column] == nw.String:
        frame = frame.select(values.str.strip_chars()).filter(values != "")
    return fit_vocabulary(
        frame.select(values.cast(nw.Int64 if tags.dtype == "int64" else nw.String)), column, min_count
    )


def encode_tags(column: pa.ChunkedArray, tags: Tags, encoder: ColumnEncoder, where: str = "") -> np.ndarray:
    """Returns the ids of the first values of each row.

    Args:
        column: Text with separators or lists [n]; a missing one is an empty list.
        tags: How long, and how a text is parted.
        encoder: The ids of single values.
        where: What the column is, for errors.

    Returns:
        int32 [n, length]: 0 for unknown values, filled up with `PADDING`.

    Raises:
        ValueError: If a value is not of the dtype of the tags.

    Example:
        >>> column = pa.chunked_array([["a, b", "", None, "c,a,b"]])
        >>> encode_tags(column, Tags(length=2), ColumnEncoder(np.array(["a", "b"]))).tolist()
        [[1, 2], [-1, -1], [-1, -1], [0, 1]]
    """
    lists = column.combine_chunks()
    if not pa.types.is_nested(lists.type):
        lists = pc.split_pattern(lists.cast(pa.string()), tags.separator)
    rows = pc.list_parent_indices(lists).to_numpy()
    values = pc.list_flatten(lists)
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        values = pc.utf8_trim_whitespace(values)
        values = pc.if_else(pc.equal(values, ""), None, values)
    there = pc.is_valid(values).to_numpy(zero_copy_only=False)
    rows, values = rows[there], values.filter(pa.array(there))
    try:
        values = values.cast(ARROW_TYPES[tags.dtype])
    except pa.ArrowException as error:
        raise ValueError(f"{where}: the values are not all {tags.dtype} ({error}); repair it") from error
    # How many values of the same row stand before.
    place = np.arange(len(rows)) - np.searchsorted(rows, rows)
    inside = place < tags.length
    ids = np.full((len(column), tags.length), PADDING, np.int32)
    ids[rows[inside], place[inside]] = encoder(pa.chunked_array([values]))[inside]
    return ids
