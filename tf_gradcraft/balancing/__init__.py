"""Balancing methods, one file each, and the registry behind `balancing="..."`."""

from __future__ import annotations

from typing import Any

from tf_gradcraft.balancing.base import Balancer
from tf_gradcraft.balancing.cagrad import CAGrad
from tf_gradcraft.balancing.dualproj import DualProj
from tf_gradcraft.balancing.fairgrad import FairGrad
from tf_gradcraft.balancing.gradcraft import GradCraft
from tf_gradcraft.balancing.mean import Mean
from tf_gradcraft.balancing.metabalance import MetaBalance
from tf_gradcraft.balancing.mgda import MGDA
from tf_gradcraft.balancing.nash_mtl import NashMTL
from tf_gradcraft.balancing.pcgrad import PCGrad
from tf_gradcraft.balancing.sum import Sum
from tf_gradcraft.balancing.upgrad import UPGrad
from tf_gradcraft.suggestions import unknown_name

__all__ = [
    "MGDA",
    "Balancer",
    "CAGrad",
    "DualProj",
    "FairGrad",
    "GradCraft",
    "Mean",
    "MetaBalance",
    "NashMTL",
    "PCGrad",
    "Sum",
    "UPGrad",
    "get",
    "names",
]

_METHODS: dict[str, type[Balancer]] = {
    "sum": Sum,
    "mean": Mean,
    "gradcraft": GradCraft,
    "metabalance": MetaBalance,
    "pcgrad": PCGrad,
    "mgda": MGDA,
    "cagrad": CAGrad,
    "nash_mtl": NashMTL,
    "fairgrad": FairGrad,
    "upgrad": UPGrad,
    "dualproj": DualProj,
}


def names() -> tuple[str, ...]:
    """Returns the names of all methods.

    Example:
        >>> "gradcraft" in names()
        True
    """
    return tuple(_METHODS)


def get(name: str, **kwargs: Any) -> Balancer:
    """Returns the method of that name.

    Args:
        name: One of `names()`.
        **kwargs: Its hyper-parameters.

    Raises:
        ValueError: If there is no such method, or it has no such hyper-parameter; the message says what there is.

    Example:
        >>> get("gradcraft", tau=0.1).tau
        0.1
    """
    if name not in _METHODS:
        raise ValueError(unknown_name("balancing", name, names()))
    known = _METHODS[name].__dataclass_fields__
    for argument in kwargs:
        if argument not in known:
            raise ValueError(f"balancing {name!r}: " + unknown_name("hyper-parameter", argument, known))
    return _METHODS[name](**kwargs)
