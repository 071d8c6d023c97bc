"""One chief and several workers of KerasTuner on this machine."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence

RESTARTS = 2
"""How often a worker that was killed is started again, before the search is given up."""

_POLL_SECONDS = 0.2


def search_in_processes(command: Sequence[str], workers: int, environment: Mapping[str, str] | None = None) -> None:
    """Runs a search by one chief and several workers on loopback, KerasTuner's own way, and waits for them.

    Each is a process of the command, which makes a tuner over the same folder and calls its `search`; environment
    variables tell it who it is. What it prints is dropped, what it writes to stderr is shown. A worker that is killed
    is started again under its name, and the chief gives it the trial it was at. When all workers are done the chief,
    which has written everything by then, is ended. When this process ends, however it does, the others end, if they
    call `end_with_parent`.

    Args:
        command: Program and arguments.
        workers: Number of workers, at least 1.
        environment: Further environment variables, such as the number of threads.

    Raises:
        ValueError: If `workers` is below 1, or a process ends with an error. The search can be called again.
    """
    if workers < 1:
        raise ValueError(f"workers must be at least 1, got {workers}")
    address = {"KERASTUNER_ORACLE_IP": "127.0.0.1", "KERASTUNER_ORACLE_PORT": str(free_port())}
    variables = {**os.environ, **(environment or {}), **address}
    running: dict[str, subprocess.Popen] = {}
    restarts = dict.fromkeys((f"worker{at}" for at in range(workers)), 0)

    def start(name: str) -> None:
        # Its standard input is a pipe that nobody writes to: it is closed when this process ends. KerasTuner prints the
        # parents of conditional hyper-parameters whenever it hands over a trial.
        own = variables | {"KERASTUNER_TUNER_ID": name}
        running[name] = subprocess.Popen(list(command), env=own, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)

    try:
        for name in ("chief", *restarts):
            start(name)
        while restarts:
            time.sleep(_POLL_SECONDS)
            if running["chief"].poll():
                raise ValueError(f"the chief of the search {_ended(running['chief'])}")
            for name in list(restarts):
                code = running[name].poll()
                if code is None:
                    continue
                if code == 0:
                    del restarts[name]
                # One that ended by itself has said what is wrong, and would say it again.
                elif code > 0 or restarts[name] == RESTARTS:
                    raise ValueError(f"{name} of the search {_ended(running[name])}")
                else:
                    restarts[name] += 1
                    start(name)
    finally:
        for process in running.values():
            process.kill()
            process.wait()
            if process.stdin is not None:
                process.stdin.close()


def free_port() -> int:
    """Returns a port of loopback that nobody listens on.

    Example:
        >>> 1024 < free_port() < 65536
        True
    """
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return bound.getsockname()[1]


def end_with_parent() -> None:
    """Lets this process end at once when the one that started it does, as its standard input is closed then."""

    def wait() -> None:
        while os.read(0, 1):  # not sys.stdin, whose lock would be missed when Python shuts down
            pass
        os._exit(1)

    threading.Thread(target=wait, daemon=True, name="end_with_parent").start()


def _ended(process: subprocess.Popen) -> str:
    return f"ended with code {process.returncode}, see above; the same call goes on with the search"
