"""What `compile` takes about balancing, checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tf_gradcraft import balancing as methods
from tf_gradcraft.balancing import Balancer
from tf_gradcraft.suggestions import unknown_name

BALANCE_OVER = ("parameters", "representation")
ON_NONFINITE = ("raise", "skip")


def checked_balancer(balancing: Any, balance_over: str, balance_every: int, on_nonfinite: str) -> Balancer | None:
    """Returns the balancer, or None where the plain sum of the losses is meant.

    Raises:
        ValueError: If an argument is not one that `MultiTaskModel.compile` knows.
    """
    if balance_over not in BALANCE_OVER:
        raise ValueError(unknown_name("balance_over", balance_over, BALANCE_OVER))
    if on_nonfinite not in ON_NONFINITE:
        raise ValueError(unknown_name("on_nonfinite", on_nonfinite, ON_NONFINITE))
    if not isinstance(balance_every, int) or isinstance(balance_every, bool) or balance_every < 1:
        raise ValueError(f"balance_every={balance_every!r} must be a whole number of steps, 1 or more")
    if isinstance(balancing, str):
        balancing = methods.get(balancing)
    if balancing is not None and not isinstance(balancing, Balancer):
        raise ValueError(f"balancing must be None, a method's name or a Balancer, got {balancing!r}")
    if balancing is None or isinstance(balancing, methods.Sum):
        return None
    if balance_over == "representation" and isinstance(balancing.parts, Mapping):
        raise ValueError(
            "balance_over='representation' measures the tasks on one part, the representation; got "
            f"parts={balancing.parts!r}: leave them out, or use balance_over='parameters'"
        )
    return balancing
