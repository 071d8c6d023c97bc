"""AITM: each task of a chain hands what it knows to the next."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from tf_gradcraft.data_pipelines.schema import Schema
from tf_gradcraft.models.chain import checked_chain
from tf_gradcraft.models.information_transfer import InformationTransfer
from tf_gradcraft.models.mlp import MLP
from tf_gradcraft.models.order_penalty import OrderPenalty
from tf_gradcraft.models.schema_model import Predict, SchemaModel, as_schema
from tf_gradcraft.training import SharedRepresentation


@keras.saving.register_keras_serializable("tf_gradcraft")
class AITM(SchemaModel):
    """Adaptive information transfer multi-task model.

    Xi et al., KDD 2021, see `InformationTransfer`. Each task has a network of its own on the shared embeddings. Along
    the chain a task joins what its network returns with what the task before it has; on that stands its tower. A
    penalty keeps the probability of a task below that of the task before, see `OrderPenalty`.

    **The output of a chained task is its probability at any row**, for `("click", "buy")` that of click and conversion:
    labels are taken as they are, so give them over all rows. The penalty is a regularisation loss: it is added to the
    update unbalanced, and counts in `loss` but in no task's loss. Not implemented: tasks that follow from several.

    Shared: embeddings; networks and transfers of all chained tasks but the last. Private: all else of a task. Marked:
    what the towers of those tasks see (the transfer to the last task sees the same), and the input as private networks
    see it.

    Args:
        schema: The schema, or what its `to_dict` returned.
        chain: Names of tasks, each following from the one before; all tasks in the schema's order by default.
        expert_units: Widths of each task's network.
        order_penalty: Factor of the penalty.
        dropout: Dropout in networks and towers.
        l2: Factor of the L2 penalty on looked-up embedding rows, and on kernels of networks and towers.
        **kwargs: See `SchemaModel`: `embedding_dim`, `backbone`, `tower_units`, `name`.

    Raises:
        ValueError: If the chain is empty or names a task twice or one that is not binary or not in the schema.

    Example:
        >>> from tf_gradcraft.data_pipelines.schema import Feature, Task
        >>> schema = Schema(features=[Feature(name="user", kind="categorical", dtype="int64", size=9)],
        ...                 tasks=[Task(name="click"), Task(name="buy"), Task(name="share")])
        >>> model = AITM(schema, chain=("click", "buy"))
        >>> [layer.name for layer in model.layers if layer.name.endswith("transfer")]
        ['buy_transfer']
    """

    def __init__(
        self,
        schema: Schema,
        *,
        chain: Sequence[str] | None = None,
        expert_units: Sequence[int] = (256, 128, 64),
        order_penalty: float = 0.6,
        dropout: float = 0.2,
        l2: float = 0.0,
        **kwargs: Any,
    ) -> None:
        schema = as_schema(schema)
        chain = checked_chain(schema.task_names if chain is None else chain, schema.tasks, "AITM")

        def represent(encoded: Any) -> list[Any]:
            seen = SharedRepresentation(name="representation")(encoded)
            outputs = {
                task: MLP(expert_units, dropout=dropout, l2=l2, name=f"{task}_network")(
                    encoded if task in chain[:-1] else seen
                )
                for task in schema.task_names
            }
            handed_on = outputs[chain[0]]
            for position, task in enumerate(chain):
                if position:
                    transfer = InformationTransfer(expert_units[-1], name=f"{task}_transfer")
                    handed_on = transfer([handed_on, outputs[task]])
                outputs[task] = handed_on
                if task != chain[-1]:
                    outputs[task] = SharedRepresentation(name=f"{task}_representation")(handed_on)
                if position == len(chain) - 2:
                    # From here to the last task all is private to it.
                    handed_on = outputs[task]
            return list(outputs.values())

        def link(logits: Mapping[str, Any], predict: Predict) -> dict[str, Any]:
            outputs = predict(logits)
            for earlier, later in itertools.pairwise(chain):
                penalty = OrderPenalty(order_penalty, name=f"{later}_order", dtype="float32")
                outputs[later] = penalty([outputs[earlier], outputs[later]])
            return outputs

        settings = {"chain": list(chain), "expert_units": list(expert_units), "order_penalty": order_penalty}
        super().__init__(schema, represent, settings, link=link, dropout=dropout, l2=l2, **kwargs)
