"""Reading option values that have a form of their own."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from tf_gradcraft.tuning.architectures import width_settings


def parse_names(text: str | None) -> list[str] | None:
    """Returns the names in a list with commas; None for None.

    Raises:
        ValueError: If no name is in it, or one stands there twice.

    Example:
        >>> parse_names("click, like")
        ['click', 'like']
    """
    if text is None:
        return None
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise ValueError(f"{text!r} holds no name; write names with commas between them, such as click,like")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"{', '.join(twice)} stands twice in {text!r}; name each once")
    return names


def parse_settings(items: Iterable[str]) -> dict[str, Any]:
    """Returns settings given as `name=value`; a value is read as JSON where it is JSON, else taken as text.

    Raises:
        ValueError: If an item has another form, or a name is given twice.

    Example:
        >>> parse_settings(["tau=0.1", "strategy=C", "target=click"])
        {'tau': 0.1, 'strategy': 'C', 'target': 'click'}
    """
    settings: dict[str, Any] = {}
    for item in items:
        name, equals, value = item.partition("=")
        name = name.strip()
        if not equals or not name:
            raise ValueError(f"--set {item!r} has no value; write name=value, such as --set tau=0.1")
        if name in settings:
            raise ValueError(f"--set {name} is given twice; give it once")
        try:
            settings[name] = json.loads(value)
        except json.JSONDecodeError:
            settings[name] = value
    return settings


def parse_numbers(option: str, items: Iterable[str]) -> dict[str, float]:
    """Returns numbers given as `name=number`.

    Raises:
        ValueError: If an item has another form, or a name is given twice.

    Example:
        >>> parse_numbers("--rate", ["like=0.05"])
        {'like': 0.05}
    """
    numbers: dict[str, float] = {}
    for item in items:
        name, _, text = item.partition("=")
        name = name.strip()
        if name in numbers:
            raise ValueError(f"{option} {name} is given twice; give it once")
        try:
            numbers[name] = float(text)
        except ValueError as error:
            raise ValueError(f"{option} {item!r} is no name=number; write it such as {option} like=0.05") from error
    return numbers


def parse_units(option: str, text: str) -> list[int]:
    """Returns the units of dense layers, given as numbers with commas between.

    Raises:
        ValueError: If one is no whole number above 0.

    Example:
        >>> parse_units("--tower-units", "32,16")
        [32, 16]
    """
    units = [part.strip() for part in text.split(",")]
    if not all(part.isdigit() and int(part) > 0 for part in units):
        raise ValueError(f"{option} {text!r}: write whole numbers above 0 with commas between, such as {option} 64,32")
    return [int(part) for part in units]


def model_settings(
    model: str, *, expert_units: str | None = None, tower_units: str | None = None, **settings: Any
) -> dict[str, Any]:
    """Returns the arguments of a model beside the schema.

    Args:
        model: Name of the model.
        expert_units: Units of an expert's layers, as text; the model's own where None. Those of the bottom, where a
            model has one instead of experts.
        tower_units: Units of a tower's layers, as text; the model's own where None.
        **settings: Further arguments, taken as they are.

    Example:
        >>> model_settings("shared_bottom", expert_units="64,32", l2=0.0)
        {'l2': 0.0, 'bottom_units': [64, 32]}
    """
    if expert_units is not None:
        settings |= width_settings(model, parse_units("--expert-units", expert_units))
    if tower_units is not None:
        settings["tower_units"] = parse_units("--tower-units", tower_units)
    return settings
