"""CGC: shared experts and experts of each task, mixed by a gate of each task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from tf_gradcraft.data_pipelines.schema import Schema
from tf_gradcraft.models.gate_control import GateControl
from tf_gradcraft.models.schema_model import SchemaModel, as_schema
from tf_gradcraft.training import SharedRepresentation


@keras.saving.register_keras_serializable("tf_gradcraft")
class CGC(SchemaModel):
    """Customised gate control, the single-level form of PLE.

    Tang et al., RecSys 2020, see `GateControl`; the same as `PLE` with one level. Implemented as the paper has it, but
    with as many own experts for one task as for another. Shared: embeddings and shared experts. Private: the experts,
    the gate and the tower of a task. Marked: the shared experts, and the input as the tasks' own experts and gates see
    it.

    Args:
        schema: The schema, or what its `to_dict` returned.
        specific_experts: Number of experts of each task.
        shared_experts: Number of shared experts.
        expert_units: Widths of each expert.
        dropout: Dropout in experts and towers.
        l2: Factor of the L2 penalty on looked-up embedding rows, and on kernels of experts and towers.
        **kwargs: See `SchemaModel`: `embedding_dim`, `tower_units`, `name`.

    Example:
        >>> from tf_gradcraft.data_pipelines.schema import Feature, Task
        >>> schema = Schema(features=[Feature(name="user", kind="categorical", dtype="int64", size=9)],
        ...                 tasks=[Task(name="click"), Task(name="like")])
        >>> len(CGC(schema, shared_experts=2).get_layer("control").shared)
        2
    """

    def __init__(
        self,
        schema: Schema,
        *,
        specific_experts: int = 1,
        shared_experts: int = 1,
        expert_units: Sequence[int] = (256, 128, 64),
        dropout: float = 0.2,
        l2: float = 0.0,
        **kwargs: Any,
    ) -> None:
        schema = as_schema(schema)
        control = GateControl(
            len(schema.tasks),
            expert_units,
            specific_experts=specific_experts,
            shared_experts=shared_experts,
            dropout=dropout,
            l2=l2,
            name="control",
        )

        def represent(encoded: Any) -> list[Any]:
            of_task = SharedRepresentation(name="representation")(encoded)
            return control([of_task] * len(schema.tasks) + [encoded])

        settings = {
            "specific_experts": specific_experts,
            "shared_experts": shared_experts,
            "expert_units": list(expert_units),
        }
        super().__init__(schema, represent, settings, dropout=dropout, l2=l2, **kwargs)
