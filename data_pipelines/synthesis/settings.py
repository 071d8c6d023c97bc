"""What a synthetic log is drawn from."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Mapping

import numpy as np

from tf_gradcraft.suggestions import unknown_name

BASE_RATES = {"click": 0.40, "long_view": 0.25, "like": 0.03, "follow": 0.01}
DAYS = 14
MATCHES, QUALITIES = 4, 2
"""Latent directions: in which user and video match, and of the video alone (catchiness, substance)."""

DEFAULT_WEIGHTS = {
    "click": (1.0, 1.0, 1.0, 1.0, 0.8, 0.45),
    "long_view": (1.0, 1.0, -1.0, 1.0, 0.45, 0.8),
    "like": (1.0, -1.0, 1.0, -1.0, -0.35, 0.8),
    "follow": (-1.0, -1.0, 1.0, 1.0, -0.5, 0.5),
}
"""The weights of the four tasks of the default log: they want different, partly opposite things of the same directions,
and clickbait is clicked but not liked."""
STRENGTH = 2.1
"""Length of a task's weights when only the angles are chosen."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class LogSettings:
    r"""What a synthetic log is drawn from. Equal settings: equal log, however it is cut into files.

    Args:
        rows: Number of impressions.
        seed: Seed of everything.
        users: Number of users; by default one for 30 rows, a million at most.
        videos: Number of videos; by default one for 60 rows, 200,000 at most.
        base_rates: Mean probability by task, in (0, 1). Its names are the tasks.
        cosines: For pairs of tasks the cosine between their true weights $w_t$, see `Truth`; 0 for pairs that are not
            named. None: the default weights of the default tasks; right angles between others.
        norm_ratios: By task the norm of $E[(p_t - r_t) x]$ over that of the first task: how large the task's gradient
            is where training starts, see `Truth`. Tasks that are not named have weights of equal length.
        delays: By task the mean delay in seconds (exponential) from impression to feedback. The log holds what had
            happened when its last day ended.
        session_length: Mean number of impressions a session, at least 1.

    Raises:
        ValueError: If a number is out of range, a task is not known, or no weights can have such angles.

    Example:
        >>> settings = LogSettings(base_rates={"view": 0.5, "buy": 0.01}, cosines={("view", "buy"): -0.5})
        >>> settings.tasks, settings.cosine_matrix().tolist()
        (('view', 'buy'), [[1.0, -0.5], [-0.5, 1.0]])
    """

    rows: int = 60_000
    seed: int = 0
    users: int | None = None
    videos: int | None = None
    base_rates: Mapping[str, float] = dataclasses.field(default_factory=lambda: dict(BASE_RATES))
    cosines: Mapping[tuple[str, str], float] | None = None
    norm_ratios: Mapping[str, float] = dataclasses.field(default_factory=dict)
    delays: Mapping[str, float] = dataclasses.field(default_factory=dict)
    session_length: float = 5.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "users", self.users or min(max(2, self.rows // 30), 1_000_000))
        object.__setattr__(self, "videos", self.videos or min(max(2, self.rows // 60), 200_000))
        rates = dict(self.base_rates)
        if min(self.rows, self.users or 0, self.videos or 0) < 1 or not all(0 < rate < 1 for rate in rates.values()):
            raise ValueError(
                f"rows, users and videos must be positive and base rates in (0, 1), got rows={self.rows}, "
                f"users={self.users}, videos={self.videos}, {rates=}"
            )
        if not rates:
            raise ValueError("a log needs at least one task: name it in base_rates")
        pairs = itertools.chain.from_iterable(self.cosines or {})
        for name in (*pairs, *self.norm_ratios, *self.delays):
            if name not in rates:
                raise ValueError(unknown_name("task", name, tuple(rates)))
        for argument in ("norm_ratios", "delays"):
            for name, value in getattr(self, argument).items():
                if not (value > 0 and math.isfinite(value)):
                    raise ValueError(f"{argument} must be positive, got {value} for {name!r}")
        if not self.session_length >= 1:
            raise ValueError(f"session_length must be at least 1, got {self.session_length}")
        self.cosine_matrix()

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the tasks, in order."""
        return tuple(self.base_rates)

    @property
    def directions(self) -> int:
        """Number of latent directions: six, or as many as tasks."""
        return max(MATCHES + QUALITIES, len(self.base_rates))

    def cosine_matrix(self) -> np.ndarray:
        """Returns the cosines between the tasks' weights [T, T].

        Raises:
            ValueError: If no vectors have such cosines.
        """
        if self.cosines is None and set(self.tasks) <= set(DEFAULT_WEIGHTS):
            weights = np.array([DEFAULT_WEIGHTS[task] for task in self.tasks])
            weights /= np.linalg.norm(weights, axis=1, keepdims=True)
            return weights @ weights.T
        matrix = np.eye(len(self.tasks))
        for (one, other), cosine in (self.cosines or {}).items():
            if one == other or not -1 <= cosine <= 1:
                raise ValueError(f"a cosine is from -1 to 1 and between two tasks, got {cosine} for {one!r}, {other!r}")
            at = self.tasks.index(one), self.tasks.index(other)
            matrix[at] = matrix[at[::-1]] = cosine
        if (lowest := np.linalg.eigvalsh(matrix)[0]) < -1e-9:
            raise ValueError(
                f"no weights have these cosines: their matrix has the negative eigenvalue {lowest:.3g}; "
                f"{len(self.tasks)} tasks that all oppose each other alike do so by {-1 / (len(self.tasks) - 1):.3g}"
            )
        return matrix

    def unit_weights(self) -> np.ndarray:
        """Returns a unit vector a task [T, directions] whose cosines are those of `cosine_matrix`."""
        if self.cosines is None and set(self.tasks) <= set(DEFAULT_WEIGHTS):
            weights = np.array([DEFAULT_WEIGHTS[task] for task in self.tasks])
            return weights / np.linalg.norm(weights, axis=1, keepdims=True)
        values, vectors = np.linalg.eigh(self.cosine_matrix())
        root = vectors * np.sqrt(np.maximum(values, 0))
        # Turned at random, so that every direction takes part.
        random = np.random.default_rng([self.seed, 2])
        turn = np.linalg.qr(random.normal(size=(self.directions, self.directions)))[0]
        return root @ turn[: len(self.tasks)]
