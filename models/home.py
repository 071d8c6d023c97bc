"""HoME: experts of all tasks, of groups of tasks and of each task, in two levels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from tf_gradcraft.data_pipelines.schema import Schema
from tf_gradcraft.models.gated_expert import GatedExpert
from tf_gradcraft.models.schema_model import SchemaModel, as_schema
from tf_gradcraft.models.self_gate import SelfGate
from tf_gradcraft.suggestions import unknown_name
from tf_gradcraft.training import SharedRepresentation


@keras.saving.register_keras_serializable("tf_gradcraft")
class HoME(SchemaModel):
    """Hierarchy of multi-gate experts.

    Wang et al., "HoME: Hierarchy of Multi-Gate Experts for Multi-Task Learning at Kuaishou", 2024 (arXiv 2408.05430).
    The first level has experts common to all tasks and experts of each group of like tasks, and hands on one
    representation of each group and a common one. On it stand, in the second level, common experts, experts of each
    group and experts of each task. Experts and gates are those of the paper, see `GatedExpert` and `SelfGate`. Not
    implemented: several low-rank pairs in a feature gate, and different numbers of experts by kind.

    Shared: embeddings; the common experts, and of the first level the common gate and all experts; the other gates of
    the first level and group experts of the second too, where the group has several tasks. Private: the other modules.
    Marked: both representations as a task's own modules see them, and the common and group experts of the second level.

    Args:
        schema: The schema, or what its `to_dict` returned.
        groups: Groups of tasks by name, each task in one of them; by default all in one.
        num_experts: Number of experts of each kind.
        meta_units: Widths of the experts of the first level.
        expert_units: Widths of the experts of the second level.
        rank: Rank of the feature gates.
        dropout: Dropout in experts and towers.
        l2: Factor of the L2 penalty on looked-up embedding rows, and on kernels of experts and towers.
        **kwargs: See `SchemaModel`: `embedding_dim`, `backbone`, `tower_units`, `name`.

    Raises:
        ValueError: If the groups do not hold each task once.

    Example:
        >>> from tf_gradcraft.data_pipelines.schema import Feature, Task
        >>> schema = Schema(features=[Feature(name="user", kind="categorical", dtype="int64", size=9)],
        ...                 tasks=[Task(name="click"), Task(name="like"), Task(name="share")])
        >>> model = HoME(schema, groups=[["click"], ["like", "share"]])
        >>> [layer.name for layer in model.layers if layer.name.startswith("meta_group_1")]
        ['meta_group_1_expert_0', 'meta_group_1_gate']
    """

    def __init__(
        self,
        schema: Schema,
        *,
        groups: Sequence[Sequence[str]] | None = None,
        num_experts: int = 1,
        meta_units: Sequence[int] = (256, 128),
        expert_units: Sequence[int] = (64,),
        rank: int = 8,
        dropout: float = 0.2,
        l2: float = 0.0,
        **kwargs: Any,
    ) -> None:
        schema = as_schema(schema)
        groups = checked_groups([schema.task_names] if groups is None else groups, schema.task_names)

        def experts(of: str, units: Sequence[int], features: Any) -> list[Any]:
            return [
                GatedExpert(units, rank=rank, dropout=dropout, l2=l2, name=f"{of}_expert_{e}")(features)
                for e in range(num_experts)
            ]

        def gated(of: str, looked_at: Any, own: list[Any], others: list[Any]) -> Any:
            return SelfGate(len(own), len(others), name=f"{of}_gate")((looked_at, own, others))

        def represent(encoded: Any) -> list[Any]:
            meta_common = experts("meta_common", meta_units, encoded)
            meta = [experts(f"meta_group_{g}", meta_units, encoded) for g in range(len(groups))]
            everything = [expert for of_group in meta for expert in of_group]
            common = gated("meta_common", encoded, meta_common, everything)
            shared = experts("common", expert_units, common)
            mark = SharedRepresentation(name="representation")
            seen_common, seen_shared = mark([common, shared])
            outputs = {}
            for g, group in enumerate(groups):
                of_group = gated(f"meta_group_{g}", encoded, meta[g], meta_common)
                mark = SharedRepresentation(name=f"group_{g}_representation")
                seen, seen_experts = mark([of_group, experts(f"group_{g}", expert_units, of_group)])
                looked_at = keras.layers.Concatenate(name=f"group_{g}_gates_input")([seen, seen_common])
                for t in map(schema.task_names.index, group):
                    own = experts(f"task_{t}", expert_units, seen)
                    outputs[t] = gated(f"task_{t}", looked_at, own, [*seen_experts, *seen_shared])
            return [outputs[t] for t in range(len(schema.tasks))]

        settings = {
            "groups": [list(group) for group in groups],
            "num_experts": num_experts,
            "meta_units": list(meta_units),
            "expert_units": list(expert_units),
            "rank": rank,
        }
        super().__init__(schema, represent, settings, dropout=dropout, l2=l2, **kwargs)


def checked_groups(groups: Sequence[Sequence[str]], tasks: Sequence[str]) -> list[tuple[str, ...]]:
    """Returns groups of tasks as tuples.

    Raises:
        ValueError: If they name a task that does not exist, or not each task once.
    """
    named = [task for group in groups for task in group]
    for task in named:
        if task not in tasks:
            raise ValueError("HoME: groups: " + unknown_name("task", task, tasks))
    if sorted(named) != sorted(tasks) or not all(groups):
        raise ValueError(f"HoME: groups={groups!r} must hold each of these tasks once, none empty: {', '.join(tasks)}")
    return [tuple(group) for group in groups]
