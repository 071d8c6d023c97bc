"""MMoE: shared experts, mixed by a gate of each task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from tf_gradcraft.data_pipelines.schema import Schema
from tf_gradcraft.models.mixture import MultiGateMixture
from tf_gradcraft.models.schema_model import SchemaModel, as_schema


@keras.saving.register_keras_serializable("tf_gradcraft")
class MMoE(SchemaModel):
    """Multi-gate mixture of experts.

    Ma et al., KDD 2018, see `MultiGateMixture`. Shared: embeddings and experts. Private: gates and towers.

    Args:
        schema: The schema, or what its `to_dict` returned.
        num_experts: Number of experts.
        expert_units: Widths of each expert.
        dropout: Dropout in experts and towers.
        l2: Factor of the L2 penalty on looked-up embedding rows, and on kernels of experts and towers.
        **kwargs: See `SchemaModel`: `embedding_dim`, `backbone`, `tower_units`, `name`.

    Example:
        >>> from tf_gradcraft.data_pipelines.schema import Feature, Task
        >>> schema = Schema(features=[Feature(name="user", kind="categorical", dtype="int64", size=9)],
        ...                 tasks=[Task(name="click"), Task(name="like")])
        >>> MMoE(schema, num_experts=2).get_layer("mixture").num_experts
        2
    """

    def __init__(
        self,
        schema: Schema,
        *,
        num_experts: int = 4,
        expert_units: Sequence[int] = (256, 128, 64),
        dropout: float = 0.2,
        l2: float = 0.0,
        **kwargs: Any,
    ) -> None:
        schema = as_schema(schema)
        mixture = MultiGateMixture(len(schema.tasks), num_experts, expert_units, dropout=dropout, l2=l2, name="mixture")
        settings = {"num_experts": num_experts, "expert_units": list(expert_units)}
        super().__init__(schema, mixture, settings, dropout=dropout, l2=l2, **kwargs)
