"""Paired differences against numbers that are computed otherwise."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import special

from tf_gradcraft.comparison.statistics import all_differences, holm, paired_differences


def frame_of(values, name="AV-A"):
    """`{method: {seed: value}}` as the frame that is looked at."""
    rows = [(method, seed, value) for method, by_seed in values.items() for seed, value in by_seed.items()]
    return pd.DataFrame(rows, columns=["method", "seed", name])


def random_frame(seeds=6):
    random = np.random.default_rng(3)
    luck = random.normal(0, 0.01, seeds)
    means = {"sum": 0.7, "a": 0.71, "b": 0.7, "c": 0.695}
    return frame_of(
        {name: dict(enumerate(mean + luck + random.normal(0, 0.004, seeds))) for name, mean in means.items()}
    )


def p_of(differences):
    """Two-sided p of Student's t by the regularised incomplete beta function."""
    n = len(differences)
    t = np.mean(differences) / np.sqrt(np.sum((differences - np.mean(differences)) ** 2) / (n - 1) / n)
    return special.betainc((n - 1) / 2, 0.5, (n - 1) / (n - 1 + t**2))


def test_differences_are_those_of_the_same_seed():
    frame = random_frame()
    shuffled = frame.sample(frac=1, random_state=1)
    values = {method: of.sort_values("seed")["AV-A"].to_numpy() for method, of in frame.groupby("method")}
    found = {of.method: of for of in paired_differences(shuffled, "sum", "AV-A")}
    assert set(found) == {"a", "b", "c"}
    for method, of in found.items():
        differences = values[method] - values["sum"]
        assert (of.base, of.metric, of.seeds) == ("sum", "AV-A", 6)
        assert of.mean == pytest.approx(differences.mean())
        assert of.ahead == (differences > 0).sum()
        assert of.p == pytest.approx(p_of(differences), rel=1e-9)
        # The interval has 0 at its end exactly where p is 0.05.
        shifted = [differences - end for end in (of.low, of.high)]
        assert [p_of(these) for these in shifted] == pytest.approx([0.05, 0.05], rel=1e-6)


def test_the_interval_of_three_seeds_is_the_one_of_the_tables():
    # t(0.975, 2) = 4.303; differences 1, 2, 3 have mean 2 and standard error 1 / sqrt(3).
    frame = frame_of({"sum": {1: 0.0, 2: 0.0, 3: 0.0}, "a": {1: 1.0, 2: 2.0, 3: 3.0}})
    [found] = paired_differences(frame, "sum", "AV-A")
    assert (found.low, found.high) == pytest.approx((2 - 4.303 / 3**0.5, 2 + 4.303 / 3**0.5), abs=1e-3)
    assert found.p == pytest.approx(0.0742, abs=1e-4)
    assert found.verdict == "inside the spread"


def test_holm_by_its_definition():
    """Reject step by step: the corrected p is the smallest level at which a hypothesis is rejected."""

    def rejected(p_values, level):
        names = sorted(p_values, key=p_values.get)
        out = set()
        for place, name in enumerate(names):
            if p_values[name] > level / (len(names) - place):
                break
            out.add(name)
        return out

    random = np.random.default_rng(0)
    for _ in range(20):
        p_values = dict(zip("abcde", random.uniform(0, 0.3, 5), strict=True))
        for name, corrected in holm(p_values).items():
            assert name in rejected(p_values, min(1.0, corrected) + 1e-12) or corrected == 1
            assert name not in rejected(p_values, corrected - 1e-9)


def test_holm_leaves_out_what_was_not_tested():
    corrected = holm({"a": 0.02, "b": math.nan, "c": 0.03})
    assert (corrected["a"], corrected["c"]) == pytest.approx((0.04, 0.04))
    assert math.isnan(corrected["b"])
    assert holm({}) == {}


def test_the_correction_is_over_the_methods_of_one_base_and_value():
    frame = random_frame().assign(**{"AV-G": lambda of: of["AV-A"] ** 2})
    found = all_differences(frame, ["sum", "a"], ["AV-A", "AV-G"])
    assert len(found) == 2 * 2 * 3
    for base in ("sum", "a"):
        for metric in ("AV-A", "AV-G"):
            some = [of for of in found if (of.base, of.metric) == (base, metric)]
            assert {of.method: of.p_holm for of in some} == holm({of.method: of.p for of in some})


def test_verdicts():
    small = {seed: 0.001 * seed for seed in range(1, 5)}
    values = {"sum": dict.fromkeys(small, 0.7)}
    values["better"] = {seed: 0.75 + noise for seed, noise in small.items()}
    values["worse"] = {seed: 0.65 + noise for seed, noise in small.items()}
    values["unclear"] = {seed: 0.7 + noise * (-1) ** seed for seed, noise in small.items()}
    values["same"] = dict(values["sum"])
    values["once"] = {1: 0.9}
    found = {of.method: of for of in paired_differences(frame_of(values), "sum", "AV-A")}
    verdicts = {method: of.verdict for method, of in found.items()}
    assert verdicts == {
        "better": "better",
        "worse": "worse",
        "unclear": "inside the spread",
        "same": "inside the spread",
        "once": "one seed says nothing",
    }
    assert math.isnan(found["same"].p)
    assert (found["same"].mean, found["same"].low, found["same"].high) == (0, 0, 0)
    assert math.isnan(found["once"].low)


def test_only_seeds_that_both_have_are_compared():
    frame = frame_of({"sum": {1: 0.5, 2: 0.6, 3: 0.7}, "a": {2: 0.61, 3: 0.73, 4: 0.1}, "b": {9: 1.0}})
    found = {of.method: of for of in paired_differences(frame, "sum", "AV-A")}
    assert (found["a"].seeds, found["a"].mean) == (2, pytest.approx(0.02))
    assert (found["b"].seeds, found["b"].verdict) == (0, "one seed says nothing")


def test_without_the_base_there_is_nothing_to_compare():
    assert paired_differences(frame_of({"a": {1: 0.5}}), "sum", "AV-A") == []
