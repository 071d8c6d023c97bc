"""PLE: levels of shared and task-specific experts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from tf_gradcraft.data_pipelines.schema import Schema
from tf_gradcraft.models.gate_control import GateControl
from tf_gradcraft.models.schema_model import SchemaModel, as_schema
from tf_gradcraft.training import SharedRepresentation


@keras.saving.register_keras_serializable("tf_gradcraft")
class PLE(SchemaModel):
    """Progressive layered extraction.

    Tang et al., RecSys 2020, see `GateControl`. Shared: embeddings and shared experts; below the last level all experts
    and the shared gate; below the last but one also the tasks' gates, whose outputs reach the other tasks through the
    next level's shared gate. Private: everything else of a task, and its tower. The defaults are those of the GradCraft
    paper: one level, one shared expert and one of each task, experts 256-128-64, towers 32-16.

    Args:
        schema: The schema, or what its `to_dict` returned.
        num_levels: Number of levels.
        specific_experts: Number of experts of each task in a level.
        shared_experts: Number of shared experts in a level.
        expert_units: Widths of each expert.
        dropout: Dropout in experts and towers.
        l2: Factor of the L2 penalty on looked-up embedding rows, and on kernels of experts and towers.
        **kwargs: See `SchemaModel`: `embedding_dim`, `backbone`, `tower_units`, `name`.

    Raises:
        ValueError: If `num_levels` is not positive.

    Example:
        >>> from tf_gradcraft.data_pipelines.schema import Feature, Task
        >>> schema = Schema(features=[Feature(name="user", kind="categorical", dtype="int64", size=9)],
        ...                 tasks=[Task(name="click"), Task(name="like")])
        >>> model = PLE(schema, num_levels=2, expert_units=[8])
        >>> {task: p.shape for task, p in model({"user": keras.ops.array([1, 2])}).items()}
        {'click': TensorShape([2, 1]), 'like': TensorShape([2, 1])}
    """

    def __init__(
        self,
        schema: Schema,
        *,
        num_levels: int = 1,
        specific_experts: int = 1,
        shared_experts: int = 1,
        expert_units: Sequence[int] = (256, 128, 64),
        dropout: float = 0.2,
        l2: float = 0.0,
        **kwargs: Any,
    ) -> None:
        if num_levels < 1:
            raise ValueError(f"PLE: num_levels={num_levels} must be positive")
        schema = as_schema(schema)

        def represent(encoded: Any) -> list[Any]:
            # With a single level the tasks' experts and gates are private and look at the encoded features.
            of_task = SharedRepresentation(name="representation")(encoded) if num_levels == 1 else encoded
            streams = [of_task] * len(schema.tasks) + [encoded]
            for level in range(num_levels):
                streams = GateControl(
                    len(schema.tasks),
                    expert_units,
                    specific_experts=specific_experts,
                    shared_experts=shared_experts,
                    last=level == num_levels - 1,
                    feeds_last=level == num_levels - 2,
                    dropout=dropout,
                    l2=l2,
                    name=f"level_{level}",
                )(streams)
            return streams

        settings = {
            "num_levels": num_levels,
            "specific_experts": specific_experts,
            "shared_experts": shared_experts,
            "expert_units": list(expert_units),
        }
        super().__init__(schema, represent, settings, dropout=dropout, l2=l2, **kwargs)
