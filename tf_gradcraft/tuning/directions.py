"""Which metrics are better when they are smaller."""

from __future__ import annotations

SMALLER_IS_BETTER = ("loss", "log_loss", "rmse", "mae", "mse", "error")
"""Endings of the names of such metrics."""


def is_smaller_better(name: str) -> bool:
    """Returns whether a metric is better when it is smaller, as its name says.

    Example:
        >>> is_smaller_better("val_rating_rmse"), is_smaller_better("val_click_auc")
        (True, False)
    """
    return any(name == ending or name.endswith(f"_{ending}") for ending in SMALLER_IS_BETTER)
