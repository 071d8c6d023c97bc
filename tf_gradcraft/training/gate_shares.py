"""Which shares gates gave to experts in a forward pass, for those who watch a training."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import tensorflow as tf

# Replicas of `tf.distribute` trace their steps in threads of their own.
_forward_pass = threading.local()


class Shares(NamedTuple):
    """What one gate gave in a forward pass.

    Attributes:
        gate: The layer.
        shares: Shares [E, B] of E experts for the rows of the batch.
    """

    gate: Any
    shares: tf.Tensor


def observe_shares(gate: Any, shares: tf.Tensor) -> None:
    """Shows the shares of a gate to whoever records them; call it in the gate's forward pass. Does nothing else.

    The gates of `tf_gradcraft.models` do so. A gate of your own is seen by `tf_gradcraft.callbacks.GradientMonitor` if
    it does, too.

    Args:
        gate: The layer.
        shares: Shares [E, B] of its E experts for the rows of the batch; they sum to 1 over the experts.

    Example:
        >>> with recording_shares() as seen:
        ...     observe_shares("my gate", tf.constant([[0.25], [0.75]]))
        >>> seen[0].gate, seen[0].shares.numpy().tolist()
        ('my gate', [[0.25], [0.75]])
    """
    seen = getattr(_forward_pass, "seen", None)
    if seen is not None and all(gate is not other.gate for other in seen):
        seen.append(Shares(gate, shares))


@contextmanager
def recording_shares() -> Iterator[list[Shares]]:
    """Records the gates of the forward pass in this block, each once, in the order in which they are called."""
    outer = getattr(_forward_pass, "seen", None)
    seen: list[Shares] = []
    _forward_pass.seen = seen
    try:
        yield seen
    finally:
        _forward_pass.seen = outer


def share_means(seen: Sequence[Shares]) -> tf.Tensor:
    r"""Returns for each gate the mean shares of its experts and its mean normalised entropy, one after the other.

    The entropy of a row is $-\sum_e p_e \ln p_e / \ln E$: 1 where all experts count alike, 0 where one counts alone.

    Returns:
        float32 [sum of (E + 1)]; empty without gates.

    Example:
        >>> share_means([Shares("a", tf.constant([[1.0, 0.5], [0.0, 0.5]]))]).numpy().tolist()
        [0.75, 0.25, 0.5]
    """
    means = []
    for _, shares in seen:
        shares = tf.cast(shares, tf.float32)
        experts = shares.shape[0]
        entropy = -tf.reduce_sum(tf.math.xlogy(shares, shares), axis=0)
        if experts > 1:
            entropy /= tf.math.log(float(experts))
        means += [tf.reduce_mean(shares, axis=1), tf.reduce_mean(entropy)[tf.newaxis]]
    return tf.concat(means, axis=0) if means else tf.zeros([0])


def describe_gates(model: Any, seen: Sequence[Shares]) -> list[dict[str, Any]]:
    """Returns name and number of experts of each gate, and its task where a layer holds a list of one gate a task.

    Args:
        model: The model that the gates are in.
        seen: What `recording_shares` gave.

    Returns:
        For each gate `{"name": path, "experts": E, "task": name or None}`.
    """
    tasks = list(getattr(model, "output_names", None) or [])
    of_tasks: dict[int, str] = {}
    for layer in model._flatten_layers():
        gates = getattr(layer, "gates", None)
        if isinstance(gates, list | tuple) and len(gates) == len(tasks):
            of_tasks |= {id(gate): task for gate, task in zip(gates, tasks, strict=True)}
    return [
        {
            "name": str(getattr(gate, "path", None) or getattr(gate, "name", type(gate).__name__)),
            "experts": int(shares.shape[0]),
            "task": of_tasks.get(id(gate)),
        }
        for gate, shares in seen
    ]
