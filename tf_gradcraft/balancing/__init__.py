"""Balancing methods, one file each, and the registry behind `balancing="..."`."""

from __future__ import annotations

import inspect
from typing import Any

from tf_gradcraft.balancing.aligned_mtl import AlignedMTL
from tf_gradcraft.balancing.base import Balancer
from tf_gradcraft.balancing.cagrad import CAGrad
from tf_gradcraft.balancing.chain import Chain
from tf_gradcraft.balancing.config import ConFIG
from tf_gradcraft.balancing.db_mtl import DBMTL
from tf_gradcraft.balancing.dualproj import DualProj
from tf_gradcraft.balancing.dwa import DWA
from tf_gradcraft.balancing.fairgrad import FairGrad
from tf_gradcraft.balancing.famo import FAMO
from tf_gradcraft.balancing.fixed import Fixed
from tf_gradcraft.balancing.gls import GLS
from tf_gradcraft.balancing.gradcraft import GradCraft
from tf_gradcraft.balancing.gradnorm import GradNorm
from tf_gradcraft.balancing.gradvac import GradVac
from tf_gradcraft.balancing.imtl import IMTL
from tf_gradcraft.balancing.imtl_g import IMTLG
from tf_gradcraft.balancing.imtl_l import IMTLL
from tf_gradcraft.balancing.magnitude_step import Magnitude
from tf_gradcraft.balancing.mean import Mean
from tf_gradcraft.balancing.metabalance import MetaBalance
from tf_gradcraft.balancing.mgda import MGDA
from tf_gradcraft.balancing.nash_mtl import NashMTL
from tf_gradcraft.balancing.pcgrad import PCGrad
from tf_gradcraft.balancing.pcgrad_plus import PCGradPlus
from tf_gradcraft.balancing.rlw import RLW
from tf_gradcraft.balancing.stch import STCH
from tf_gradcraft.balancing.sum import Sum
from tf_gradcraft.balancing.uncertainty_weighting import UncertaintyWeighting
from tf_gradcraft.balancing.upgrad import UPGrad
from tf_gradcraft.suggestions import unknown_name

__all__ = [
    "DBMTL",
    "DWA",
    "FAMO",
    "GLS",
    "IMTL",
    "IMTLG",
    "IMTLL",
    "MGDA",
    "RLW",
    "STCH",
    "AlignedMTL",
    "Balancer",
    "CAGrad",
    "Chain",
    "ConFIG",
    "DualProj",
    "FairGrad",
    "Fixed",
    "GradCraft",
    "GradNorm",
    "GradVac",
    "Magnitude",
    "Mean",
    "MetaBalance",
    "NashMTL",
    "PCGrad",
    "PCGradPlus",
    "Sum",
    "UPGrad",
    "UncertaintyWeighting",
    "get",
    "names",
    "register",
]

_METHODS: dict[str, type[Balancer]] = {
    "sum": Sum,
    "mean": Mean,
    "fixed": Fixed,
    "uw": UncertaintyWeighting,
    "dwa": DWA,
    "rlw": RLW,
    "gls": GLS,
    "imtl_l": IMTLL,
    "stch": STCH,
    "famo": FAMO,
    "gradnorm": GradNorm,
    "gradcraft": GradCraft,
    "metabalance": MetaBalance,
    "pcgrad": PCGrad,
    "pcgrad_plus": PCGradPlus,
    "gradvac": GradVac,
    "imtl_g": IMTLG,
    "imtl": IMTL,
    "db_mtl": DBMTL,
    "aligned_mtl": AlignedMTL,
    "config": ConFIG,
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


def register(name: str, method: type[Balancer]) -> None:
    """Adds a method from outside, so that `compile(balancing=name)`, `get` and saved models know it.

    Register it before a model that uses it is compiled or loaded.

    Args:
        name: The name to be known by.
        method: A frozen dataclass that derives from `Balancer`; every hyper-parameter has a default.

    Raises:
        ValueError: If the name is taken or is no plain word, the class is no `Balancer`, or one of its hyper-parameters
            has no default.

    Example:
        >>> class Twice(Sum):
        ...     def weights(self, gram, losses, state, seed=None):
        ...         weights, state = super().weights(gram, losses, state)
        ...         return 2 * weights, state
        >>> register("twice", Twice)
        >>> get("twice")
        Twice(parts='all')
        >>> _ = _METHODS.pop("twice")
    """
    if not (isinstance(method, type) and issubclass(method, Balancer)):
        raise ValueError(f"balancing {name!r}: a method is a class that derives from Balancer, got {method!r}")
    if not (isinstance(name, str) and name.isidentifier()):
        raise ValueError(f"balancing {name!r}: a method's name is a plain word, such as 'my_method'")
    arguments = inspect.signature(method).parameters.values()
    if without := [argument.name for argument in arguments if argument.default is argument.empty]:
        raise ValueError(f"balancing {name!r}: give each hyper-parameter a default; none has {', '.join(without)}")
    if _METHODS.get(name, method) is not method:
        raise ValueError(f"balancing {name!r} is {_METHODS[name].__name__} already; take another name")
    _METHODS[name] = method


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
    known = inspect.signature(_METHODS[name]).parameters
    for argument in kwargs:
        if argument not in known:
            raise ValueError(f"balancing {name!r}: " + unknown_name("hyper-parameter", argument, known))
    return _METHODS[name](**kwargs)
