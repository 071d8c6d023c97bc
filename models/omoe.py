"""OMoE: shared experts, mixed once for all tasks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from tf_gradcraft.data_pipelines.schema import Schema
from tf_gradcraft.models.gate import Gate
from tf_gradcraft.models.mlp import MLP
from tf_gradcraft.models.schema_model import SchemaModel, as_schema
from tf_gradcraft.training import SharedRepresentation


@keras.saving.register_keras_serializable("tf_gradcraft")
class OMoE(SchemaModel):
    """One-gate mixture of experts.

    The baseline of Ma et al., "Modeling Task Relationships in Multi-task Learning with Multi-gate Mixture-of-Experts",
    KDD 2018: a single softmax gate mixes the experts for all tasks. Implemented as the paper has it.
    Shared: embeddings, experts and gate. Private: towers. Marked: the mixture.

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
        >>> OMoE(schema, num_experts=3).get_layer("gate").num_experts
        3
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

        def represent(encoded: Any) -> list[Any]:
            gate = Gate(num_experts, name="gate")
            experts = [
                MLP(expert_units, dropout=dropout, l2=l2, name=f"expert_{e}")(encoded) for e in range(num_experts)
            ]
            return [SharedRepresentation(name="representation")(gate((encoded, experts)))] * len(schema.tasks)

        settings = {"num_experts": num_experts, "expert_units": list(expert_units)}
        super().__init__(schema, represent, settings, dropout=dropout, l2=l2, **kwargs)
