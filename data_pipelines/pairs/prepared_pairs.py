"""A prepared folder of positives-only pairs: training batches with sampled negatives, and what is to be ranked."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tf_gradcraft.data_pipelines.prepared import PreparedData
from tf_gradcraft.data_pipelines.schema import GROUP, Schema
from tf_gradcraft.suggestions import unknown_name

if TYPE_CHECKING:
    import tensorflow as tf

SAMPLING = ("uniform", "popularity")
RANKED_SPLITS = ("valid", "test")
MASKS = ("target", "any")


class PreparedPairs:
    """Opens a folder of prepared pairs and verifies it against its manifest.

    Args:
        folder: What `prepare` of a data set of pairs wrote.

    Attributes:
        folder: The folder.
        schema: Two features, user and item, and one task a behaviour, the target first.
        manifest: See `PreparedData`.
        rows: Number of pairs by split.
        target: The behaviour that is ranked.

    Raises:
        FileNotFoundError: If the folder is no prepared folder.
        ValueError: If a file is missing, cut short or edited, or the folder holds no pairs.

    Example:
        >>> import tempfile
        >>> import pandas as pd
        >>> from tf_gradcraft.data_pipelines import datasets
        >>> folder = Path(tempfile.mkdtemp())
        >>> rows = [(user, item, 1, int(item % 2 == 0)) for user in range(4) for item in range(user, user + 8)]
        >>> pairs = pd.DataFrame(rows, columns=["user_id", "item_id", "view", "buy"])
        >>> pairs.to_parquet(folder / "pairs.parquet")
        >>> data = datasets.Pairs(folder / "pairs.parquet", tasks=["buy", "view"]).prepare(folder / "prepared")
        >>> data.schema.task_names, data.rows
        (('buy', 'view'), {'train': 24, 'valid': 4, 'test': 4})
        >>> features, labels, weights = next(iter(data.train(batch_size=2, negatives=3)))
        >>> features["user_id"].shape, list(labels)
        (TensorShape([16]), ['buy', 'view'])
    """

    def __init__(self, folder: str | Path) -> None:
        self._data = PreparedData(folder)
        self.folder = self._data.folder
        self.schema: Schema = self._data.schema
        self.manifest: dict[str, Any] = self._data.manifest
        self.rows = self._data.rows
        if "target" not in self.manifest["arguments"]:
            raise ValueError(f"{self.folder} holds no pairs by behaviour; open it with PreparedData")
        self.target: str = self.manifest["arguments"]["target"]
        self.user, self.item = self.schema.feature_names
        self.num_items = self.schema.feature(self.item).size or 0
        self._columns: dict[str, dict[str, np.ndarray]] = {}

    def __repr__(self) -> str:
        """Folder, pairs and behaviours."""
        rows = ", ".join(f"{split} {count:,}" for split, count in self.rows.items())
        return f"PreparedPairs({str(self.folder)!r}: {rows} pairs; target {self.target})"

    def columns(self, split: str) -> dict[str, np.ndarray]:
        """Returns the pairs of a split: ids of user and item (int32 [n]), user key, and a 0/1 column a behaviour.

        Of valid and test pairs a 1 says that the pair is held out for that behaviour.
        """
        if split not in self._columns:
            self._columns[split] = self._data.columns(split)
        return self._columns[split]

    def train(
        self,
        batch_size: int = 256,
        *,
        negatives: int = 4,
        shares: str = "equal",
        sampling: str = "uniform",
        seed: int = 0,
        tasks: Iterable[str] | None = None,
    ) -> tf.data.Dataset:
        """Returns training batches of observed and sampled pairs, see `tf_gradcraft.data_pipelines.pairs.sampling`.

        Args:
            batch_size: Observed pairs of the first behaviour in a batch.
            negatives: Unobserved pairs for each observed one.
            shares: `"equal"`: as many observed pairs of the others; `"proportional"`: in proportion to their number, so
                that an epoch passes once over the pairs of all behaviours.
            sampling: `"uniform"`, or `"popularity"`: items in proportion to their number of training pairs, whatever
                the behaviour.
            seed: Seed of order and negatives.
            tasks: Behaviours, the first of which an epoch passes over once; all, the target first, by default.

        Returns:
            Elements `(features, labels, weights)`: the weight of a row is 1 for its own behaviour, 0 for the others.

        Raises:
            ValueError: If a name is not known, a number is below 1, or a behaviour has no training pair.
        """
        from tf_gradcraft.data_pipelines.pairs.sampling import pair_batches

        if sampling not in SAMPLING:
            raise ValueError(unknown_name("sampling", sampling, SAMPLING))
        names = [self.schema.task(name).name for name in (self.schema.task_names if tasks is None else tasks)]
        columns = self.columns("train")
        at = {name: np.flatnonzero(columns[name]) for name in names}
        counts = np.bincount(columns[self.item], minlength=self.num_items)
        return pair_batches(
            {name: (columns[self.user][rows], columns[self.item][rows]) for name, rows in at.items()},
            num_items=self.num_items,
            batch_size=batch_size,
            negatives=negatives,
            shares=shares,
            item_weights=counts if sampling == "popularity" else None,
            seed=seed,
            names=(self.user, self.item),
        )

    def ranking(self, split: str = "test", *, mask: str = "target") -> dict[str, Any]:
        """Returns what `tf_gradcraft.metrics.AllItemsRanking` takes: who is ranked, which items are left out or wanted.

        Args:
            split: `"valid"` or `"test"`: whose held-out pairs of the target are wanted.
            mask: Which items are left out of a user's list: `"target"`, those of the user's other known pairs of the
                target (training pairs, and in the test part the validation pairs); `"any"`, those of the user's
                training pairs of any behaviour as well.

        Returns:
            `users` int32 [N] (ids, once a user with a held-out pair), `known` and `held_out` as `(rows, items)`, rows
            of `users` and ids of items, and `num_items`. An item that no training pair has is id 0: wanted, but never
            in a list.

        Raises:
            ValueError: If the split or the mask is not known, or nothing is held out.
        """
        if split not in RANKED_SPLITS:
            raise ValueError(unknown_name("split", split, RANKED_SPLITS))
        if mask not in MASKS:
            raise ValueError(unknown_name("mask", mask, MASKS))
        held_out = self._pairs_of(split, self.target)
        if not len(held_out[0]):
            raise ValueError(f"{self.folder / split} holds out no pair of {self.target}; prepare with another split")
        keys, first = np.unique(held_out[0], return_index=True)
        known = [self._pairs_of("train", None if mask == "any" else self.target)]
        if split == "test":
            known.append(self._pairs_of("valid", self.target))
        groups, _, items = (np.concatenate(parts) for parts in zip(*known, strict=True))
        rows = np.minimum(np.searchsorted(keys, groups), len(keys) - 1)
        there = (keys[rows] == groups) & (items > 0)
        return {
            "users": held_out[1][first],
            "known": (rows[there], items[there]),
            "held_out": (np.searchsorted(keys, held_out[0]), held_out[2]),
            "num_items": self.num_items,
        }

    def _pairs_of(self, split: str, behaviour: str | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """User keys, user ids and item ids of the pairs of one behaviour, or of any."""
        columns = self.columns(split)
        at = slice(None) if behaviour is None else np.flatnonzero(columns[behaviour])
        return columns[GROUP][at], columns[self.user][at], columns[self.item][at]
