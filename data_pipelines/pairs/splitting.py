"""Which pairs are held out, when only the target behaviour is to be ranked."""

from __future__ import annotations

import numpy as np

from tf_gradcraft.data_pipelines.preparation.splitting import TEST, TRAIN, VALID
from tf_gradcraft.suggestions import unknown_name

SPLIT_WAYS = ("leave_one_out", "random")
RANDOM_SHARES = (0.7, 0.8)
"""Where valid and test start among the target's pairs: 70% train, 10% valid, 20% test, as in the MetaBalance paper."""


def split_pairs(users: np.ndarray, target: np.ndarray, order: np.ndarray, marked: np.ndarray, way: str) -> np.ndarray:
    """Holds out pairs of the target behaviour; all other pairs are for training.

    A held-out pair is out of the training part as a whole: none of its behaviours is trained on.

    Args:
        users: User [n] of each pair (integers); no pair stands twice.
        target: bool [n]: whether the pair has the target behaviour.
        order: Numbers [n]: the time of the target behaviour, or numbers drawn at random in [0, 1).
        marked: bool [n]: pairs that the data set itself holds out for testing. Where there are any, they are the test
            part, whatever behaviour they are marked for, and `way` chooses the valid part alone.
        way: `"leave_one_out"`: each user's last pair of the target is for testing, the one before for validation; users
            with fewer than three (with marked pairs: two left) keep all for training. `"random"`: 70% train, 10% valid,
            20% test of the target's pairs by `order`, which must then be in [0, 1); of marked data, a tenth is valid.

    Returns:
        int8 [n]: 0 train, 1 valid, 2 test.

    Raises:
        ValueError: If the way is not known.

    Example:
        >>> users, target = np.array([7, 7, 7, 7, 8]), np.array([True, True, True, False, True])
        >>> split_pairs(users, target, np.array([3, 1, 2, 9, 5]), np.zeros(5, bool), "leave_one_out").tolist()
        [2, 0, 1, 0, 0]
    """
    if way not in SPLIT_WAYS:
        raise ValueError(unknown_name("split", way, SPLIT_WAYS))
    split = np.full(len(users), TRAIN, np.int8)
    split[marked] = TEST
    free = np.flatnonzero(target & ~marked)
    if way == "random":
        shares = (1 - 0.1, 1.0) if marked.any() else RANDOM_SHARES
        split[free] = np.digitize(order[free], shares)
        return split
    free = free[np.lexsort((order[free], users[free]))]
    _, start, count = np.unique(users[free], return_index=True, return_counts=True)
    from_end = np.repeat(start + count, count) - 1 - np.arange(len(free))
    of_user = np.repeat(count, count)
    # Of each user one pair at least is trained on.
    if marked.any():
        split[free[(from_end == 0) & (of_user >= 2)]] = VALID
    else:
        split[free[(from_end == 0) & (of_user >= 3)]] = TEST
        split[free[(from_end == 1) & (of_user >= 3)]] = VALID
    return split
