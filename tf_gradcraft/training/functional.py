"""Functional construction of `MultiTaskModel` and its subclasses.

Keras turns a subclass of `keras.Model` into a functional model by changing the bases of its class the first time that
one is built from `inputs` and `outputs`. For a class that is used both ways, functional and with `call`, that breaks
the other way; so functional models have a class of their own here.
"""

from __future__ import annotations

from typing import Any

# Keras has no public name for its class of functional models.
from keras.src.models.functional import Functional

__all__ = ["Functional", "is_functional_call", "rebase"]


def is_functional_call(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether a constructor was called with `inputs` and `outputs`.

    Example:
        >>> is_functional_call((), {"inputs": 1, "outputs": 2}), is_functional_call((), {"name": "a"})
        (True, False)
    """
    given = {"inputs", "outputs"} & set(kwargs)
    return len(args) + len(given) >= 2 and (len(given) == 2 or "outputs" in given or len(args) == 2)


def rebase(cls: type, old: type, new: type) -> None:
    """Replaces the base `old` of a class, or of its bases, by `new`."""
    if old in cls.__bases__:
        cls.__bases__ = tuple(new if base is old else base for base in cls.__bases__)
        return
    for base in cls.__bases__:
        if issubclass(base, old):
            rebase(base, old, new)
