"""What killed runs leave beside a prepared folder: found by its lock, and removed."""

from __future__ import annotations

import contextlib
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # not on Windows: what killed runs leave is then removed by hand
    fcntl = None  # type: ignore[assignment]

LOCK_FILE = "lock"


@contextlib.contextmanager
def beside(folder: Path) -> Iterator[Path]:
    """Makes a folder beside another one, on the same disk, locked while it is in use and removed in the end.

    Folders of that kind that a killed process left are removed first, those of running ones are not.

    Example:
        >>> import tempfile
        >>> with beside(Path(tempfile.mkdtemp()) / "prepared") as place:
        ...     place.name.startswith(".prepared."), place.is_dir()
        (True, True)
        >>> place.exists()
        False
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(folder)
    place = folder.parent / f".{folder.name}.{uuid.uuid4().hex[:8]}.partial"
    place.mkdir()
    try:
        with (place / LOCK_FILE).open("w") as lock:
            if fcntl is not None:
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def remove_leftovers(folder: Path) -> None:
    """Removes what killed runs left, and puts back a folder that one had just moved away to replace it."""
    for old in sorted(folder.parent.glob(f".{folder.name}.*.old")):
        if folder.exists():
            shutil.rmtree(old, ignore_errors=True)
        else:
            os.rename(old, folder)
    if fcntl is None:
        return
    for place in folder.parent.glob(f".{folder.name}.*.partial"):
        with contextlib.suppress(OSError), (place / LOCK_FILE).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(place, ignore_errors=True)
