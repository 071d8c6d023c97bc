"""Child processes that are measured, logged, and ended together."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

# Bytes on macOS, KiB elsewhere.
RSS_UNIT = 1 if sys.platform == "darwin" else 1024


class StoppedError(Exception):
    """No more processes are started, since the comparison was stopped."""


@dataclasses.dataclass(frozen=True)
class Ended:
    """How a process ended, and what it cost.

    Attributes:
        code: Exit code; negative: the signal.
        seconds: From start to end.
        cpu_seconds: Seconds of processors; unlike `seconds`, hardly touched by what else the machine does.
        peak_memory: The most memory it had, in bytes. Linux counts what the process that started it had at that moment,
            so that should be small: TensorFlow is not to be imported there before.
    """

    code: int
    seconds: float
    cpu_seconds: float
    peak_memory: int


class Processes:
    """Runs processes and waits for them, from any number of threads; `stop` ends all.

    Example:
        >>> import sys, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     ended = Processes().run([sys.executable, "-c", "print('hello')"], Path(folder) / "log")
        ...     print(ended.code, (Path(folder) / "log").read_text().splitlines()[-1])
        0 hello
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._live: set[subprocess.Popen[bytes]] = set()
        self._stopped = False

    def run(self, arguments: Sequence[str], log: Path, environment: Mapping[str, str] | None = None) -> Ended:
        """Runs a process to its end; what it writes is appended to a log, below a line with the command.

        Args:
            arguments: Program and arguments.
            log: The log.
            environment: Variables beside those of this process.

        Raises:
            StoppedError: If `stop` was called, before or meanwhile.
        """
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as file:
            file.write(f"$ {' '.join(arguments)}\n".encode())
            file.flush()
            with self._lock:
                if self._stopped:
                    raise StoppedError
                start = time.perf_counter()
                # A session of its own: Ctrl-C reaches this process alone, which then ends its children. The pipe tells
                # a child when this process is gone.
                process = subprocess.Popen(
                    arguments,
                    stdin=subprocess.PIPE,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, **(environment or {})},
                    start_new_session=True,
                )
                self._live.add(process)
            # wait4, as it alone tells the memory of this child.
            _, status, usage = os.wait4(process.pid, 0)
            with self._lock:
                self._live.discard(process)
                process.returncode = os.waitstatus_to_exitcode(status)
                stopped = self._stopped
            assert process.stdin is not None
            process.stdin.close()
        if stopped:
            raise StoppedError
        cpu_seconds = usage.ru_utime + usage.ru_stime
        return Ended(process.returncode, time.perf_counter() - start, cpu_seconds, usage.ru_maxrss * RSS_UNIT)

    def stop(self) -> None:
        """Starts no more processes, and ends those that run."""
        with self._lock:
            self._stopped = True
            for process in self._live:
                # Not `process.kill`, which may take the exit status that `run` waits for.
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
