"""Real processes: a chief and two workers, one of which is killed; a search that is killed and gone on with."""

import itertools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from small_search import Free

from tf_gradcraft.tuning import TaskObjective, make_tuner, search_in_processes
from tf_gradcraft.tuning.trials import read_trials

HERE = Path(__file__).parent
GRID = list(itertools.product([1, 2, 3], [10, 20]))
PATIENCE = 300
"""Seconds after which a test gives up waiting for a process; it does not wait for them."""


def member(tmp_path):
    return [sys.executable, str(HERE / "search_member.py"), str(tmp_path / "search"), str(tmp_path / "record")]


def record(tmp_path, what):
    """Trials, and who ran them, that began or ended."""
    lines = [line.split() for line in (tmp_path / "record").read_text().splitlines()]
    return [((int(a), int(b)), who) for word, a, b, who in lines if word == what]


def values(trials):
    return sorted((trial.values["a"], trial.values["b"]) for trial in trials)


def test_a_chief_and_two_workers_run_each_trial_once_also_if_one_is_killed(tmp_path):
    (tmp_path / "record.kill").touch()
    search_in_processes(member(tmp_path), workers=2)
    trials = read_trials(tmp_path / "search")
    assert {trial.status for trial in trials} == {"COMPLETED"}
    assert values(trials) == GRID
    assert [trial.score for trial in trials] == [trial.values["a"] + trial.values["b"] / 100 for trial in trials]
    ended = record(tmp_path, "end")
    assert sorted(trial for trial, _ in ended) == GRID
    assert {who for _, who in record(tmp_path, "begin")} <= {"worker0", "worker1"}
    [killed] = [began for began in set(record(tmp_path, "begin")) if record(tmp_path, "begin").count(began) == 2]
    assert killed in ended  # the worker was given its trial again
    # What the workers left can be gone on with by one process, and there is nothing to do.
    space = Free()
    make_tuner("grid", space, tmp_path / "search", max_trials=6, objective=TaskObjective("val_score")).search()
    assert space.ran == []


def test_a_killed_search_goes_on_with_the_trial_it_was_at(tmp_path):
    (tmp_path / "record.slow").touch()
    environment = {name: of for name, of in os.environ.items() if not name.startswith("KERASTUNER")}
    process = subprocess.Popen(member(tmp_path), env=environment)
    until = time.monotonic() + PATIENCE
    while not (tmp_path / "record").is_file() or len(record(tmp_path, "begin")) < 2:
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert [trial.status for trial in read_trials(tmp_path / "search")] == ["COMPLETED", "RUNNING"]
    space = Free()
    make_tuner("grid", space, tmp_path / "search", max_trials=6, objective=TaskObjective("val_score")).search()
    assert space.ran[0] == record(tmp_path, "begin")[1][0]
    assert sorted([*space.ran, *(trial for trial, _ in record(tmp_path, "end"))]) == GRID
    assert values(read_trials(tmp_path / "search")) == GRID


MEMBERS = """
import os, pathlib, signal, sys, time
who, record = os.environ["KERASTUNER_TUNER_ID"], pathlib.Path(sys.argv[1])
assert os.environ["KERASTUNER_ORACLE_IP"] == "127.0.0.1" and int(os.environ["KERASTUNER_ORACLE_PORT"]) > 1024
with record.open("a") as file:
    file.write(f"{who} {os.getpid()}\\n")
"""


def pids(path):
    return [int(line.split()[1]) for line in path.read_text().splitlines()]


def is_there(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"


@pytest.mark.parametrize(
    ("code", "message", "starts"),
    [
        ("sys.exit(0) if who != 'chief' else time.sleep(600)", None, 3),
        ("sys.exit(2) if who == 'worker1' else time.sleep(600)", "worker1 of the search ended with code 2, see", 3),
        ("sys.exit(2) if who == 'chief' else time.sleep(600)", "the chief of the search ended with code 2", 3),
        (
            "os.kill(os.getpid(), signal.SIGKILL) if who == 'worker0' else time.sleep(600)",
            "worker0 of the search ended with code -9",
            5,
        ),
    ],
)
def test_processes_are_waited_for_started_again_and_never_left_behind(code, message, starts, tmp_path):
    command = [sys.executable, "-c", MEMBERS + code, str(tmp_path / "record")]
    if message is None:
        search_in_processes(command, workers=2)
    else:
        with pytest.raises(ValueError, match=message):
            search_in_processes(command, workers=2)
    started = pids(tmp_path / "record")
    assert len(started) <= starts
    assert not any(is_there(pid) for pid in started)


def test_workers_end_with_a_parent_that_is_killed(tmp_path):
    member = MEMBERS + "from tf_gradcraft.tuning.processes import end_with_parent\nend_with_parent(); time.sleep(600)"
    parent = (
        "import sys; from tf_gradcraft.tuning.processes import search_in_processes;"
        f"search_in_processes([sys.executable, '-c', {member!r}, {str(tmp_path / 'record')!r}], 2)"
    )
    process = subprocess.Popen([sys.executable, "-c", parent])
    until = time.monotonic() + PATIENCE
    while not (tmp_path / "record").is_file() or len(pids(tmp_path / "record")) < 3:
        assert time.monotonic() < until
        time.sleep(0.05)
    process.kill()
    process.wait()
    while any(is_there(pid) for pid in pids(tmp_path / "record")):
        assert time.monotonic() < until
        time.sleep(0.05)


def test_no_worker_is_refused():
    with pytest.raises(ValueError, match="workers must be at least 1, got 0"):
        search_in_processes([sys.executable], workers=0)
