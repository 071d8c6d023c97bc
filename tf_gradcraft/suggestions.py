"""Error texts for names that are not known."""

import difflib
from collections.abc import Iterable


def unknown_name(what: str, given: object, known: Iterable[str]) -> str:
    """Says that a name is not known, and which one may have been meant.

    Args:
        what: What is named, for instance `"task"` or `"balancing"`.
        given: The name that is not known.
        known: The names there are.

    Example:
        >>> unknown_name("balancing", "gradcarft", ["gradcraft", "mean"])
        "balancing='gradcarft' is not known; did you mean 'gradcraft'? Known: gradcraft, mean"
    """
    names = list(known)
    near = difflib.get_close_matches(str(given), names, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"{what}={given!r} is not known; {hint}Known: {', '.join(names)}"
