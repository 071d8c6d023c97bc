"""What is running, how many runs are done, and how long the rest may take."""

from __future__ import annotations

import contextlib
import datetime
import threading
import time
from collections.abc import Iterator

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn


class RunProgress:
    """Shows a bar on a terminal, and one line a run everywhere.

    Args:
        console: Where to.

    Example:
        >>> progress = RunProgress(Console(highlight=False))
        >>> with progress.of(1):
        ...     progress.begin("runs/sum/seed-1")
        ...     progress.end("runs/sum/seed-1", "valid 0.7512, 90 s")
        1/1 runs/sum/seed-1: valid 0.7512, 90 s
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lock = threading.Lock()
        self._running: list[str] = []
        self._done = self._total = 0
        columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
        self._bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)

    @contextlib.contextmanager
    def of(self, total: int) -> Iterator[None]:
        """Shows progress within its block.

        Args:
            total: Number of runs.
        """
        self._total, self._start = total, time.perf_counter()
        self._task = self._bar.add_task("", total=total)
        with self._bar:
            yield

    def begin(self, name: str) -> None:
        """A run begins."""
        with self._lock:
            self._running.append(name)
            self._show()

    def end(self, name: str, text: str) -> None:
        """A run has ended; `text` says how."""
        with self._lock:
            self._running.remove(name)
            self._done += 1
            rest = f"; {self._left()}" if self._done < self._total else ""
            self._console.print(escape(f"{self._done}/{self._total} {name}: {text}{rest}"), soft_wrap=True)
            self._bar.advance(self._task)
            self._show()

    def _left(self) -> str:
        seconds = (time.perf_counter() - self._start) / self._done * (self._total - self._done)
        return f"about {datetime.timedelta(seconds=round(seconds))} left"

    def _show(self) -> None:
        left = f"{self._left()}; " if self._done else ""
        self._bar.update(self._task, description=escape(left + ", ".join(self._running)))
