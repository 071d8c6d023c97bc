"""Keeping other commands away from a folder."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

LOCK_FILE = ".lock"


@contextlib.contextmanager
def alone(folder: Path, what: str) -> Iterator[None]:
    """Keeps others away from a folder meanwhile; the system lifts this when the process ends, however it ends.

    Args:
        folder: The folder; it must exist.
        what: What is going on in it, for the error of others, such as `"searched"`.

    Raises:
        FileExistsError: If another process is at it.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> with alone(folder, "searched"), alone(folder, "searched"):
        ...     pass
        Traceback (most recent call last):
        FileExistsError: ... is being searched by another command; wait for it, or stop it
    """
    import fcntl  # Unix only

    with (folder / LOCK_FILE).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise FileExistsError(f"{folder} is being {what} by another command; wait for it, or stop it") from error
        yield
