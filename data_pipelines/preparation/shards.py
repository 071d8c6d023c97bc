"""Parquet shards of even size, written as rows come."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ROWS_PER_SHARD = 1_000_000
ROWS_PER_GROUP = 2**16
"""Rows of a Parquet row group, the least that a reader takes at once."""


class ShardWriter:
    """Writes the rows of one part as `part-00000.parquet` and so on, whose sizes differ by one row at most.

    Args:
        folder: Where the files go; made here.
        rows: Number of rows that will come.
        limit: Most rows a file.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp()) / "train"
        >>> with ShardWriter(folder, rows=3, limit=2) as writer:
        ...     writer.write(pa.table({"user": [1, 2, 3]}))
        >>> [pq.read_metadata(path).num_rows for path in sorted(folder.iterdir())]
        [2, 1]
    """

    def __init__(self, folder: Path, rows: int, limit: int = ROWS_PER_SHARD) -> None:
        folder.mkdir()
        self.folder = folder
        shards = max(1, -(-rows // limit))
        self._sizes = [len(part) for part in np.array_split(np.empty(rows, bool), shards)]
        self._number, self._room = -1, 0
        self._writer: pq.ParquetWriter | None = None
        self._held: list[pa.Table] = []
        self.files: list[Path] = []

    def __enter__(self) -> ShardWriter:
        """Returns itself."""
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Writes what is held, and closes the last file."""
        if error is None:
            self._flush()
        if self._writer is not None:
            self._writer.close()

    def write(self, table: pa.Table) -> None:
        """Adds rows.

        Raises:
            ValueError: If more rows come than were announced.
        """
        if self._writer is None:
            self._next(table.schema)
        while len(table):
            if not self._room:
                self._flush()
                self._next(table.schema)
            taken = min(self._room, ROWS_PER_GROUP - sum(map(len, self._held)), len(table))
            self._held.append(table.slice(0, taken))
            self._room -= taken
            table = table.slice(taken)
            if sum(map(len, self._held)) == ROWS_PER_GROUP:
                self._flush()

    def _flush(self) -> None:
        """Writes the held rows as one row group."""
        if self._held and self._writer is not None:
            self._writer.write_table(pa.concat_tables(self._held).combine_chunks())
        self._held = []

    def _next(self, schema: pa.Schema) -> None:
        """Closes a file and opens the next one."""
        if self._writer is not None:
            self._writer.close()
        self._number += 1
        if self._number == len(self._sizes):
            raise ValueError(f"{self.folder}: more rows than the {sum(self._sizes)} that were announced")
        path = self.folder / f"part-{self._number:05d}.parquet"
        # Dictionaries pay for repeated integers only.
        integers = [field.name for field in schema if pa.types.is_integer(field.type)]
        self._writer = pq.ParquetWriter(path, schema, compression="zstd", use_dictionary=integers or False)
        self._room = self._sizes[self._number]
        self.files.append(path)


def fingerprint(table: pa.Table) -> dict[str, object]:
    """Returns number of rows and SHA-256 of a table in memory: what a manifest says of an input that is no file.

    Example:
        >>> fingerprint(pa.table({"user": [1]})) == fingerprint(pa.table({"user": [2]}))
        False
    """

    class Digest:
        """A file that only hashes what is written to it."""

        closed = False

        def __init__(self) -> None:
            self.sha = hashlib.sha256()

        def write(self, data: bytes) -> int:
            self.sha.update(data)
            return len(data)

        def flush(self) -> None:
            """Does nothing."""

    digest = Digest()
    with pa.ipc.new_stream(pa.PythonFile(digest, mode="w"), table.schema) as stream:
        for batch in table.combine_chunks().to_batches(max_chunksize=ROWS_PER_GROUP):
            stream.write_batch(batch)
    return {"rows": len(table), "sha256": digest.sha.hexdigest()}
