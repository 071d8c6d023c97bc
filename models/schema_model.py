"""The frame of all models that are built from a schema: inputs, feature encoding, towers, defaults."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from tf_gradcraft.data_pipelines.schema import GROUP, VOCABULARY_FOLDER, Schema
from tf_gradcraft.data_pipelines.vocabulary import Vocabulary
from tf_gradcraft.models.feature_encoding import bucketised, encode, feature_inputs
from tf_gradcraft.models.mlp import MLP
from tf_gradcraft.models.sample_space import in_sample_space
from tf_gradcraft.models.task_kinds import loss_of, metrics_of, prediction_of
from tf_gradcraft.training.model import FunctionalMultiTaskModel

Predict = Callable[[Mapping[str, Any]], dict[str, Any]]


class SchemaModel(FunctionalMultiTaskModel):
    """A multi-task model built from a schema: encoded features -> representations by task -> towers -> predictions.

    A model is a subclass whose constructor says how the encoded features become one representation a task.

    Inputs are the schema's features as `tf_gradcraft.data_pipelines` delivers them (ids and numbers [B], lists of ids
    [B, L]); outputs are `{task: prediction}`, as each task's kind says (see `Task`): probabilities [B, 1] of binary
    tasks. Embeddings are shared; a tower is private to its task. A task with a sample space counts only in the rows of
    that space.

    Args:
        schema: The schema, or what its `to_dict` returned.
        represent: Maps the encoded features, what `encode` returns, to a list of one representation [B, H] a task.
        settings: Arguments of the subclass's constructor, for its config.
        link: Maps `{task: outputs of its head}`, and the function that maps them to `{task: prediction}` by the tasks'
            own links, to `{task: prediction}`; those of that function by default.
        embedding_dim: Length of the embedding of each feature that names no `dimension` of its own.
        backbone: How features interact below the experts: `"mlp"` (not at all; default), `"deepfm"`, `"dcn_v2"` or
            `"dot"`, see `tf_gradcraft.models.backbones`.
        tower_units: Widths of each task's tower.
        dropout: Dropout in towers.
        l2: Factor of the L2 penalty on looked-up embedding rows and on kernels of towers.
        name: Name of the model.
    """

    def __init__(
        self,
        schema: Schema | Mapping[str, Any],
        represent: Callable[[Any], Sequence[Any]],
        settings: Mapping[str, Any],
        *,
        link: Callable[[Mapping[str, Any], Predict], Mapping[str, Any]] | None = None,
        embedding_dim: int = 16,
        backbone: str = "mlp",
        tower_units: Sequence[int] = (32, 16),
        dropout: float = 0.2,
        l2: float = 0.0,
        name: str | None = None,
    ) -> None:
        schema = as_schema(schema)
        inputs = feature_inputs(schema)
        logits = {}
        representations = represent(self.encode(schema, bucketised(schema, inputs), embedding_dim, l2, backbone))
        for task, representation in zip(schema.tasks, representations, strict=True):
            tower = MLP(tower_units, dropout=dropout, l2=l2, name=f"{task.name}_tower")(representation)
            logits[task.name] = keras.layers.Dense(task.outputs, name=f"{task.name}_logit", dtype="float32")(tower)

        def predict(of_heads: Mapping[str, Any]) -> dict[str, Any]:
            return {task: prediction_of(schema.task(task), score, inputs) for task, score in of_heads.items()}

        outputs = link(logits, predict) if link else predict(logits)
        super().__init__(inputs, outputs, name=name or type(self).__name__.lower())
        common = {"embedding_dim": embedding_dim, "backbone": backbone, "tower_units": list(tower_units)}
        self._settings = {**settings, **common, "dropout": dropout, "l2": l2}
        self._schema = (schema,)  # in a tuple, so that Keras does not wrap what it holds

    @staticmethod
    def encode(schema: Schema, inputs: Mapping[str, Any], embedding_dim: int, l2: float, backbone: str) -> Any:
        """Returns what experts see [B, D]: all features side by side, and what the backbone makes of them.

        A subclass may encode them in further ways for its `represent`.
        """
        return encode(schema, inputs, embedding_dim, l2, backbone)

    @property
    def schema(self) -> Schema:
        """The schema that the model was built from."""
        return self._schema[0]

    def default_losses(self) -> dict[str, keras.losses.Loss]:
        """Returns the loss of each task that the schema states, averaged over its labelled rows."""
        return {task.name: loss_of(task) for task in self.schema.tasks}

    def default_metrics(self) -> dict[str, Any]:
        """Returns the metrics of each task's kind; those by group, such as group AUC, if the schema names a group."""
        group = GROUP if self.schema.group else None
        return {task.name: metrics_of(task, group) for task in self.schema.tasks}

    def prepare_labels(self, y: Any, sample_weight: Any) -> tuple[Any, Any]:
        """Returns labels and weights; a task with a sample space has weight 0 outside of it."""
        return y, in_sample_space(self.schema.tasks, y, sample_weight)

    def call(self, inputs: Any, training: Any = None, mask: Any = None, **kwargs: Any) -> Any:
        """See Keras. The scores of ranking tasks carry the column that tells their lists apart, if the batch has it."""
        outputs = super().call(inputs, training=training, mask=mask, **kwargs)
        for task in self.schema.tasks:
            if task.kind == "ranking" and isinstance(inputs, Mapping) and task.lists in inputs:
                outputs[task.name].lists = inputs[task.lists]
        return outputs

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {"schema": self.schema.to_dict(), **self._settings, "name": self.name}

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Any = None) -> SchemaModel:
        """Inverse of `get_config`."""
        return cls(**config)

    def save_assets(self, dir_path: str) -> None:
        """See Keras; the vocabularies are kept in the model's file, so that it can be exported later."""
        folder = Path(dir_path) / VOCABULARY_FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        for name, vocabulary in self.schema.vocabularies.items():
            vocabulary.save(folder / f"{name}.parquet")

    def load_assets(self, dir_path: str) -> None:
        """See Keras."""
        files = sorted((Path(dir_path) / VOCABULARY_FOLDER).glob("*.parquet"))
        vocabularies = {file.stem: Vocabulary.load(file) for file in files}
        self._schema = (Schema.from_dict(self.schema.to_dict(), vocabularies),)


def as_schema(schema: Schema | Mapping[str, Any]) -> Schema:
    """Returns the schema itself, or the one that a config describes."""
    return schema if isinstance(schema, Schema) else Schema.from_dict(schema)
