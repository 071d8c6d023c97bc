"""Where output goes: results to stdout, progress and errors to stderr."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.status import Status

results = Console(highlight=False)
errors = Console(stderr=True, highlight=False)


class Steps:
    """Says what is going on: on a terminal a spinner, then a line with the seconds; elsewhere a line at the start.

    Example:
        >>> with Steps(Console(highlight=False)) as step:
        ...     step("reading log.csv")
        reading log.csv
    """

    def __init__(self, console: Console = errors) -> None:
        self._console = console
        self._status: Status | None = None
        self._text, self._start = "", 0.0

    def __call__(self, text: str) -> None:
        """Ends the step before, if any, and begins another one."""
        self._finish()
        self._text, self._start = text, time.perf_counter()
        if not self._console.is_terminal:
            self._console.print(escape(text), soft_wrap=True)
            return
        self._status = self._console.status(escape(text))
        self._status.start()

    def __enter__(self) -> Steps:
        """Returns itself."""
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Ends the last step."""
        self._finish(failed=error is not None)

    def _finish(self, failed: bool = False) -> None:
        if self._status is None:
            return
        self._status.stop()
        self._status = None
        sign = "[red]✗[/red]" if failed else "[green]✓[/green]"
        self._console.print(f"{sign} {escape(self._text)} [dim]{time.perf_counter() - self._start:.1f} s[/dim]")
