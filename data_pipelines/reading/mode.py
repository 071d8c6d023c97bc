"""Memory or streaming: which of the two a data set is read by."""

from __future__ import annotations

import os
from pathlib import Path

from tf_gradcraft.suggestions import unknown_name

MODES = ("auto", "memory", "streaming")
COPIES = 3
"""How often the columns are in memory at once while they are loaded: as read, packed, and as tensors."""


def choose_mode(mode: str, size: int, available: int | None = None) -> str:
    """Returns `"memory"` or `"streaming"`.

    Args:
        mode: One of the two, or `"auto"`: memory if `COPIES` times the size takes at most half of what is available.
        size: Bytes of all columns of all splits as arrays.
        available: Bytes that are free; what the system says by default.

    Raises:
        ValueError: If the mode is not known.

    Example:
        >>> [choose_mode("auto", size, available=8 * 10**9) for size in (10**9, 2 * 10**9)]
        ['memory', 'streaming']
    """
    if mode not in MODES:
        raise ValueError(unknown_name("mode", mode, MODES))
    if mode != "auto":
        return mode
    free = available_memory() if available is None else available
    return "memory" if COPIES * size <= free / 2 else "streaming"


def available_memory() -> int:
    """Returns how many bytes this process may still take: what Linux calls available, within the limit of a container.

    Example:
        >>> available_memory() > 0
        True
    """
    bounds = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    meminfo = Path("/proc/meminfo")
    if meminfo.is_file():
        lines = dict(line.split(":") for line in meminfo.read_text(encoding="ascii").splitlines())
        bounds.append(int(lines["MemAvailable"].split()[0]) * 1024)
    group = Path("/sys/fs/cgroup")
    if (group / "memory.max").is_file() and (limit := (group / "memory.max").read_text().strip()) != "max":
        bounds.append(int(limit) - int((group / "memory.current").read_text()))
    return max(0, min(bounds))
