"""Impressions of a synthetic log, a block of rows at a time."""

from __future__ import annotations

import dataclasses

import numpy as np

from tf_gradcraft.data_pipelines.synthesis.settings import DAYS, LogSettings
from tf_gradcraft.data_pipelines.synthesis.world import World, draw_numbers

BLOCK = 65_536
"""Rows that are drawn together, from a seed of their own; files may be cut anywhere."""
SECONDS = DAYS * 86_400
SESSION_MOOD, FATIGUE, MOST_TIRED, GAP = 0.3, 0.05, 10, 20.0
"""Spread of a session's mood, loss of log-odds an impression and up to which one, mean seconds between two."""


@dataclasses.dataclass(frozen=True)
class Impressions:
    """Impressions in order of time, before the tasks' weights are known.

    Args:
        columns: Columns of the log, without labels.
        latent: Latent directions x, float32 [n, D].
        other: What else counts for the log-odds: moods of user and session, fatigue; float32 [n, T].
        uniform: For each task a number in [0, 1) that decides the label, float32 [n, T].
        delay: For each task the delay in multiples of its mean, float32 [n, T].
    """

    columns: dict[str, np.ndarray]
    latent: np.ndarray
    other: np.ndarray
    uniform: np.ndarray
    delay: np.ndarray


def number_of_blocks(settings: LogSettings) -> int:
    """Returns the number of blocks of a log."""
    return -(-settings.rows // BLOCK)


def draw_block(settings: LogSettings, world: World, number: int) -> Impressions:
    """Draws one block: it depends on the settings and its number alone.

    The blocks part the time of the log evenly. Sessions begin at any time of their block; a session has one user, a
    geometric number of impressions, and ends with its block.

    Args:
        settings: The settings.
        world: Users and videos.
        number: Number of the block, from 0.
    """
    random = np.random.default_rng([settings.seed, 1, number])
    tasks, rows = len(settings.tasks), min(BLOCK, settings.rows - number * BLOCK)
    ends = np.cumsum(random.geometric(1 / settings.session_length, rows))
    session = np.searchsorted(ends, np.arange(rows), side="right")
    sessions = session[-1] + 1
    position = np.arange(rows) - np.concatenate([[0], ends])[session]
    users = draw_numbers(random, len(world.tastes), sessions)
    begin = SECONDS * (number * BLOCK) // settings.rows
    end = SECONDS * (number * BLOCK + rows) // settings.rows
    # Seconds since the session began: a sum of gaps that starts anew at each session's first impression.
    gaps = np.cumsum(random.exponential(GAP, rows))
    since = gaps - gaps[np.arange(rows) - position]
    time = np.minimum(random.uniform(begin, max(end, begin + 1), sessions)[session] + since, max(end - 1, begin))
    mood = (SESSION_MOOD * random.normal(size=(sessions, tasks))).astype(np.float32)
    order = np.argsort(time, kind="stable")
    session, position = session[order], position[order]
    who, what = users[session], draw_numbers(random, len(world.traits), rows)
    seconds = time[order].astype(np.int64)
    tired = (FATIGUE * np.minimum(position, MOST_TIRED)).astype(np.float32)
    return Impressions(
        columns={
            "user_id": who + 1,
            "video_id": what + 1,
            "session_id": number * BLOCK + session + 1,
            "day": seconds // 86_400 + 1,
            "hour": seconds // 3600 % 24,
            "time_s": seconds,
        },
        latent=world.latent(who, what),
        other=world.moods[who] + mood[session] - tired[:, np.newaxis],
        uniform=random.random((rows, tasks), dtype=np.float32),
        delay=random.standard_exponential((rows, tasks), dtype=np.float32),
    )
