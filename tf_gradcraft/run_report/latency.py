"""What a request costs on this machine: the exported model in TensorFlow's C runtime."""

from __future__ import annotations

import dataclasses
import os
import platform
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from tf_gradcraft import serving
from tf_gradcraft.data_pipelines.schema import Schema
from tf_gradcraft.reporting import paragraph, table
from tf_gradcraft.serving.checking import random_rows
from tf_gradcraft.serving.ranking import Rank
from tf_gradcraft.serving.runtime import Runtime, library_folder
from tf_gradcraft.serving.warmup import rank_inputs

ROWS = (1, 100, 1000)
CANDIDATES = (100, 1000)
WARM_UP = 5


@dataclasses.dataclass(frozen=True)
class Timing:
    """How long requests of one size took.

    Args:
        signature: Name of the signature.
        rows: Rows, or candidates, a request.
        milliseconds: Time of each request, by rising time.
    """

    signature: str
    rows: int
    milliseconds: tuple[float, ...]

    def percentile(self, percent: float) -> float:
        """Returns a percentile of the times.

        Example:
            >>> Timing("rank", 1, (1.0, 2.0, 3.0)).percentile(50)
            2.0
        """
        return float(np.percentile(self.milliseconds, percent))


def measure_latency(model: Any, rounds: int = 40, seed: int = 0) -> tuple[list[Timing], float, int]:
    """Exports a model into a temporary folder and times requests to it.

    The export runs in a process with TensorFlow's C runtime, as a model server does; a time is that of the session's
    run alone, without network, and without reading the request. Sizes take turns.

    Args:
        model: A model built from a schema.
        rounds: Requests of each size, after a few that warm up.
        seed: Seed of the requests, random rows of known and unknown ids.

    Returns:
        The timings, the seconds that loading took, and the bytes of the export.

    Raises:
        FileNotFoundError: If the installed TensorFlow has no C library.
    """
    library_folder()
    schema: Schema = model.schema
    random = np.random.default_rng(seed)
    ranked = any(feature.side == "candidate" for feature in schema.features)
    requests = [("serving_default", rows, random_rows(schema, rows, random)) for rows in ROWS]
    if ranked:
        requests += [
            ("rank", rows, rank_inputs(random_rows(schema, rows, random), schema, Rank())) for rows in CANDIDATES
        ]
    taken: list[list[float]] = [[] for _ in requests]
    with tempfile.TemporaryDirectory() as folder:
        export = serving.export(model, Path(folder) / "model", signatures=[Rank()] if ranked else [])
        size = sum(file.stat().st_size for file in export.rglob("*") if file.is_file())
        with Runtime() as runtime:
            loaded = runtime.load(export)
            for number in range(rounds + WARM_UP):
                for at, (signature, _, inputs) in enumerate(requests):
                    seconds = loaded.timed_run(signature, inputs)[1][1]
                    if number >= WARM_UP:
                        taken[at].append(1000 * seconds)
    timings = [
        Timing(signature, rows, tuple(sorted(times)))
        for (signature, rows, _), times in zip(requests, taken, strict=True)
    ]
    return timings, loaded.seconds, size


def latency_blocks(timings: list[Timing], load_seconds: float, size: int) -> list[Markup]:
    """Returns the timings as a table, and what they were measured on."""
    rows = [
        [
            _request(of),
            f"{of.percentile(50):.2f}",
            f"{of.percentile(95):.2f}",
            f"{min(of.milliseconds):.2f}",
            len(of.milliseconds),
        ]
        for of in timings
    ]
    return [
        paragraph(
            f"Measured on {machine()}, with whatever else it was doing: the export ({size / 1e6:.1f} MB, loaded in "
            f"{load_seconds:.2f} s) in TensorFlow's C runtime, as a model server runs it. The time is that of the "
            "model alone: no network, no parsing of the request. A row carries raw ids and numbers; rank takes one "
            "user and many candidates."
        ),
        table("Time of a request in milliseconds", ["request", "p50", "p95", "fastest", "requests"], rows),
    ]


def _request(timing: Timing) -> str:
    what = "candidate" if timing.signature == "rank" else "row"
    return f"{timing.signature}, {timing.rows:,} {what}{'s' if timing.rows > 1 else ''}"


def machine() -> str:
    """Returns what this machine is: processor, cores, system.

    Example:
        >>> "cores" in machine()
        True
    """
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    name = next(filter(None, names), platform.processor() or platform.machine())
    return f"{name} ({os.cpu_count()} cores, {platform.system()})"
