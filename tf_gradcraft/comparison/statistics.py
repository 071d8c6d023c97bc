"""Whether a difference between two methods is larger than the luck of the seeds."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence

import pandas as pd

LEVEL = 0.05
"""Level of the tests, after Holm's correction; confidence intervals have 1 minus it."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Difference:
    """A method against another over the seeds that both have.

    Attributes:
        method: The method.
        base: What it is compared with.
        metric: The value.
        seeds: Number of seeds that both have.
        mean: Mean difference, positive where the method is ahead.
        low: Lower end of the 95% confidence interval of the mean (Student's t), by itself, not corrected; NaN with one
            seed.
        high: Its upper end.
        ahead: Number of seeds at which the method is ahead.
        p: Two-sided p of the paired t-test; NaN where there is no test: one seed, or differences without any spread.
        p_holm: The same, corrected for the number of methods that are compared with `base`.
    """

    method: str
    base: str
    metric: str
    seeds: int
    mean: float
    low: float
    high: float
    ahead: int
    p: float
    p_holm: float = math.nan

    @property
    def verdict(self) -> str:
        """What can be said."""
        if self.seeds < 2:
            return "one seed says nothing"
        if not self.p_holm < LEVEL:
            return "inside the spread"
        return "better" if self.mean > 0 else "worse"


def paired_differences(frame: pd.DataFrame, base: str, metric: str) -> list[Difference]:
    """Compares every other method of a frame with one, seed by seed.

    Args:
        frame: Columns `method`, `seed` and `metric`.
        base: Label of the method to compare with.
        metric: Name of the value, larger being better.

    Example:
        >>> frame = pd.DataFrame({"method": ["a", "a", "a", "b", "b", "b"], "seed": [1, 2, 3, 1, 2, 3]})
        >>> frame["AV-A"] = [0.70, 0.71, 0.69, 0.73, 0.74, 0.725]
        >>> [found] = paired_differences(frame, "a", "AV-A")
        >>> round(found.mean, 4), found.ahead, found.verdict
        (0.0317, 3, 'better')
    """
    by_seed = frame.pivot_table(index="seed", columns="method", values=metric)
    others = [method for method in frame["method"].unique() if method != base and base in by_seed]
    found = [_compared(by_seed, method, base, metric) for method in others]
    corrected = holm({difference.method: difference.p for difference in found})
    return [dataclasses.replace(difference, p_holm=corrected[difference.method]) for difference in found]


def _compared(by_seed: pd.DataFrame, method: str, base: str, metric: str) -> Difference:
    differences = (by_seed[method] - by_seed[base]).dropna()
    n, mean = len(differences), float(differences.mean())
    low = high = p = math.nan
    if n > 1:
        from scipy import stats

        error = float(differences.std(ddof=1)) / math.sqrt(n)
        reach = float(stats.t.ppf(1 - LEVEL / 2, n - 1)) * error
        low, high = mean - reach, mean + reach
        # Without spread, as when a method does the same as the other, t is 0 / 0 or infinite: no test.
        if error > 1e-12 * max(1.0, abs(mean)):
            p = float(
                stats.ttest_rel(by_seed.loc[differences.index, method], by_seed.loc[differences.index, base]).pvalue
            )
    ahead = int((differences > 0).sum())
    return Difference(method=method, base=base, metric=metric, seeds=n, mean=mean, low=low, high=high, ahead=ahead, p=p)


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Returns p-values corrected for their number by Holm's method; NaN stays NaN and does not count.

    The i-th smallest of n, from 0, is multiplied by n - i; none is below one before it, none above 1. Holm, "A Simple
    Sequentially Rejective Multiple Test Procedure", Scandinavian Journal of Statistics, 1979.

    Example:
        >>> holm({"a": 0.01, "b": 0.04, "c": 0.03})
        {'a': 0.03, 'c': 0.06, 'b': 0.06}
    """
    known = sorted((name for name, p in p_values.items() if p == p), key=lambda name: p_values[name])
    corrected = {name: math.nan for name in p_values if name not in known}
    largest = 0.0
    for place, name in enumerate(known):
        largest = max(largest, min(1.0, (len(known) - place) * p_values[name]))
        corrected[name] = largest
    return {name: corrected[name] for name in (*known, *(name for name in p_values if name not in known))}


def all_differences(frame: pd.DataFrame, bases: Sequence[str], metrics: Sequence[str]) -> list[Difference]:
    """Returns `paired_differences` for each base and metric."""
    return [found for base in bases for metric in metrics for found in paired_differences(frame, base, metric)]
