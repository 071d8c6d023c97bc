"""DSelectK: shared experts, of which a gate of each task selects a few."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from tf_gradcraft.data_pipelines.schema import Schema
from tf_gradcraft.models.mixture import MultiGateMixture
from tf_gradcraft.models.schema_model import SchemaModel, as_schema


@keras.saving.register_keras_serializable("tf_gradcraft")
class DSelectK(SchemaModel):
    """MMoE with DSelect-k gates.

    Hazimeh et al., NeurIPS 2021, see `SelectingGate` for what is implemented and what not. Shared: embeddings and
    experts. Private: gates and towers. Marked: the experts, and the input as the gates see it.

    Args:
        schema: The schema, or what its `to_dict` returned.
        num_experts: Number of experts, a power of two.
        num_selected: Number of experts k that a gate selects at most.
        entropy: Factor of the penalty that draws the gates' selectors to one expert each.
        expert_units: Widths of each expert.
        dropout: Dropout in experts and towers.
        l2: Factor of the L2 penalty on looked-up embedding rows, and on kernels of experts and towers.
        **kwargs: See `SchemaModel`: `embedding_dim`, `backbone`, `tower_units`, `name`.

    Raises:
        ValueError: If `num_experts` is no power of two, or `num_selected` not from 1 to `num_experts`.

    Example:
        >>> from tf_gradcraft.data_pipelines.schema import Feature, Task
        >>> schema = Schema(features=[Feature(name="user", kind="categorical", dtype="int64", size=9)],
        ...                 tasks=[Task(name="click"), Task(name="like")])
        >>> DSelectK(schema, num_experts=8).get_layer("mixture").num_selected
        2
    """

    def __init__(
        self,
        schema: Schema,
        *,
        num_experts: int = 4,
        num_selected: int = 2,
        entropy: float = 0.0,
        expert_units: Sequence[int] = (256, 128, 64),
        dropout: float = 0.2,
        l2: float = 0.0,
        **kwargs: Any,
    ) -> None:
        schema = as_schema(schema)
        mixture = MultiGateMixture(
            len(schema.tasks),
            num_experts,
            expert_units,
            dropout=dropout,
            l2=l2,
            num_selected=num_selected,
            entropy=entropy,
            name="mixture",
        )
        settings: dict[str, Any] = {"num_experts": num_experts, "num_selected": num_selected, "entropy": entropy}
        settings["expert_units"] = list(expert_units)
        super().__init__(schema, mixture, settings, dropout=dropout, l2=l2, **kwargs)
