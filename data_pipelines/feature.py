"""One input of a model, as the schema describes it."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from tf_gradcraft.suggestions import unknown_name

FEATURE_KINDS = ("categorical", "numeric", "statistic")
TRANSFORMS = (None, "log1p")
RAW_DTYPES = ("int64", "string", "float32")
SIDES = ("request", "candidate")
GROUP = "group"
"""Name of the column that carries the group key of group AUC beside the features of a batch."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Feature:
    """One input of a model.

    Args:
        name: Name of the column, of the model input and of the serving input.
        kind: `"categorical"` (an id, embedded), `"numeric"` (a number, normalised) or `"statistic"` (a number that is
            known for each id of the categorical feature `key`, such as a historical rate; looked up at serving).
        dtype: What a raw value is: `"int64"` or `"string"` for categorical features, `"float32"` otherwise.
        size: Categorical features: number of ids, id 0 (unknown) included.
        table: Categorical features: name of the embedding table; features that name the same table share it, and must
            share the vocabulary too. The feature's own name by default.
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
            see `Schema.side`.

    Raises:
        ValueError: If an argument does not fit the kind.

    Example:
        >>> Feature(name="duration_ms", kind="numeric", transform="log1p", mean=9.5, std=1.1).raw
        True
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
        categorical = self.kind == "categorical"
        if categorical and (self.size is None or self.size < 1):
            raise ValueError(f"{where}: a categorical feature needs size >= 1 (id 0 is unknown), got {self.size}")
        if categorical and self.dtype == "float32":
            raise ValueError(f"{where}: raw values of a categorical feature are 'int64' or 'string', not 'float32'")
        if not categorical and not self.std > 0:
            raise ValueError(f"{where}: std must be positive, got {self.std}")
        if (self.kind == "statistic") != (self.key is not None):
            raise ValueError(f"{where}: a statistic feature, and no other, names the feature it belongs to in `key`")
        object.__setattr__(self, "crosses", tuple(self.crosses))
        if not math.isfinite(self.missing):
            raise ValueError(f"{where}: missing must be a finite number, got {self.missing}")
        if self.side not in SIDES:
            raise ValueError(f"{where}: " + unknown_name("side", self.side, SIDES))
        if self.side != "request" and not self.raw:
            raise ValueError(f"{where}: the side of a cross or statistic follows from what it is made of; leave it out")
        if categorical and self.table is None:
            object.__setattr__(self, "table", self.name)

    @property
    def raw(self) -> bool:
        """Whether a serving request carries this feature (crosses and statistics follow from others)."""
        return not self.crosses and self.kind != "statistic"


def signed_log1p(values: np.ndarray) -> np.ndarray:
    """The `"log1p"` transform: sign(x) log(1 + |x|), elementwise.

    Example:
        >>> float(signed_log1p(np.array(-np.expm1(2.0))))
        -2.0
    """
    return np.sign(values) * np.log1p(np.abs(values))
