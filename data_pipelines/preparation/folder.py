"""Writing a prepared folder: beside its place first, moved there at the very end."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tf_gradcraft.data_pipelines.manifest import MANIFEST_FILE, describe_file, library_version, read_manifest
from tf_gradcraft.data_pipelines.preparation.splitting import SPLITS
from tf_gradcraft.data_pipelines.prepared import PreparedData
from tf_gradcraft.data_pipelines.schema import Schema

ROWS_PER_SHARD = 1_000_000
ROWS_PER_GROUP = 65_536
"""What is read at a time when the shards are streamed."""


class FolderWriter:
    """Writes one prepared folder, or finds that it is there already.

    Args:
        folder: The prepared folder.
        dataset: Name of the data set.
        inputs: The files it is made from.
        arguments: What it is made with (plain JSON types).
        overwrite: Whether a prepared folder of another making may be replaced.

    Raises:
        FileNotFoundError: If an input file does not exist.
    """

    def __init__(
        self, folder: str | Path, dataset: str, inputs: list[Path], arguments: dict[str, Any], overwrite: bool
    ) -> None:
        self.folder = Path(folder)
        self.overwrite = overwrite
        origin = {
            "dataset": dataset,
            "library_version": library_version(),
            "arguments": arguments,
            "inputs": {path.name: describe_file(path) for path in inputs},
        }
        self.origin = json.loads(json.dumps(origin))

    def existing(self) -> PreparedData | None:
        """Returns the folder's data when it was made from the same inputs in the same way.

        Raises:
            ValueError: If the folder holds something else that must not be replaced, or is damaged.
        """
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

    def write(self, schema: Schema, columns: dict[str, np.ndarray], split: np.ndarray) -> PreparedData:
        """Writes schema, vocabularies, shards and manifest, moves the folder into place and opens it."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        beside = self.folder.parent / f".{self.folder.name}.{uuid.uuid4().hex[:8]}.partial"
        try:
            beside.mkdir()
            schema.save(beside)
            rows, label_rates = {}, {}
            for part, name in enumerate(SPLITS):
                at = np.flatnonzero(split == part)
                write_shards(beside / name, columns, at)
                rows[name] = len(at)
                label_rates[name] = {
                    task: float(columns[task][at].mean(dtype=np.float64)) for task in schema.task_names
                }
            files = sorted(path for path in beside.rglob("*") if path.is_file())
            outputs = {path.relative_to(beside).as_posix(): describe_file(path) for path in files}
            manifest = {**self.origin, "rows": rows, "label_rates": label_rates, "outputs": outputs}
            # Last: a folder without a manifest does not load.
            (beside / MANIFEST_FILE).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
            move_into_place(beside, self.folder)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
        return PreparedData(self.folder)


def write_shards(folder: Path, columns: dict[str, np.ndarray], at: np.ndarray, limit: int = ROWS_PER_SHARD) -> None:
    """Writes rows of columns as Parquet files of even size.

    Args:
        folder: Where `part-00000.parquet` and so on go.
        columns: Columns by name.
        at: Indices of the rows to write, in order.
        limit: Most rows a file.
    """
    folder.mkdir()
    integers = [name for name, values in columns.items() if values.dtype.kind == "i"]
    for number, rows in enumerate(np.array_split(at, max(1, -(-len(at) // limit)))):
        table = pa.table({name: values[rows] for name, values in columns.items()})
        # Dictionaries pay for repeated integers only.
        pq.write_table(
            table,
            folder / f"part-{number:05d}.parquet",
            compression="zstd",
            use_dictionary=integers,
            row_group_size=ROWS_PER_GROUP,
        )


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
    """
    if not (isinstance(theirs, dict) and isinstance(mine, dict)):
        return f"{theirs!r} there, {mine!r} here"
    names = [name for name in {**theirs, **mine} if theirs.get(name) != mine.get(name)]
    if any(isinstance({**theirs, **mine}[name], dict) and "sha256" in {**theirs, **mine}[name] for name in names):
        return ", ".join(names)
    return ", ".join(f"{name} is {theirs.get(name)!r} there, {mine.get(name)!r} here" for name in names)
