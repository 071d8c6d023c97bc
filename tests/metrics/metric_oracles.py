"""What the metrics must be, by pandas, scikit-learn and brute force; on rows whose weight is not 0."""

import itertools
import math

import numpy as np
import pandas as pd
import scipy.stats
import sklearn.metrics


def labelled(oracle):
    def on_labelled_rows(frame, *args):
        frame = frame[frame.weight > 0]
        return oracle(frame, *args) if len(frame) else math.nan

    return on_labelled_rows


@labelled
def log_loss(frame):
    clipped = frame.prediction.clip(1e-7, 1 - 1e-7)
    return sklearn.metrics.log_loss(frame.label, clipped, sample_weight=frame.weight, labels=[0, 1])


@labelled
def normalised_entropy(frame):
    if frame.label.nunique() < 2:
        return math.nan
    rate = np.average(frame.label, weights=frame.weight)
    return log_loss(frame) / scipy.stats.entropy([rate, 1 - rate])


@labelled
def pcoc(frame):
    clicks = (frame.weight * frame.label).sum()
    return (frame.weight * frame.prediction).sum() / clicks if clicks else math.nan


def error_of_bins(frame, bins):
    of_bins = frame.assign(gap=frame.weight * (frame.prediction - frame.label)).groupby(np.asarray(bins)).gap.sum()
    return of_bins.abs().sum() / frame.weight.sum()


@labelled
def ece(frame, bins=10):
    edges = [*(edge / bins for edge in range(bins)), 2.0]
    return error_of_bins(frame, pd.cut(frame.prediction, edges, right=False, labels=False))


@labelled
def equal_mass_ece(frame, bins=10):
    """The bin of a prediction from its place in the weighted distribution; whole weights, exact arithmetic."""
    weight = frame.weight.astype(int)
    places = {}
    for value in frame.prediction.unique():
        below, at = weight[frame.prediction < value].sum(), weight[frame.prediction == value].sum()
        places[value] = min(bins - 1, bins * (2 * below + at) // (2 * weight.sum()))
    return error_of_bins(frame, frame.prediction.map(places))


def dcg(labels, k):
    return sum(label / math.log2(place + 2) for place, label in enumerate(labels[:k]))


def average_precision(labels, k):
    found = [sum(labels[: place + 1]) / (place + 1) for place, label in enumerate(labels[:k]) if label]
    return sum(found) / min(k, sum(labels))


AT_K = {
    "ndcg": lambda labels, k: dcg(labels, k) / dcg(sorted(labels, reverse=True), k),
    "recall": lambda labels, k: sum(labels[:k]) / sum(labels),
    "precision": lambda labels, k: sum(labels[:k]) / k,
    "map": average_precision,
}


def orders(rows):
    """Returns the labels in all orders by falling prediction, a tie in each of its orders."""
    ties = [of_tie.label.tolist() for _, of_tie in sorted(rows.groupby("prediction"), reverse=True)]
    for order in itertools.product(*map(itertools.permutations, ties)):
        yield list(itertools.chain(*order))


@labelled
def at_k(frame, metric, k):
    """Mean over all orders of tied rows, then over the groups with both classes, with their mean weight."""
    values, weights = [], []
    for _, rows in frame.groupby("group"):
        if set(rows.label) == {0, 1}:
            values.append(np.mean([AT_K[metric](labels, k) for labels in orders(rows)]))
            weights.append(rows.weight.mean())
    return np.average(values, weights=weights) if values else math.nan
