"""Rows for the tests of metrics: any rows from hypothesis, and a random log."""

import numpy as np
import pandas as pd
from hypothesis import strategies as st

PROBABILITIES = [0.0, 0.1, 0.25, 0.3, 0.5, 0.7, 1.0]


def any_rows(max_size=30, groups=4):
    """Rows with ties, predictions at 0, 1 and edges of bins, weights of 0, groups of one class; or no row at all."""
    row = st.tuples(st.integers(0, 1), st.sampled_from(PROBABILITIES), st.integers(0, groups - 1), st.integers(0, 3))
    return st.lists(row, max_size=max_size).map(frame_of)


def frame_of(rows):
    frame = pd.DataFrame(rows, columns=["label", "prediction", "group", "weight"])
    return frame.astype({"label": float, "prediction": float, "group": int, "weight": float})


def random_rows(rows, seed=0, groups=25):
    """Rows without ties; weights from 0 to 3."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 2, rows).astype(float)
    predictions = (random.random(rows) + 0.5 * labels) / 1.5
    columns = (labels, predictions, random.integers(0, groups, rows), random.integers(0, 4, rows).astype(float))
    return pd.DataFrame(dict(zip(("label", "prediction", "group", "weight"), columns, strict=True)))


def columns(frame, grouped=False):
    """Returns labels, predictions (and groups) as arrays."""
    names = ["label", "prediction", "group"] if grouped else ["label", "prediction"]
    return [frame[name].to_numpy() for name in names]


def disturbed(frame, seed=0):
    """Returns the same labelled rows in another order, with NaN where the weight is 0."""
    frame = frame.sample(frac=1, random_state=seed)
    frame.loc[frame.weight == 0, ["label", "prediction"]] = np.nan
    return frame
