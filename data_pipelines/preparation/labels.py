"""Labels from the columns of a log: thresholds, ratios, and any expression in one line."""

from __future__ import annotations

from collections.abc import Mapping

import narwhals as nw

from tf_gradcraft.suggestions import unknown_name


def at_least(column: str, threshold: float) -> nw.Expr:
    """Returns the label "the column is at least so much", 0 or 1; missing where the column is.

    Example:
        >>> import pandas as pd
        >>> log = nw.from_native(pd.DataFrame({"stars": [3, 4, 5]}))
        >>> log.select(liked=at_least("stars", 4))["liked"].to_list()
        [0, 1, 1]
    """
    return (nw.col(column) >= threshold).cast(nw.Int64)


def ratio_at_least(numerator: str, denominator: str, threshold: float = 1.0) -> nw.Expr:
    """Returns the label "one column is at least so many times another", such as a video watched to its end.

    A denominator of 0 or less makes the label 0.

    Example:
        >>> import pandas as pd
        >>> log = nw.from_native(pd.DataFrame({"watched": [9, 10, 0], "length": [10, 10, 0]}))
        >>> log.select(complete=ratio_at_least("watched", "length"))["complete"].to_list()
        [0, 1, 0]
    """
    whole = nw.col(denominator)
    return ((nw.col(numerator) >= threshold * whole) & (whole > 0)).cast(nw.Int64)


def any_of(*columns: str) -> nw.Expr:
    """Returns the label "any of these columns is positive".

    Example:
        >>> import pandas as pd
        >>> log = nw.from_native(pd.DataFrame({"like": [0, 1], "share": [0, 0]}))
        >>> log.select(liked=any_of("like", "share"))["liked"].to_list()
        [0, 1]
    """
    return nw.any_horizontal(*(nw.col(column) > 0 for column in columns), ignore_nulls=True).cast(nw.Int64)


def define_labels(frame: nw.LazyFrame, labels: Mapping[str, nw.Expr]) -> nw.LazyFrame:
    """Adds a column for each label; a column of the same name gives way.

    Example:
        >>> import pandas as pd
        >>> log = nw.from_native(pd.DataFrame({"stars": [3, 5]})).lazy()
        >>> define_labels(log, {"liked": at_least("stars", 4)}).collect()["liked"].to_list()
        [0, 1]
    """
    return frame.with_columns(**labels) if labels else frame


def label_from_config(name: str, config: Mapping) -> nw.Expr:
    """Returns the label that a description of plain types stands for.

    Args:
        name: Name of the label, for errors.
        config: `{"column": c, "at_least": x}`, `{"column": c, "at_least": x, "of": d}` (ratio) or
            `{"any_of": [c, d]}`.

    Raises:
        ValueError: If a key is not known or missing.

    Example:
        >>> label_from_config("liked", {"colum": "stars", "at_least": 4})
        Traceback (most recent call last):
        ValueError: label 'liked': key='colum' is not known; did you mean 'column'? Known: column, at_least, of, any_of
    """
    known = ("column", "at_least", "of", "any_of")
    for key in config:
        if key not in known:
            raise ValueError(f"label {name!r}: " + unknown_name("key", key, known))
    if set(config) == {"any_of"}:
        return any_of(*config["any_of"])
    if set(config) == {"column", "at_least"}:
        return at_least(config["column"], config["at_least"])
    if set(config) == {"column", "at_least", "of"}:
        return ratio_at_least(config["column"], config["of"], config["at_least"])
    raise ValueError(f"label {name!r}: give column and at_least, column, at_least and of, or any_of alone")
