"""Parts: groups of shared variables that are balanced together."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

OTHER = "other"


class Parts(NamedTuple):
    """Which part each variable belongs to.

    Attributes:
        names: Name of each part.
        of_variable: Position of the part of each variable.
    """

    names: tuple[str, ...]
    of_variable: tuple[int, ...]


def assign_parts(parts: str | Mapping[str, str], paths: Sequence[str]) -> Parts:
    """Groups variables into parts.

    Args:
        parts: `"all"`, `"variable"`, or `{name: regex}`; the first regex found in a path counts, and variables that
            none matches form one more part, `"other"`.
        paths: Paths of the variables.

    Raises:
        ValueError: If a regex matches no variable, or `parts` is not known.

    Example:
        >>> assign_parts({"tables": "embedding"}, ["encoder/embedding", "mlp/kernel"])
        Parts(names=('tables', 'other'), of_variable=(0, 1))
    """
    if parts == "all":
        return Parts(("all",), (0,) * len(paths))
    if parts == "variable":
        return Parts(tuple(paths), tuple(range(len(paths))))
    if not isinstance(parts, Mapping):
        raise ValueError(f"parts={parts!r} is not known; use 'all', 'variable' or a dict {{name: regex}}")
    names = [*parts, OTHER]
    regexes = list(parts.values())
    found = [next((i for i, regex in enumerate(regexes) if re.search(regex, path)), len(regexes)) for path in paths]
    for position, (name, regex) in enumerate(parts.items()):
        if position not in found:
            raise ValueError(f"parts[{name!r}]={regex!r} matches no shared variable; they are: {', '.join(paths)}")
    used = names if len(parts) in found else names[:-1]
    return Parts(tuple(used), tuple(found))
