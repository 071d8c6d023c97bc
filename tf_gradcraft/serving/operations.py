"""Configuration files of TensorFlow Serving: which models, how requests are batched, what is monitored."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

MONITORING = 'prometheus_config { enable: true path: "/monitoring/prometheus/metrics" }\n'
"""Content of `--monitoring_config_file`: Prometheus reads the server's REST port."""


def models_config(models: Mapping[str, str], versions: Mapping[str, Sequence[int]] | None = None) -> str:
    """Returns the content of a `--model_config_file`.

    Args:
        models: `{name of the model: directory of its versions}`, as the server sees it.
        versions: For a model the versions to serve, such as the last good one for a roll-back; the latest by default.

    Raises:
        ValueError: If a name is not fit for a URL, a version is not positive or belongs to no model.

    Example:
        >>> print(models_config({"ranker": "/models/ranker"}, versions={"ranker": [3]}), end="")
        model_config_list {
          config {
            name: "ranker"
            base_path: "/models/ranker"
            model_platform: "tensorflow"
            model_version_policy { specific { versions: 3 } }
          }
        }
    """
    versions = versions or {}
    if unknown := sorted(set(versions) - set(models)):
        raise ValueError(f"versions are given for {', '.join(unknown)}, but no such model is")
    entries = []
    for name, path in models.items():
        if not re.fullmatch(r"[A-Za-z0-9_.-]+", name):
            raise ValueError(f"{name!r} is no name for a model: take letters, digits, '_', '-' and '.'")
        lines = [f"name: {json.dumps(name)}", f"base_path: {json.dumps(path)}", 'model_platform: "tensorflow"']
        if chosen := versions.get(name):
            if any(not isinstance(version, int) or version < 1 for version in chosen):
                raise ValueError(f"versions of {name!r} must be integers of at least 1, got {list(chosen)}")
            policy = " ".join(f"versions: {version}" for version in chosen)
            lines.append(f"model_version_policy {{ specific {{ {policy} }} }}")
        entries.append("  config {\n" + "".join(f"    {line}\n" for line in lines) + "  }\n")
    return "model_config_list {\n" + "".join(entries) + "}\n"


def batching_config(
    max_batch_size: int = 256, timeout_micros: int = 1000, threads: int = 2, max_enqueued_batches: int = 100
) -> str:
    """Returns the content of a `--batching_parameters_file`, for a server with `--enable_batching`.

    Batched `rank` requests need equal numbers of candidates; the server pads the shorter ones, and `num_candidates`
    of each request says which are real.

    Args:
        max_batch_size: Most rows (`serving_default`) or requests (`rank`) that are run together.
        timeout_micros: How long a request waits for others, in microseconds.
        threads: Batches that run at the same time; the number of cores.
        max_enqueued_batches: Batches that may wait; a server that has more refuses requests at once (UNAVAILABLE), so
            that its queue does not grow without end.

    Raises:
        ValueError: If a number is out of range.

    Example:
        >>> batching_config(max_batch_size=64).splitlines()[0]
        'max_batch_size { value: 64 }'
    """
    values = {
        "max_batch_size": max_batch_size,
        "batch_timeout_micros": timeout_micros,
        "num_batch_threads": threads,
        "max_enqueued_batches": max_enqueued_batches,
    }
    for name, value in values.items():
        least = 0 if name == "batch_timeout_micros" else 1
        if value < least:
            raise ValueError(f"{name} must be at least {least}, got {value}")
    lines = [f"{name} {{ value: {value} }}\n" for name, value in values.items()]
    return "".join(lines) + "pad_variable_length_inputs: true\n"
