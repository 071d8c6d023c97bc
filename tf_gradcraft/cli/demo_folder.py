"""The demo's own folder: replaced when the demo runs again, no other ever is."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from tf_gradcraft.files.json_files import write_json

MARKER = "demo.json"


@contextlib.contextmanager
def new_demo_folder(folder: Path) -> Iterator[Path]:
    """Gives an empty folder that carries the demo's mark.

    It is written in place: runs refer to the prepared folder by its path. The mark comes first, so that a demo that was
    interrupted can be run again.

    Raises:
        FileExistsError: If the folder holds anything that no demo wrote; it is left as it is.

    Example:
        >>> import tempfile
        >>> with new_demo_folder(Path(tempfile.mkdtemp()) / "demo") as folder:
        ...     sorted(path.name for path in folder.iterdir())
        ['demo.json']
    """
    if folder.exists() and not folder.is_dir():
        raise FileExistsError(f"{folder} is a file; choose another --out")
    if folder.is_dir() and any(folder.iterdir()):
        if not (folder / MARKER).is_file():
            raise FileExistsError(f"{folder} holds files that no demo wrote (no {MARKER}); choose another --out")
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / MARKER, {"command": "tf-gradcraft demo", "finished": False})
    yield folder
    write_json(folder / MARKER, {"command": "tf-gradcraft demo", "finished": True})
