"""One input of a model, as the schema describes it."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from tf_gradcraft.suggestions import unknown_name

FEATURE_KINDS = ("categorical", "numeric", "statistic", "tags", "history")
TRANSFORMS = (None, "log1p")
RAW_DTYPES = ("int64", "string", "float32")
SIDES = ("request", "candidate")
POOLINGS = ("mean", "sum", "max")
GROUP = "group"
"""Name of the column that carries the group key of group AUC beside the features of a batch."""
PADDING = -1
"""Fills lists of ids up to their length; no id."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Feature:
    """One input of a model.

    A batch holds int32 ids [B] of a categorical feature, int32 ids [B, length] of tags and histories (filled up with -1
    at the end, all -1 for an empty list), and float32 numbers [B] of the others.

    Args:
        name: Name of the column, of the model input and of the serving input.
        kind: `"categorical"` (an id, embedded), `"numeric"` (a number, normalised or bucketised), `"statistic"` (a
            number that is known for each id of the categorical feature `key`, such as a historical rate; looked up at
            serving), `"tags"` (a list of ids, embedded and pooled) or `"history"` (the user's last items before the
            row, most recent first, pooled by their likeness to the item at hand).
        dtype: What a raw value is: `"int64"` or `"string"` for categorical features and tags, `"float32"` for numbers;
            that of a history follows from the feature `of`.
        size: Categorical features and tags: number of ids, id 0 (unknown) included. That of a bucketised feature
            follows from its boundaries, that of a history from the feature `of`.
        table: Categorical features and tags: name of the embedding table; features that name the same table share it,
            and must share the vocabulary too. The feature's own name by default.
        crosses: Categorical features that are the combination of other categorical features: their names. The raw
            values are not asked for at serving; they follow from the crossed features.
        transform: Numeric and statistic features: `"log1p"` is applied before normalisation (to the absolute value,
            with the sign kept), or None.
        mean: Mean of the transformed value on the training part.
        std: Standard deviation of the transformed value on the training part; positive.
        key: Statistic features: the categorical feature that the value belongs to.
        missing: Numeric features: the raw number that stands for a missing one (preparation takes the median of the
            training part).
        side: Raw features: what the value is a property of when candidates are ranked. `"request"` (user and context:
            one value a request) or `"candidate"` (one value a candidate). Crosses and statistics follow from theirs,
            see `Schema.side`. A history is the user's.
        dimension: Categorical features, tags and bucketised numbers: length of the embedding; the model's
            `embedding_dim` by default. Features that share a table name the same.
        hashed: Categorical features with an open vocabulary, of which no file is kept: the id of a raw value is
            1 + hash mod (size - 1), see `tf_gradcraft.data_pipelines.hashing`; that of a missing one is 0.
        boundaries: Numeric features: rising numbers (quantiles of the training part) that cut the raw value into
            buckets 0 ... len(boundaries). The bucket is embedded instead of the number being normalised. Kept in
            float32, as raw numbers are: a value that equals a boundary belongs to the bucket above it.
        length: Tags and histories: number of values in a row at most; further ones are cut.
        pooling: Tags: `"mean"` (default), `"sum"` or `"max"` of the embeddings of a row's values.
        of: Histories: the categorical feature whose vocabulary and table it shares, such as the item. Its embedding in
            the row is what the history is compared with.

    Raises:
        ValueError: If an argument does not fit the kind.

    Example:
        >>> Feature(name="duration_ms", kind="numeric", transform="log1p", mean=9.5, std=1.1).raw
        True
        >>> Feature(name="age", kind="numeric", boundaries=(18, 30, 50), dimension=4).size
        4
    """

    name: str
    kind: str
    dtype: str = "float32"
    size: int | None = None
    table: str | None = None
    crosses: tuple[str, ...] = ()
    transform: str | None = None
    mean: float = 0.0
    std: float = 1.0
    key: str | None = None
    missing: float = 0.0
    side: str = "request"
    dimension: int | None = None
    hashed: bool = False
    boundaries: tuple[float, ...] = ()
    length: int | None = None
    pooling: str | None = None
    of: str | None = None

    def __post_init__(self) -> None:
        where = f"feature {self.name!r}"
        if self.name == GROUP:
            raise ValueError(f"{where}: the name {GROUP!r} is kept for the group key; choose another name")
        if self.kind not in FEATURE_KINDS:
            raise ValueError(f"{where}: " + unknown_name("kind", self.kind, FEATURE_KINDS))
        if self.dtype not in RAW_DTYPES:
            raise ValueError(f"{where}: " + unknown_name("dtype", self.dtype, RAW_DTYPES))
        if self.transform not in TRANSFORMS:
            raise ValueError(f"{where}: transform={self.transform!r} is not known; use 'log1p' or None")
        object.__setattr__(self, "crosses", tuple(self.crosses))
        object.__setattr__(self, "boundaries", tuple(float(np.float32(value)) for value in self.boundaries))
        for argument, kinds in _ARGUMENTS_OF_KINDS.items():
            if getattr(self, argument) not in (None, (), False) and self.kind not in kinds:
                raise ValueError(f"{where}: {argument} is for {' and '.join(kinds)} features, this one is {self.kind}")
        if self.kind in ("categorical", "tags"):
            self._check_ids(where)
        elif self.kind in ("numeric", "statistic"):
            self._check_number(where)
        if self.kind in ("tags", "history") and (self.length is None or self.length < 1):
            raise ValueError(f"{where}: a {self.kind} feature needs length >= 1, got {self.length}")
        if (self.kind == "statistic") != (self.key is not None):
            raise ValueError(f"{where}: a statistic feature, and no other, names the feature it belongs to in `key`")
        if self.kind == "history" and self.of is None:
            raise ValueError(f"{where}: a history names the categorical feature whose values it lists in `of`")
        if self.dimension is not None and self.dimension < 1:
            raise ValueError(f"{where}: dimension must be at least 1, got {self.dimension}")
        if self.side not in SIDES:
            raise ValueError(f"{where}: " + unknown_name("side", self.side, SIDES))
        if self.side != "request" and not self.raw:
            raise ValueError(f"{where}: the side of a cross or statistic follows from what it is made of; leave it out")
        if self.side != "request" and self.kind == "history":
            raise ValueError(f"{where}: a history is the user's, one list a request; its side is 'request'")

    def _check_ids(self, where: str) -> None:
        if self.size is None or self.size < 1:
            raise ValueError(f"{where}: a {self.kind} feature needs size >= 1 (id 0 is unknown), got {self.size}")
        if self.hashed and self.size < 2:
            raise ValueError(f"{where}: a hashed feature needs size >= 2 (id 0 is a missing value), got {self.size}")
        if self.dtype == "float32":
            raise ValueError(f"{where}: raw values of a {self.kind} feature are 'int64' or 'string', not 'float32'")
        if self.table is None:
            object.__setattr__(self, "table", self.name)
        if self.kind == "tags":
            object.__setattr__(self, "pooling", "mean" if self.pooling is None else self.pooling)
            if self.pooling not in POOLINGS:
                raise ValueError(f"{where}: " + unknown_name("pooling", str(self.pooling), POOLINGS))

    def _check_number(self, where: str) -> None:
        if self.dtype != "float32":
            raise ValueError(f"{where}: raw values of a {self.kind} feature are 'float32', not {self.dtype!r}")
        if not self.std > 0:
            raise ValueError(f"{where}: std must be positive, got {self.std}")
        if not math.isfinite(self.missing):
            raise ValueError(f"{where}: missing must be a finite number, got {self.missing}")
        if not self.boundaries:
            if self.dimension is not None:
                raise ValueError(f"{where}: dimension is for what is embedded; a number is if it has boundaries")
            return
        if not np.isfinite(self.boundaries).all() or (np.diff(self.boundaries) <= 0).any():
            raise ValueError(f"{where}: boundaries must be finite and rise (as float32), got {self.boundaries}")
        if self.transform is not None:
            raise ValueError(f"{where}: boundaries cut the raw value; leave out transform={self.transform!r}")
        if self.size not in (None, len(self.boundaries) + 1):
            raise ValueError(f"{where}: {len(self.boundaries)} boundaries make one more ids, not size={self.size}")
        object.__setattr__(self, "size", len(self.boundaries) + 1)
        object.__setattr__(self, "table", self.name if self.table is None else self.table)

    @property
    def raw(self) -> bool:
        """Whether a serving request carries this feature (crosses and statistics follow from others)."""
        return not self.crosses and self.kind != "statistic"

    @property
    def listed(self) -> bool:
        """Whether a row has a list of values [length] instead of one."""
        return self.kind in ("tags", "history")

    @property
    def embedded(self) -> bool:
        """Whether a value is an id of an embedding table, and no number to be normalised."""
        return self.kind in ("categorical", "tags", "history") or bool(self.boundaries)

    @property
    def has_vocabulary(self) -> bool:
        """Whether the feature has a vocabulary of its own (a history looks up that of another, a hashed one none)."""
        return self.kind in ("categorical", "tags") and not self.hashed


_ARGUMENTS_OF_KINDS = {
    "crosses": ("categorical",),
    "hashed": ("categorical",),
    "boundaries": ("numeric",),
    "dimension": ("categorical", "numeric", "tags", "history"),
    "length": ("tags", "history"),
    "pooling": ("tags",),
    "of": ("history",),
}


def signed_log1p(values: np.ndarray) -> np.ndarray:
    """The `"log1p"` transform: sign(x) log(1 + |x|), elementwise.

    Example:
        >>> float(signed_log1p(np.array(-np.expm1(2.0))))
        -2.0
    """
    return np.sign(values) * np.log1p(np.abs(values))
