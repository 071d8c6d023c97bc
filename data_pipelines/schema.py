"""The schema: one description of features and tasks that preparation, models, metrics and export share."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tf_gradcraft.data_pipelines.feature import GROUP, Feature
from tf_gradcraft.data_pipelines.task import Task
from tf_gradcraft.data_pipelines.vocabulary import Vocabulary
from tf_gradcraft.suggestions import unknown_name

__all__ = ["GROUP", "SCHEMA_FILE", "VOCABULARY_FOLDER", "Feature", "Schema", "Task"]

SCHEMA_FILE = "schema.json"
VOCABULARY_FOLDER = "vocabularies"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Schema:
    """Features, tasks and the group key of a data set.

    Args:
        features: The features, in a fixed order.
        tasks: The tasks, in a fixed order (the order of the model's outputs).
        group: Name of the raw column whose values group the rows for group AUC (most often the user), or None. A batch
            carries it as the column `"group"`.
        vocabularies: For each feature that has one (`Feature.has_vocabulary`) its `Vocabulary`; may be empty (a model
            can be built without, an export can't).

    Raises:
        ValueError: If a name is used twice, or a feature or task refers to one that does not exist.

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
        object.__setattr__(self, "features", tuple(map(self._with_ids_of_another, self.features)))
        for task in self.tasks:
            self._check_columns(task)
        tables: dict[str, Feature] = {}
        for feature in self.features:
            for other in (*feature.crosses, *filter(None, (feature.key, feature.of))):
                if self.feature(other).kind != "categorical":
                    raise ValueError(f"feature {feature.name!r} refers to {other!r}, which is not categorical")
            if feature.key is not None and self.feature(feature.key).hashed:
                raise ValueError(
                    f"feature {feature.name!r}: {feature.key!r} is hashed and keeps no vocabulary, so no statistics by "
                    "id either; leave the statistic out, or give that feature a vocabulary"
                )
            if feature.table is None or feature.kind == "history":
                continue
            first = tables.setdefault(feature.table, feature)
            for argument in ("size", "dimension", "hashed", "boundaries"):
                if getattr(feature, argument) != getattr(first, argument):
                    raise ValueError(
                        f"features that share the table {feature.table!r} must have the same {argument}: "
                        f"{first.name!r} has {getattr(first, argument)}, {feature.name!r} {getattr(feature, argument)}"
                    )

    def _with_ids_of_another(self, feature: Feature) -> Feature:
        """Returns a history with what follows from the feature whose values it lists; any other as it is."""
        if feature.of is None:
            return feature
        listed = self.feature(feature.of)
        if not listed.raw:
            raise ValueError(f"feature {feature.name!r} lists values of {listed.name!r}, which has none of its own")
        for argument in ("size", "table", "dimension"):
            if getattr(feature, argument) not in (None, getattr(listed, argument)):
                raise ValueError(
                    f"feature {feature.name!r}: {argument} follows from {listed.name!r}; leave out "
                    f"{argument}={getattr(feature, argument)!r}"
                )
        return dataclasses.replace(
            feature, dtype=listed.dtype, size=listed.size, table=listed.table, dimension=listed.dimension
        )

    def _check_columns(self, task: Task) -> None:
        """Refuses a task that refers to a feature or task which does not fit."""
        if task.duration is not None and self.feature(task.duration).kind != "numeric":
            raise ValueError(f"task {task.name!r}: duration={task.duration!r} is no numeric feature")
        if task.kind == "ranking" and task.lists != GROUP:
            self.feature(task.lists)
        # A schema with some of the tasks only, as `select` makes it, may lack the task of the sample space.
        if task.sample_space in self.task_names and self.task(task.sample_space).kind != "binary":
            raise ValueError(f"task {task.name!r}: sample_space={task.sample_space!r} is no binary task")

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

        That of a history is where its list comes from; what is pooled from it depends on the feature `of` as well.

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
