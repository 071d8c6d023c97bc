"""Users and videos of a synthetic log."""

from __future__ import annotations

import dataclasses

import numpy as np

from tf_gradcraft.data_pipelines.synthesis.settings import QUALITIES, LogSettings

AGE_BANDS = np.array(["under 18", "18-24", "25-34", "35-49", "50 and over"])
CATEGORIES = np.array([f"category {number}" for number in range(12)])
SKEW = 1.5
"""A user or video is number floor(n r^SKEW) of n, r uniform: few have many impressions."""


@dataclasses.dataclass(frozen=True)
class World:
    """Users and videos.

    Args:
        users: Columns of the table of users.
        videos: Columns of the table of videos.
        tastes: For each user and matching direction +1 or -1, float32 [U, D - 2].
        moods: For each user and task what is added to the log-odds, float32 [U, T].
        traits: Latent factors of the videos, float32 [V, D].
    """

    users: dict[str, np.ndarray]
    videos: dict[str, np.ndarray]
    tastes: np.ndarray
    moods: np.ndarray
    traits: np.ndarray

    def latent(self, who: np.ndarray, what: np.ndarray) -> np.ndarray:
        """Returns the latent directions x of user-video pairs [n, D]: mean 0 and covariance I over the impressions.

        In the first D - 2 directions the video's factor counts with the sign of the user's taste, in the last two (the
        video's catchiness and substance) it is the same for all users.
        """
        latent = self.traits[what]
        latent[:, :-QUALITIES] *= self.tastes[who]
        return latent


def draw_world(settings: LogSettings) -> World:
    """Draws users and videos.

    Half of a taste or factor shows in the age band, the category or the author; half is the user's or video's own.
    """
    random = np.random.default_rng([settings.seed, 0])
    users, videos = int(settings.users or 0), int(settings.videos or 0)
    matches = settings.directions - QUALITIES
    age, region = random.integers(0, len(AGE_BANDS), users), random.integers(0, 20, users)
    category = random.integers(0, len(CATEGORIES), videos)
    author = random.integers(0, max(1, videos // 3), videos)
    tastes = np.sign(random.normal(size=(len(AGE_BANDS), matches))[age] + random.normal(size=(users, matches)))
    traits = random.normal(size=(len(CATEGORIES), matches))[category] + random.normal(size=(videos, matches))
    quality = 0.8 * random.normal(size=(videos, QUALITIES))[author] + 0.6 * random.normal(size=(videos, QUALITIES))
    return World(
        users={
            "user_id": np.arange(users) + 1,
            "age_band": AGE_BANDS[age],
            "region": region,
            "account_days": random.integers(1, 2000, users),
        },
        videos={
            "video_id": np.arange(videos) + 1,
            "author_id": author + 1,
            "category": CATEGORIES[category],
            "duration_s": np.round(np.exp(random.normal(3.3, 0.7, videos)), 1),
        },
        tastes=tastes.astype(np.float32),
        moods=(0.6 * random.normal(size=(users, len(settings.tasks)))).astype(np.float32),
        traits=whiten(np.concatenate([traits, quality], axis=1), popularity(videos)).astype(np.float32),
    )


def popularity(count: int) -> np.ndarray:
    """Returns the probabilities [n] with which users or videos are drawn.

    Example:
        >>> popularity(3).round(3).tolist()
        [0.481, 0.282, 0.237]
    """
    return np.diff((np.arange(count + 1) / count) ** (1 / SKEW))


def draw_numbers(random: np.random.Generator, count: int, size: int) -> np.ndarray:
    """Draws numbers [size] of users or videos, with the probabilities of `popularity`."""
    return np.minimum((count * random.random(size) ** SKEW).astype(np.int64), count - 1)


def whiten(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Returns values [n, D] moved and stretched such that they have mean 0 and covariance I under weights [n].

    Directions in which few values do not differ stay as small as they are.

    Example:
        >>> values = whiten(np.array([[0.0], [1.0], [5.0]]), np.array([0.5, 0.25, 0.25]))
        >>> round(float(np.average(values[:, 0] ** 2, weights=[0.5, 0.25, 0.25])), 6)
        1.0
    """
    centred = values - np.average(values, axis=0, weights=weights)
    variances, directions = np.linalg.eigh((centred * weights[:, np.newaxis]).T @ centred)
    scale = np.where(variances > 1e-6, 1 / np.sqrt(np.maximum(variances, 1e-6)), 1.0)
    return centred @ (directions * scale) @ directions.T
