"""A step's memory, by the benchmark's own measure, which reads TensorFlow's allocator, in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "step_time.py"
TASKS = 4
LARGE = 4_000_000
TABLE_MB = LARGE * 16 * 4 / 1e6
# What four tasks' gradients of all looked-up rows of a batch take.
ROWS_MB = TASKS * 2048 * 8 * 16 * 4 / 1e6


def peaks(mode):
    """Returns `{rows of the table: peak in MB above variables and slots}`."""
    options = ["--tasks", str(TASKS), "--rows", "50000", str(LARGE), "--modes", mode, "--steps", "2"]
    command = [sys.executable, str(BENCHMARK), "memory", *options]
    # One thread: which operations run side by side, and so hold memory at once, is else the machine's choice.
    threads = dict.fromkeys(("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), "1")
    result = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **threads})
    assert result.returncode == 0, result.stderr[-2000:]
    lines = [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]
    return {line["rows"]: line["peak"] for line in lines}


@pytest.mark.thorough
@pytest.mark.parametrize("mode", ["exact", "representation"])
@pytest.mark.quick("exact")
def test_the_peak_is_a_multiple_of_what_the_tasks_looked_up_whatever_the_size_of_the_table(mode):
    peak = peaks(mode)
    # Fewer ids stand twice in a batch when the table is larger, so a little more is needed.
    assert peak[LARGE] - peak[50_000] < TABLE_MB / 4
    assert 0 < peak[LARGE] < 24 * ROWS_MB
