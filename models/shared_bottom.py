"""Shared bottom: one network for all tasks, a tower each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from tf_gradcraft.data_pipelines.schema import Schema
from tf_gradcraft.models.mlp import MLP
from tf_gradcraft.models.schema_model import SchemaModel, as_schema
from tf_gradcraft.training import SharedRepresentation


@keras.saving.register_keras_serializable("tf_gradcraft")
class SharedBottom(SchemaModel):
    """One shared network below all towers.

    Caruana, "Multitask Learning", Machine Learning 28, 1997. Shared: embeddings and bottom. Private: towers.

    Args:
        schema: The schema, or what its `to_dict` returned.
        bottom_units: Widths of the shared network.
        dropout: Dropout in bottom and towers.
        l2: Factor of the L2 penalty on looked-up embedding rows and on all kernels.
        **kwargs: See `SchemaModel`: `embedding_dim`, `backbone`, `tower_units`, `name`.

    Example:
        >>> from tf_gradcraft.data_pipelines.schema import Feature, Task
        >>> schema = Schema(features=[Feature(name="user", kind="categorical", dtype="int64", size=9)],
        ...                 tasks=[Task(name="click"), Task(name="like")])
        >>> list(SharedBottom(schema).output)
        ['click', 'like']
    """

    def __init__(
        self,
        schema: Schema,
        *,
        bottom_units: Sequence[int] = (256, 128, 64),
        dropout: float = 0.2,
        l2: float = 0.0,
        **kwargs: Any,
    ) -> None:
        schema = as_schema(schema)

        def represent(encoded: Any) -> list[Any]:
            bottom = MLP(bottom_units, dropout=dropout, l2=l2, name="bottom")(encoded)
            return [SharedRepresentation(name="representation")(bottom)] * len(schema.tasks)

        settings = {"bottom_units": list(bottom_units)}
        super().__init__(schema, represent, settings, dropout=dropout, l2=l2, **kwargs)
