"""The schema: one description of features and tasks that preparation, models, metrics and export share."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tf_gradcraft.data_pipelines.vocabulary import Vocabulary
from tf_gradcraft.suggestions import unknown_name

FEATURE_KINDS = ("categorical", "numeric", "statistic")
TASK_KINDS = ("binary",)
TRANSFORMS = (None, "log1p")
RAW_DTYPES = ("int64", "string", "float32")
SIDES = ("request", "candidate")
GROUP = "group"
"""Name of the column that carries the group key of group AUC beside the features of a batch."""

SCHEMA_FILE = "schema.json"
VOCABULARY_FOLDER = "vocabularies"


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


@dataclasses.dataclass(frozen=True, kw_only=True)
class Task:
    """One thing to predict.

    Args:
        name: Name of the task: of the model's output, of its label column and of its metrics.
        kind: `"binary"`: a label in {0, 1}, a predicted probability.
        mask: Name of the column with the weight of each row's label (0 = not labelled), or None when every row is.

    Raises:
        ValueError: If the kind is not known.

    Example:
        >>> Task(name="click").kind
        'binary'
    """

    name: str
    kind: str = "binary"
    mask: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in TASK_KINDS:
            raise ValueError(f"task {self.name!r}: " + unknown_name("kind", self.kind, TASK_KINDS))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Schema:
    """Features, tasks and the group key of a data set.

    Args:
        features: The features, in a fixed order.
        tasks: The tasks, in a fixed order (the order of the model's outputs).
        group: Name of the raw column whose values group the rows for group AUC (most often the user), or None. A batch
            carries it as the column `"group"`.
        vocabularies: For each categorical feature its `Vocabulary`; may be empty (a model can be built without, an
            export can't).

    Raises:
        ValueError: If a name is used twice, or a feature refers to one that does not exist.

    Example:
        >>> schema = Schema(features=[Feature(name="user_id", kind="categorical", dtype="int64", size=4)],
        ...                 tasks=[Task(name="click"), Task(name="like")])
        >>> schema.task_names, schema.feature("user_id").table
        (('click', 'like'), 'user_id')
    """

    features: tuple[Feature, ...]
    tasks: tuple[Task, ...]
    group: str | None = None
    vocabularies: Mapping[str, Vocabulary] = dataclasses.field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "features", tuple(self.features))
        object.__setattr__(self, "tasks", tuple(self.tasks))
        if not self.features or not self.tasks:
            raise ValueError("a schema needs at least one feature and one task")
        names = [feature.name for feature in self.features] + [task.name for task in self.tasks]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"these names are used twice in the schema: {', '.join(twice)}")
        tables: dict[str, int | None] = {}
        for feature in self.features:
            for other in (*feature.crosses, *([feature.key] if feature.key else [])):
                if self.feature(other).kind != "categorical":
                    raise ValueError(f"feature {feature.name!r} refers to {other!r}, which is not categorical")
            if feature.kind == "categorical" and tables.setdefault(str(feature.table), feature.size) != feature.size:
                raise ValueError(f"features that share the table {feature.table!r} must have the same size")

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of all features, in order."""
        return tuple(feature.name for feature in self.features)

    @property
    def task_names(self) -> tuple[str, ...]:
        """Names of all tasks, in order."""
        return tuple(task.name for task in self.tasks)

    def feature(self, name: str) -> Feature:
        """Returns the feature of that name.

        Raises:
            ValueError: If there is none; the message lists near names.
        """
        for feature in self.features:
            if feature.name == name:
                return feature
        raise ValueError(unknown_name("feature", name, self.feature_names))

    def task(self, name: str) -> Task:
        """Returns the task of that name.

        Raises:
            ValueError: If there is none; the message lists near names.
        """
        for task in self.tasks:
            if task.name == name:
                return task
        raise ValueError(unknown_name("task", name, self.task_names))

    def side(self, name: str) -> str:
        """Returns the side of a feature: `"candidate"` if it is made of any candidate feature, else `"request"`.

        Example:
            >>> user = Feature(name="user", kind="categorical", dtype="int64", size=9)
            >>> item = Feature(name="item", kind="categorical", dtype="int64", size=9, side="candidate")
            >>> both = Feature(name="both", kind="categorical", dtype="int64", size=9, crosses=("user", "item"))
            >>> schema = Schema(features=[user, item, both], tasks=[Task(name="click")])
            >>> schema.side("user"), schema.side("both")
            ('request', 'candidate')
        """
        feature = self.feature(name)
        parts = feature.crosses or ((feature.key,) if feature.key else ())
        if not parts:
            return feature.side
        return "candidate" if any(self.side(part) == "candidate" for part in parts) else "request"

    def of_kind(self, *kinds: str) -> tuple[Feature, ...]:
        """Returns the features of the given kinds, in order."""
        return tuple(feature for feature in self.features if feature.kind in kinds)

    def select(self, tasks: Iterable[str] | None = None, features: Iterable[str] | None = None) -> Schema:
        """Returns a schema with only these tasks and features, in the given order (None: all).

        Example:
            >>> schema = Schema(features=[Feature(name="age", kind="numeric")], tasks=[Task(name="a"), Task(name="b")])
            >>> schema.select(tasks=["b"]).task_names
            ('b',)
        """
        return dataclasses.replace(
            self,
            tasks=self.tasks if tasks is None else tuple(self.task(name) for name in tasks),
            features=self.features if features is None else tuple(self.feature(name) for name in features),
        )

    def to_dict(self) -> dict[str, Any]:
        """Returns the schema without its vocabularies as plain JSON types."""
        return {
            "features": [dataclasses.asdict(feature) for feature in self.features],
            "tasks": [dataclasses.asdict(task) for task in self.tasks],
            "group": self.group,
        }

    @classmethod
    def from_dict(cls, config: Mapping[str, Any], vocabularies: Mapping[str, Vocabulary] | None = None) -> Schema:
        """Inverse of `to_dict`."""
        return cls(
            features=tuple(Feature(**feature) for feature in config["features"]),
            tasks=tuple(Task(**task) for task in config["tasks"]),
            group=config.get("group"),
            vocabularies=dict(vocabularies or {}),
        )

    def save(self, folder: str | Path) -> None:
        """Writes `schema.json` and `vocabularies/<feature>.parquet` into a folder."""
        folder = Path(folder)
        (folder / VOCABULARY_FOLDER).mkdir(parents=True, exist_ok=True)
        (folder / SCHEMA_FILE).write_text(json.dumps(self.to_dict(), indent=1) + "\n", encoding="utf-8")
        for name, vocabulary in self.vocabularies.items():
            vocabulary.save(folder / VOCABULARY_FOLDER / f"{name}.parquet")

    @classmethod
    def load(cls, folder: str | Path) -> Schema:
        """Reads what `save` wrote.

        Raises:
            FileNotFoundError: If the folder holds no `schema.json`.
        """
        folder = Path(folder)
        path = folder / SCHEMA_FILE
        if not path.is_file():
            raise FileNotFoundError(f"{folder} is no prepared folder: it holds no {SCHEMA_FILE}; run `prepare` first")
        files = sorted((folder / VOCABULARY_FOLDER).glob("*.parquet"))
        vocabularies = {file.stem: Vocabulary.load(file) for file in files}
        return cls.from_dict(json.loads(path.read_text(encoding="utf-8")), vocabularies)


def signed_log1p(values: np.ndarray) -> np.ndarray:
    """The `"log1p"` transform: sign(x) log(1 + |x|), elementwise.

    Example:
        >>> float(signed_log1p(np.array(-np.expm1(2.0))))
        -2.0
    """
    return np.sign(values) * np.log1p(np.abs(values))
