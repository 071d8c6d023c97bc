"""The manifest of a prepared folder: what it was made from, and the size and hash of every file in it."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from pathlib import Path
from typing import Any

MANIFEST_FILE = "manifest.json"
AGAIN = "prepare the folder again with overwrite=True (--overwrite)"
KEYS = ("dataset", "library_version", "arguments", "inputs", "rows", "label_rates", "outputs")


def describe_file(path: Path) -> dict[str, Any]:
    """Returns size and SHA-256 of a file.

    Raises:
        FileNotFoundError: If it does not exist.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "empty"
        >>> path.touch()
        >>> describe_file(path)["bytes"], describe_file(path)["sha256"][:8]
        (0, 'e3b0c442')
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist; check the path, or download the data set again")
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return {"bytes": path.stat().st_size, "sha256": digest.hexdigest()}


def library_version() -> str:
    """Returns the version of the installed library."""
    try:
        return importlib.metadata.version("tf-gradcraft")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def read_manifest(folder: Path) -> dict[str, Any]:
    """Reads the manifest of a prepared folder.

    Raises:
        FileNotFoundError: If there is no such folder, or no manifest in it.
        ValueError: If the manifest is cut short or edited beyond recognition.
    """
    path = folder / MANIFEST_FILE
    if not path.is_file():
        raise FileNotFoundError(f"{folder} is no prepared folder: it holds no {MANIFEST_FILE}; run `prepare` first")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is damaged ({error}); {AGAIN}") from error
    if not isinstance(manifest, dict) or (missing := [key for key in KEYS if key not in manifest]):
        what = f"has no {', '.join(missing)}" if isinstance(manifest, dict) else "is no manifest"
        raise ValueError(f"{path} {what}; {AGAIN}")
    return manifest


def verify_files(folder: Path, manifest: dict[str, Any]) -> None:
    """Compares every file of a prepared folder with the manifest.

    Raises:
        ValueError: If a file is missing, has another size or hash, or does not belong there.
    """
    outputs = manifest["outputs"]
    for name, wanted in outputs.items():
        path = folder / name
        if not path.is_file():
            raise ValueError(f"{path} is missing, though the manifest lists it; {AGAIN}")
        size = path.stat().st_size
        if size != wanted["bytes"]:
            raise ValueError(f"{path} is damaged: {size} bytes, the manifest says {wanted['bytes']}; {AGAIN}")
        if describe_file(path)["sha256"] != wanted["sha256"]:
            raise ValueError(f"{path} was changed after it was prepared: its hash is not that of the manifest; {AGAIN}")
    for path in folder.rglob("*.parquet"):
        if path.relative_to(folder).as_posix() not in outputs:
            raise ValueError(f"{path} does not belong there: the manifest does not list it; remove it")
