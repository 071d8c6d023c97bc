"""How the number of experts and their widths are called in each model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_EXPERTS = {
    **dict.fromkeys(("omoe", "mmoe", "dselect_k", "home"), ("num_experts",)),
    **dict.fromkeys(("cgc", "ple", "stem"), ("specific_experts", "shared_experts")),
}
_UNITS = {"shared_bottom": "bottom_units", "esmm": "tower_units", "escm2": "tower_units"}


def has_experts(model: str) -> bool:
    """Returns whether a model has experts whose number can be chosen.

    Example:
        >>> has_experts("ple"), has_experts("shared_bottom")
        (True, False)
    """
    return model in _EXPERTS


def default_experts(model: str) -> int:
    """Returns how many experts a model has if nobody chooses.

    Example:
        >>> default_experts("ple"), default_experts("mmoe")
        (1, 4)
    """
    return 4 if model in ("omoe", "mmoe", "dselect_k") else 1


def parse_units(text: str) -> list[int]:
    """Returns the widths in a text.

    Raises:
        ValueError: If the text is no list of positive numbers with hyphens between.

    Example:
        >>> parse_units("256-128-64")
        [256, 128, 64]
    """
    parts = str(text).split("-")
    if not all(part.isdigit() and int(part) > 0 for part in parts):
        raise ValueError(f"units {text!r} are no widths; write them with hyphens between, such as '256-128-64'")
    return [int(part) for part in parts]


def model_settings(model: str, experts: int | None, units: str | None) -> dict[str, Any]:
    """Returns what a model's constructor calls experts and units.

    Args:
        model: Name of the model, see `tf_gradcraft.models.names`.
        experts: Number of experts: in MMoE of all, in PLE of each task and of the shared ones alike.
        units: Widths of their layers, such as "256-128-64".

    Example:
        >>> model_settings("ple", 2, "64-32")
        {'specific_experts': 2, 'shared_experts': 2, 'expert_units': [64, 32]}
        >>> model_settings("home", 1, "64-32")  # HoME's last width is that of its second level
        {'num_experts': 1, 'meta_units': [64], 'expert_units': [32]}
    """
    settings: dict[str, Any] = {}
    if experts is not None:
        settings |= dict.fromkeys(_EXPERTS.get(model, ()), experts)
        if model == "dselect_k":
            settings["num_selected"] = min(2, experts)
    if units is not None:
        settings |= width_settings(model, parse_units(units))
    return settings


def width_settings(model: str, widths: Sequence[int]) -> dict[str, Any]:
    """Returns what a model's constructor calls the widths of its experts, or of what it has in their place.

    Example:
        >>> width_settings("shared_bottom", [64, 32]), width_settings("home", [64, 32])
        ({'bottom_units': [64, 32]}, {'meta_units': [64], 'expert_units': [32]})
    """
    widths = list(widths)
    if model == "home" and len(widths) > 1:
        return {"meta_units": widths[:-1], "expert_units": widths[-1:]}
    return {_UNITS.get(model, "expert_units"): widths}


def settings_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the constructor's arguments that a trial's values state.

    Example:
        >>> settings_of({"architecture": "mmoe", "experts": 4, "units": "8-4", "dropout": 0.1, "tau": 0.5})
        {'num_experts': 4, 'expert_units': [8, 4], 'dropout': 0.1}
    """
    settings = model_settings(values["architecture"], values.get("experts"), values.get("units"))
    return settings | {name: values[name] for name in ("dropout", "embedding_dim") if name in values}
