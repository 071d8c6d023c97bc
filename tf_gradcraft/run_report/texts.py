"""Numbers and names as a reader sees them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from tf_gradcraft.run_report.bootstrap import Interval

if TYPE_CHECKING:
    import pandas as pd

TITLES = {
    "auc": "AUC",
    "gauc": "group AUC",
    "log_loss": "log loss",
    "pcoc": "PCOC",
    "ece": "ECE",
    "accuracy": "accuracy",
    "rmse": "RMSE",
    "mae": "MAE",
    "ndcg_at_10": "NDCG@10",
}
"""Titles of the metrics, in the order in which they are shown."""


def number(value: float, digits: int = 4) -> str:
    """Returns a number as text, with a dash for NaN.

    Example:
        >>> number(0.75), number(123456.7), number(float("nan"))
        ('0.7500', '123,457', '-')
    """
    if math.isnan(value):
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.{digits}f}"


def percent(share: float) -> str:
    """Returns a share in percent, with a dash for NaN.

    Example:
        >>> percent(0.4556), percent(0.0032)
        ('45.6 %', '0.32 %')
    """
    if math.isnan(share):
        return "-"
    return f"{100 * share:.1f} %" if share >= 0.1 else f"{100 * share:.2f} %"


def interval_text(interval: Interval, digits: int = 3) -> str:
    """Returns the ends of an interval, with a dash if there is none.

    Example:
        >>> interval_text(Interval(0.7, 0.68, 0.72, 200))
        '0.680 to 0.720'
    """
    return "-" if math.isnan(interval.low) else f"{number(interval.low, digits)} to {number(interval.high, digits)}"


def with_interval(interval: Interval | None) -> Markup:
    """Returns a table's cell: the value, and its interval below.

    Example:
        >>> with_interval(Interval(0.7, 0.68, 0.72, 200))
        Markup('0.7000<br><small>0.680 to 0.720</small>')
    """
    if interval is None:
        return Markup("-")
    if math.isnan(interval.low):
        return Markup("{}").format(number(interval.value))
    return Markup("{}<br><small>{}</small>").format(number(interval.value), interval_text(interval))


def lines_of(frame: pd.DataFrame) -> Iterator[Any]:
    """Returns the lines of a table, with its columns as attributes and its index as `Index`.

    Example:
        >>> import pandas as pd
        >>> [line.rows for line in lines_of(pd.DataFrame({"rows": [3, 4]}))]
        [3, 4]
    """
    return iter(frame.itertuples())


def shortened(text: str, length: int = 18) -> str:
    """Returns a text, cut where it is longer.

    Example:
        >>> shortened("a very long name of a value", 10)
        'a very lo…'
    """
    return text if len(text) <= length else text[: length - 1] + "…"
