"""The search space of balancing methods and their hyper-parameters."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from tf_gradcraft import balancing
from tf_gradcraft.suggestions import unknown_name
from tf_gradcraft.tuning.axes import TENTHS, Axis, declare, values_of

METHODS = ("gradcraft", "metabalance", "sum")
"""The methods that are searched by default: those of the two papers, and none."""

_OWN = {"tau": "gradcraft", "epsilon": "gradcraft", "relax_factor": "metabalance", "strategy": "metabalance"}
"""The method of each hyper-parameter that goes by its own name in a space."""


def balancing_space(
    hp: Any,
    methods: Axis = METHODS,
    *,
    tau: Axis = TENTHS,
    epsilon: Axis = (1e-8, 1e-9, 1e-10),
    relax_factor: Axis = TENTHS,
    strategy: Axis = ("C", "A", "B"),
    settings: Mapping[str, Mapping[str, Axis]] | None = None,
) -> balancing.Balancer:
    """Declares methods and their hyper-parameters, each active with its method only, and returns the chosen balancer.

    For a build function of your own: `model.compile(..., balancing=balancing_space(hp))`.

    Args:
        hp: `keras_tuner.HyperParameters`.
        methods: Names of methods to choose from, see `tf_gradcraft.balancing.names`.
        tau: Of GradCraft; the paper searched {0, .1, ..., 1}.
        epsilon: Of GradCraft; the paper searched {1e-10, 1e-9, 1e-8}.
        relax_factor: Of MetaBalance.
        strategy: Of MetaBalance.
        settings: Axes of further hyper-parameters by method, such as `{"metabalance": {"target": "like"}}` or
            `{"cagrad": {"c": Range(0.1, 0.9)}}`. They go by the name `<method>_<name>` in a trial.

    Returns:
        The balancer of the values in `hp`.

    Raises:
        ValueError: If a method or hyper-parameter is not known, or a value is out of range.

    Example:
        >>> import keras_tuner
        >>> hp = keras_tuner.HyperParameters()
        >>> balancing_space(hp, ["metabalance", "sum"], settings={"metabalance": {"target": 1}})
        MetaBalance(parts='variable', relax_factor=0.7, beta=0.9, strategy='C', target=1)
        >>> hp.values
        {'method': 'metabalance', 'relax_factor': 0.7, 'strategy': 'C', 'metabalance_target': 1}
    """
    axes = {"tau": tau, "epsilon": epsilon, "relax_factor": relax_factor, "strategy": strategy}
    declare_balancing(hp, methods, axes, settings or {})
    return balancer_of(hp.values)


def declare_balancing(
    hp: Any, methods: Axis, axes: Mapping[str, Axis], settings: Mapping[str, Mapping[str, Axis]]
) -> None:
    """Declares methods and their hyper-parameters, see `balancing_space`."""
    names = [str(name) for name in values_of(methods)]
    for name in [*names, *settings]:
        if name not in balancing.names():
            raise ValueError(unknown_name("method", name, balancing.names()))
    declare(hp, "method", names, default="gradcraft")
    for method in names:
        own = {name: axes[name] for name, of in _OWN.items() if of == method}
        further = {f"{method}_{name}": axis for name, axis in settings.get(method, {}).items()}
        defaults = balancing.get(method).get_config()
        if unknown := [name for name in settings.get(method, {}) if name not in defaults]:
            raise ValueError(f"method {method!r}: " + unknown_name("hyper-parameter", unknown[0], defaults))
        if not own and not further:
            continue
        with hp.conditional_scope("method", [method]):
            for name, axis in {**own, **further}.items():
                declare(hp, name, axis, default=defaults[name.removeprefix(f"{method}_")])


def settings_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the hyper-parameters of the chosen method, for `tf_gradcraft.balancing.get`.

    Args:
        values: Values of a trial by name.

    Example:
        >>> settings_of({"method": "gradcraft", "tau": 0.1, "gradcraft_beta": 0.9, "dropout": 0.2})
        {'tau': 0.1, 'beta': 0.9}
    """
    method = values["method"]
    known = inspect.signature(type(balancing.get(method))).parameters
    own = {name: values[name] for name, of in _OWN.items() if of == method and name in values}
    further = {name: values[f"{method}_{name}"] for name in known if f"{method}_{name}" in values}
    return own | further


def balancer_of(values: Mapping[str, Any]) -> balancing.Balancer:
    """Returns the balancer of a trial's values.

    Example:
        >>> balancer_of({"method": "gradcraft", "tau": 0.1}).tau
        0.1
    """
    return balancing.get(values["method"], **settings_of(values))
