"""STEM: shared and task-specific embeddings, and gates that look at every task and teach only their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from tf_gradcraft.data_pipelines.schema import Schema
from tf_gradcraft.models.feature_encoding import embedding_groups, normalised_numbers, side_by_side
from tf_gradcraft.models.gate import Gate
from tf_gradcraft.models.mlp import MLP
from tf_gradcraft.models.schema_model import SchemaModel, as_schema
from tf_gradcraft.models.task_embeddings import TaskEmbeddings
from tf_gradcraft.training import SharedRepresentation


@keras.saving.register_keras_serializable("tf_gradcraft")
class STEM(SchemaModel):
    """Shared and task-specific embeddings (STEM-Net).

    Su et al., "STEM: Unleashing the Power of Embeddings for Multi-task Recommendation", AAAI 2024. Every task has
    embedding tables of its own beside the shared ones; its experts see its own embeddings, the shared experts the
    shared ones. A task's gate mixes its own experts, the shared ones and those of all other tasks, but no gradient
    goes back into the others' ("all forward, task-specific backward"). The gate looks at the task's own encoded
    features beside the shared ones, which is our choice. Not implemented: several levels.

    Histories have an attention of each task too. Normalised numbers have no parameters and are the same for all tasks;
    a backbone's layers are there T + 1 times, on each task's embeddings and on the shared ones. There are T + 1 times
    as many embeddings as in other models; an export in a smaller type makes only the shared ones smaller.

    Shared: shared embeddings and experts. Private: the embeddings, the experts, the gate and the tower of a task.
    Marked: the shared experts, and the shared encoded features as the gates see them.

    Args:
        schema: The schema, or what its `to_dict` returned.
        specific_experts: Number of experts of each task.
        shared_experts: Number of shared experts.
        expert_units: Widths of each expert.
        dropout: Dropout in experts and towers.
        l2: Factor of the L2 penalty on looked-up embedding rows, and on kernels of experts and towers.
        **kwargs: See `SchemaModel`: `embedding_dim`, `backbone`, `tower_units`, `name`.

    Raises:
        ValueError: If there is not at least one expert of each kind.

    Example:
        >>> from tf_gradcraft.data_pipelines.schema import Feature, Task
        >>> schema = Schema(features=[Feature(name="user", kind="categorical", dtype="int64", size=9)],
        ...                 tasks=[Task(name="click"), Task(name="like")])
        >>> len(STEM(schema).get_layer("task_embeddings").of_tasks)
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
        if specific_experts < 1 or shared_experts < 1:
            raise ValueError(
                f"STEM: specific_experts and shared_experts must be positive, got {specific_experts} and "
                f"{shared_experts}"
            )
        schema = as_schema(schema)

        def represent(encoded: Sequence[Any]) -> list[Any]:
            *own, common = encoded

            def experts(of: str, number: int, features: Any) -> list[Any]:
                return [
                    MLP(expert_units, dropout=dropout, l2=l2, name=f"{of}_expert_{e}")(features) for e in range(number)
                ]

            shared = SharedRepresentation(name="representation")(experts("shared", shared_experts, common))
            seen = SharedRepresentation(name="gates_input")(common)
            specific = [experts(f"task_{t}", specific_experts, features) for t, features in enumerate(own)]
            untaught = [[keras.ops.stop_gradient(expert) for expert in of_task] for of_task in specific]
            mixtures = []
            for t, features in enumerate(own):
                others = [expert for other, of_task in enumerate(untaught) if other != t for expert in of_task]
                mixed = [*specific[t], *shared, *others]
                looked_at = keras.layers.Concatenate(name=f"gate_{t}_input")([features, seen])
                mixtures.append(Gate(len(mixed), name=f"gate_{t}")((looked_at, mixed)))
            return mixtures

        settings = {
            "specific_experts": specific_experts,
            "shared_experts": shared_experts,
            "expert_units": list(expert_units),
        }
        super().__init__(schema, represent, settings, dropout=dropout, l2=l2, **kwargs)

    @staticmethod
    def encode(schema: Schema, inputs: Mapping[str, Any], embedding_dim: int, l2: float, backbone: str) -> list[Any]:
        """Returns what experts see [B, D] T + 1 times: by each task's embeddings, then by the shared ones."""
        common = SchemaModel.encode(schema, inputs, embedding_dim, l2, backbone)
        groups = embedding_groups(schema, embedding_dim, backbone)
        if not groups:
            return [common] * (len(schema.tasks) + 1)
        embedded = {
            name: TaskEmbeddings(len(schema.tasks), **group, l2=l2, name=f"task_{name}")(
                {feature: inputs[feature] for feature in group["tables"]}
            )
            for name, group in groups.items()
        }
        # Not a slice of what all share: by that, every task would depend on the shared tables.
        numbers = normalised_numbers(schema, inputs, "task_numbers")
        of_tasks = [
            side_by_side({name: rows[t] for name, rows in embedded.items()}, numbers, backbone, l2, f"task_{t}_")
            for t in range(len(schema.tasks))
        ]
        return [*of_tasks, common]
