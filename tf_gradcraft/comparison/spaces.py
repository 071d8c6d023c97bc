"""Where a search looks: hyper-parameters of each method, and learning rate and dropout for all alike."""

from __future__ import annotations

import dataclasses
import math
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from tf_gradcraft.comparison.method import FIXED, Method

TENTHS = tuple(round(0.1 * tenth, 1) for tenth in range(11))
TARGET = "a task"

SPACES: dict[str, dict[str, Any]] = {
    "gradcraft": {"tau": TENTHS, "epsilon": (1e-10, 1e-9, 1e-8)},
    "metabalance": {"relax_factor": TENTHS[1:], "strategy": ("A", "B", "C"), "target": TARGET},
    "uw": {"learning_rate": (1e-4, 1e-3, 1e-2)},
    "dwa": {"temperature": (0.5, 1.0, 2.0, 5.0)},
    "pcgrad": {"reduction": ("sum", "mean")},
    "pcgrad_plus": {"tau": TENTHS},
    "gradvac": {"beta": (1e-3, 1e-2, 1e-1, 0.5)},
    "mgda": {"normalization": ("none", "l2", "loss", "loss+")},
    "cagrad": {"c": TENTHS[1:10], "rescale": ("none", "linear", "square")},
    "imtl": {"learning_rate": (1e-4, 1e-3, 1e-2)},
    "imtl_l": {"learning_rate": (1e-4, 1e-3, 1e-2)},
    "aligned_mtl": {"scale": ("min", "median", "rmse"), "reduction": ("mean", "sum")},
    "fairgrad": {"alpha": (0.5, 1.0, 2.0, 5.0)},
    "famo": {"learning_rate": (0.0025, 0.01, 0.025, 0.1), "weight_decay": (1e-4, 1e-3, 1e-2)},
    "gradnorm": {"alpha": (0.0, 0.5, 1.0, 1.5)},
}
"""Values of the hyper-parameters, from the papers where they name them; other methods have none to search."""

WEIGHT_RANGE = (0.1, 10.0)
"""Fixed weights are drawn log-uniformly from here, then divided by their mean."""

LEARNING_RATE_FACTOR = 2.0
"""A search looks for learning rates from the given one divided by this to the given one times this."""

DROPOUT_STEP = 0.1
"""A search looks for a dropout this much above and below the given one."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trial:
    """Settings of one training: learning rate, dropout, and all hyper-parameters of the method that are not default."""

    learning_rate: float
    dropout: float
    settings: dict[str, Any]


def draw_trials(
    method: Method, trials: int, seed: int, learning_rate: float, dropout: float, search_training: bool = True
) -> tuple[Trial, ...]:
    """Returns the settings that a method is tried with, at least one: the first are its defaults as they are.

    All methods get the same learning rate and dropout in the same trial, and methods of one name the same
    hyper-parameters as far as these are not pinned, so that neither is luck.

    Args:
        method: The method.
        trials: How many settings; 0 for the defaults alone, without a search.
        seed: Seed of the draws.
        learning_rate: Learning rate of the first trial.
        dropout: Dropout of the first trial.
        search_training: Search learning rate and dropout for every method. Else only for those that have too few
            settings of their own to search.

    Example:
        >>> method = Method(label="sum", balancing="sum", tasks=("click", "like"))
        >>> trials = draw_trials(method, 3, seed=0, learning_rate=1e-3, dropout=0.5)
        >>> len(trials), trials[0]
        (3, Trial(learning_rate=0.001, dropout=0.5, settings={}))
    """
    space = space_of(method)
    search_training = search_training or size(method, space) < trials
    chosen = [Trial(learning_rate=learning_rate, dropout=dropout, settings=dict(method.settings))]
    own = np.random.default_rng([seed, zlib.crc32(method.balancing.encode())])
    common = np.random.default_rng(seed)
    while len(chosen) < trials:
        rate, share = learning_rate, dropout
        if search_training:
            rate = float(f"{learning_rate * LEARNING_RATE_FACTOR ** common.uniform(-1, 1):.3g}")
            low, high = max(0.0, dropout - DROPOUT_STEP), min(0.9, dropout + DROPOUT_STEP)
            share = round(float(common.uniform(low, high)), 3)
        trial = Trial(learning_rate=rate, dropout=share, settings=_draw(method, space, own))
        # Learning rates hardly repeat; a setting of a small grid does, and is then drawn again.
        if trial not in chosen:
            chosen.append(trial)
    return tuple(chosen)


def space_of(method: Method) -> dict[str, Sequence[Any]]:
    """Returns the values that each searched hyper-parameter of a method may take, without those that are pinned."""
    space = {name: values for name, values in SPACES.get(method.balancing, {}).items() if name not in method.settings}
    return {name: method.tasks if values == TARGET else values for name, values in space.items()}


def size(method: Method, space: dict[str, Sequence[Any]]) -> float:
    """Returns how many settings a space has: 0 without hyper-parameters, infinity for fixed weights."""
    if method.balancing == FIXED and "weights" not in method.settings:
        return math.inf
    return math.prod(len(values) for values in space.values()) if space else 0


def _draw(method: Method, space: dict[str, Sequence[Any]], random: np.random.Generator) -> dict[str, Any]:
    drawn = {name: values[int(random.integers(len(values)))] for name, values in space.items()}
    if method.balancing == FIXED and "weights" not in method.settings:
        low, high = map(math.log, WEIGHT_RANGE)
        weights = np.exp(random.uniform(low, high, len(method.tasks)))
        drawn["weights"] = dict(zip(method.tasks, (weights / weights.mean()).round(4).tolist(), strict=True))
    return {**method.settings, **drawn}
