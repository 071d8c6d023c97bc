"""The true probabilities of a synthetic log, with chosen angles and sizes of the tasks' gradients."""

from __future__ import annotations

import dataclasses

import numpy as np

from tf_gradcraft.data_pipelines.synthesis.impressions import (
    SECONDS,
    Impressions,
    draw_block,
    number_of_blocks,
)
from tf_gradcraft.data_pipelines.synthesis.settings import STRENGTH, LogSettings
from tf_gradcraft.data_pipelines.synthesis.world import World

CALIBRATION_BLOCKS = 4
"""Blocks on which base rates and norms are set: a log of up to 262,144 rows is calibrated on all its rows."""
NORM_ROWS = 32_768
STRONGEST = 30.0


@dataclasses.dataclass(frozen=True)
class Truth:
    r"""The true model: $p_t = \sigma(b_t + w_t \cdot x + m_t)$.

    x are the latent directions of user and video (mean 0, covariance I over the impressions), m the moods of user and
    session and the fatigue, $b_t$ such that the mean of $p_t$ is the base rate $r_t$.

    What is controlled. The cosine between $w_s$ and $w_t$ is the chosen one, exactly; it is also the correlation of the
    matches $w_s \cdot x$ and $w_t \cdot x$ over impressions. A model that has found x and starts from the base rates,
    $\hat p_t = \sigma(\mathrm{logit}\, r_t + \theta \cdot x)$ with shared $\theta = 0$, has the gradient
    $g_t = -E[(p_t - r_t) x]$ of the mean log loss of task t. Were x normal, $g_t$ would be parallel to $-w_t$, so that
    the gradients had these cosines too; x is normal but for what categories and authors share, and the cosines between
    gradients differ from the chosen ones by a few hundredths. The ratio of norms is that of $|g_t|$. Real models
    must find x first, and their gradients turn while they learn.

    Args:
        weights: float64 [T, D].
        intercepts: float64 [T].
    """

    weights: np.ndarray
    intercepts: np.ndarray

    def probabilities(self, impressions: Impressions) -> np.ndarray:
        """Returns the true probabilities of impressions, float64 [n, T]."""
        return sigmoid(impressions.latent @ self.weights.T + impressions.other + self.intercepts)


def find_truth(settings: LogSettings, world: World) -> Truth:
    """Sets lengths of the weights and intercepts on the first rows of the log.

    Raises:
        ValueError: If a norm ratio is out of reach: a rare task's gradient can't be as large as a common one's.
    """
    blocks = [draw_block(settings, world, n) for n in range(min(CALIBRATION_BLOCKS, number_of_blocks(settings)))]
    latent = np.concatenate([block.latent for block in blocks])
    other = np.concatenate([block.other for block in blocks])
    rates = np.array(list(settings.base_rates.values()))
    units = settings.unit_weights()
    strengths = np.full(len(rates), STRENGTH)
    few = slice(None, None, max(1, len(latent) // NORM_ROWS))
    for at, task in enumerate(settings.tasks):
        if task in settings.norm_ratios and at:
            first = gradient_norm(latent[few], other[few, 0], strengths[0] * units[0], rates[0])
            strengths[at] = _strength(
                task, latent[few], other[few, at], units[at], rates[at], settings.norm_ratios[task] * first, first
            )
    weights = units * strengths[:, np.newaxis]
    log_odds = latent @ weights.T + other
    return Truth(weights, np.array([intercept(log_odds[:, t], rate) for t, rate in enumerate(rates)]))


def _strength(
    task: str, latent: np.ndarray, other: np.ndarray, unit: np.ndarray, rate: float, wanted: float, first: float
) -> float:
    """Returns the length of weights with which the norm of a task's gradient is the wanted one."""
    most = gradient_norm(latent, other, STRONGEST * unit, rate)
    if wanted > most:
        raise ValueError(
            f"norm_ratios: the gradient of {task!r} can't be {wanted / first:.3g} times that of the first task: with a "
            f"base rate of {rate} it is {most / first:.3g} times at most; raise its base rate, or take a smaller ratio"
        )
    low, high = 0.0, STRONGEST
    for _ in range(30):
        middle = (low + high) / 2
        smaller = gradient_norm(latent, other, middle * unit, rate) < wanted
        low, high = (middle, high) if smaller else (low, middle)
    return high


def gradient_norm(latent: np.ndarray, other: np.ndarray, weights: np.ndarray, rate: float) -> float:
    """Returns the norm of E[(p - r) x] of one task.

    Args:
        latent: x [n, D].
        other: What else counts for the log-odds [n].
        weights: [D].
        rate: The base rate r.
    """
    log_odds = latent @ weights + other
    probabilities = sigmoid(log_odds + intercept(log_odds, rate))
    return float(np.linalg.norm((probabilities - rate) @ latent / len(latent)))


def intercept(log_odds: np.ndarray, rate: float) -> float:
    """Returns the constant that brings the mean probability to a rate.

    Example:
        >>> odds = np.array([-1.0, 0.5, 2.0])
        >>> float(sigmoid(odds + intercept(odds, 0.1)).mean().round(9))
        0.1
    """
    low, high = -100.0, 100.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if sigmoid(log_odds + middle).mean() < rate else (low, middle)
    return (low + high) / 2


def sigmoid(values: np.ndarray) -> np.ndarray:
    """Returns 1 / (1 + exp(-x)), in float64."""
    return 1 / (1 + np.exp(-np.asarray(values, np.float64)))


@dataclasses.dataclass(frozen=True)
class Rows:
    """Rows of a log: columns with labels, and what is true of them.

    Args:
        log: Columns of the log.
        truth: True probabilities by task; for delayed tasks also `<task>_final`, the label that will be there in the
            end, and `<task>_observed`, the probability of the label in the log.
        latent: The latent directions x, float32 [n, D].
    """

    log: dict[str, np.ndarray]
    truth: dict[str, np.ndarray]
    latent: np.ndarray


def draw_rows(settings: LogSettings, world: World, truth: Truth, number: int) -> Rows:
    """Draws the rows of one block, `BLOCK` but in the last.

    With a delay, feedback comes after an exponential time; what comes after the log's last second is not in the log.
    """
    block = draw_block(settings, world, number)
    probabilities = truth.probabilities(block)
    log, true = dict(block.columns), {}
    left = SECONDS - block.columns["time_s"]
    for at, task in enumerate(settings.tasks):
        label = block.uniform[:, at] < probabilities[:, at]
        true[task] = probabilities[:, at]
        if task in settings.delays:
            true[f"{task}_final"] = label.astype(np.int64)
            true[f"{task}_observed"] = probabilities[:, at] * -np.expm1(-left / settings.delays[task])
            label = label & (block.delay[:, at] * settings.delays[task] < left)
        log[task] = label.astype(np.int64)
    return Rows(log, true, block.latent)
