"""Numbered versions of an export: written aside, renamed into place, never replaced."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path


def check_version(version: int | None) -> None:
    """Raises a ValueError if a version is neither None nor an integer of at least 1.

    Example:
        >>> check_version(0)
        Traceback (most recent call last):
        ValueError: version=0 is no version: give an integer of at least 1, or None for the next free one
    """
    if version is None or (isinstance(version, int) and not isinstance(version, bool) and version >= 1):
        return
    raise ValueError(f"version={version!r} is no version: give an integer of at least 1, or None for the next free one")


def versions_in(directory: Path) -> list[int]:
    """Returns the versions in a directory as a model server reads them: all entries whose name is an integer.

    Example:
        >>> import tempfile
        >>> directory = Path(tempfile.mkdtemp())
        >>> for name in ("2", "00010", "notes"):
        ...     (directory / name).mkdir()
        >>> versions_in(directory)
        [2, 10]
    """
    if not directory.is_dir():
        return []
    return sorted(int(entry.name) for entry in directory.iterdir() if is_version(entry))


def latest_version(directory: Path) -> Path:
    """Returns the folder of the largest version in a directory that holds one."""
    return max((entry for entry in directory.iterdir() if is_version(entry)), key=lambda entry: int(entry.name))


def is_version(entry: Path) -> bool:
    """Whether a model server reads this name as a version."""
    return entry.name.isascii() and entry.name.isdigit()


def write_version(directory: Path, version: int | None, write: Callable[[Path], None]) -> Path:
    """Writes one version such that a watching server sees all of it or nothing.

    It is written under a hidden name that is no integer, outside of the directory where that is possible, and
    renamed when it is complete. If writing fails or is interrupted, nothing is left behind.

    Args:
        directory: The directory of all versions; made if needed.
        version: The version, or None for one more than the largest there is (1 first).
        write: Called with the path of a folder that does not exist; makes it and everything in it.

    Returns:
        The path of the version.

    Raises:
        ValueError: If the version is not an integer of at least 1.
        FileExistsError: If the version exists; it is left as it is.
        NotADirectoryError: If the directory is a file.
    """
    check_version(version)
    directory = Path(os.path.realpath(directory))
    if directory.exists() and not directory.is_dir():
        raise NotADirectoryError(f"{directory} is a file; give a directory that will hold the versions of the model")
    if version is not None:
        _refuse_existing(directory, version)
    aside = _place_aside(directory) / f".{directory.name}.{uuid.uuid4().hex[:8]}.partial"
    try:
        write(aside)
        directory.mkdir(parents=True, exist_ok=True)
        return _rename(aside, directory, version)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _rename(aside: Path, directory: Path, version: int | None) -> Path:
    while True:
        number = max([0, *versions_in(directory)]) + 1 if version is None else version
        target = directory / str(number)
        try:
            os.rename(aside, target)
        except OSError:
            # Another export took this number in the meantime: a folder with files is never renamed over.
            if not target.exists():
                raise
            if version is not None:
                _refuse_existing(directory, number)
        else:
            return target


def _refuse_existing(directory: Path, version: int) -> None:
    if version in versions_in(directory):
        raise FileExistsError(
            f"version {version} exists in {directory} and stays as it is: a server may have it loaded. Give another "
            "version, or None for the next free one"
        )


def _place_aside(directory: Path) -> Path:
    """Returns a folder on the directory's file system where something can be written, best outside of it."""
    above = directory.parent
    while not above.exists():
        above = above.parent
    if directory.exists():
        same_disk = os.stat(above).st_dev == os.stat(directory).st_dev
        if not (same_disk and os.access(above, os.W_OK)):
            return directory
    return above
