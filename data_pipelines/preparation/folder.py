"""Writing a prepared folder: beside its place first, moved there at the very end."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tf_gradcraft.data_pipelines.manifest import MANIFEST_FILE, describe_file, library_version, read_manifest
from tf_gradcraft.data_pipelines.preparation.leftovers import beside, remove_leftovers
from tf_gradcraft.data_pipelines.prepared import PreparedData
from tf_gradcraft.data_pipelines.schema import Schema


class FolderWriter:
    """Writes one prepared folder, or finds that it is there already.

    Args:
        folder: The prepared folder.
        dataset: Name of the data set.
        inputs: The files it is made from.
        arguments: What it is made with (plain JSON types).
        overwrite: Whether a prepared folder of another making may be replaced.
        fingerprints: What stands for inputs that are no files, by name.

    Raises:
        FileNotFoundError: If an input file does not exist.
    """

    def __init__(
        self,
        folder: str | Path,
        dataset: str,
        inputs: list[Path],
        arguments: dict[str, Any],
        overwrite: bool,
        fingerprints: Mapping[str, Any] | None = None,
    ) -> None:
        self.folder = Path(folder)
        self.overwrite = overwrite
        origin = {
            "dataset": dataset,
            "library_version": library_version(),
            "arguments": arguments,
            "inputs": {**{path.name: describe_file(path) for path in inputs}, **(fingerprints or {})},
        }
        self.origin = json.loads(json.dumps(origin))

    def existing(self) -> PreparedData | None:
        """Returns the folder's data when it was made from the same inputs in the same way.

        Raises:
            ValueError: If the folder holds something else that must not be replaced, or is damaged.
        """
        remove_leftovers(self.folder)
        if not self.folder.exists() or (self.folder.is_dir() and not any(self.folder.iterdir())):
            return None
        if not (self.folder / MANIFEST_FILE).is_file():
            raise ValueError(
                f"{self.folder} exists and is no prepared folder (no {MANIFEST_FILE}); it stays as it is: "
                "choose another folder, or remove it yourself"
            )
        if self.overwrite:
            return None
        manifest = read_manifest(self.folder)
        for part, mine in self.origin.items():
            if manifest.get(part) != mine:
                raise ValueError(
                    f"{self.folder} was prepared with other {part.replace('_', ' ')}: "
                    f"{differences(manifest.get(part), mine)}; pass overwrite=True (--overwrite) to replace it, "
                    "or choose another folder"
                )
        return PreparedData(self.folder)

    @contextlib.contextmanager
    def place(self) -> Iterator[Path]:
        """Makes a folder beside the prepared one for all that is written on the way; it is removed in the end."""
        with beside(self.folder) as place:
            yield place

    def finish(self, data: Path, schema: Schema, rows: dict[str, int], label_rates: dict) -> PreparedData:
        """Adds schema, vocabularies and manifest to the shards, moves the folder into place and opens it.

        Args:
            data: The folder with the shards, in `place`.
            schema: What they hold.
            rows: Number of rows by part.
            label_rates: Mean label by part and task.
        """
        schema.save(data)
        files = sorted(path for path in data.rglob("*") if path.is_file())
        outputs = {path.relative_to(data).as_posix(): describe_file(path) for path in files}
        manifest = {**self.origin, "rows": rows, "label_rates": label_rates, "outputs": outputs}
        # Last: a folder without a manifest does not load.
        (data / MANIFEST_FILE).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
        move_into_place(data, self.folder)
        return PreparedData(self.folder)


def move_into_place(beside: Path, folder: Path) -> None:
    """Renames a finished folder to its name; a folder that stands there is removed only after that."""
    old = None
    if folder.exists():
        old = folder.parent / f".{folder.name}.{uuid.uuid4().hex[:8]}.old"
        os.rename(folder, old)
    try:
        os.rename(beside, folder)
    except BaseException:
        if old is not None:
            os.rename(old, folder)
        raise
    if old is not None:
        shutil.rmtree(old, ignore_errors=True)


def differences(theirs: Any, mine: Any) -> str:
    """Says where two manifests' parts differ.

    Example:
        >>> differences({"seed": 0, "split": "date"}, {"seed": 1, "split": "date"})
        'seed is 0 there, 1 here'
        >>> differences({"spec": {"item": "a"}}, {"spec": {"item": "b"}})
        "spec: item is 'a' there, 'b' here"
    """
    if not (isinstance(theirs, dict) and isinstance(mine, dict)):
        return f"{theirs!r} there, {mine!r} here"
    names = [name for name in {**theirs, **mine} if theirs.get(name) != mine.get(name)]
    if any(isinstance({**theirs, **mine}[name], dict) and "sha256" in {**theirs, **mine}[name] for name in names):
        return ", ".join(names)
    both = {name: (theirs.get(name), mine.get(name)) for name in names}
    return ", ".join(
        f"{name}: {differences(*values)}"
        if all(isinstance(value, dict) for value in values)
        else f"{name} is {values[0]!r} there, {values[1]!r} here"
        for name, values in both.items()
    )
