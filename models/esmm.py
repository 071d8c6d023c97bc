"""ESMM: chained tasks, learnt over the entire space as products of probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from tf_gradcraft.data_pipelines.schema import Schema
from tf_gradcraft.models.chain import checked_chain, entire_space, multiplied
from tf_gradcraft.models.schema_model import Predict, SchemaModel, as_schema
from tf_gradcraft.training import SharedRepresentation


@keras.saving.register_keras_serializable("tf_gradcraft")
class ESMM(SchemaModel):
    r"""Entire space multi-task model.

    Ma et al., "Entire Space Multi-Task Model: An Effective Approach for Estimating Post-Click Conversion Rate", SIGIR
    2018. Each task has a tower on the shared embeddings. The tower of a chained task predicts the probability given
    that the earlier event happened, and **the output of a chained task is the product along the chain**: of
    `chain=("click", "buy")` the output `buy` is pCTCVR = pCTR pCVR, the probability of click *and* conversion at an
    impression. pCVR itself is the quotient of the two outputs. Tasks outside the chain are as in any other model.

    Losses are those of the paper: crossentropies of the outputs over all rows, so that pCVR is learnt without the bias
    towards clicked rows. For training and evaluation alike the label of a chained task is 0 wherever the earlier event
    did not happen, whatever mask or label the row has there (see `entire_space`). A chain may be longer than two, which
    the paper leaves out.

    Shared: embeddings, and the towers of all chained tasks but the last, whose losses they enter. Private: the other
    towers. Marked: the logits of the shared towers, and the input as the private towers see it.

    Args:
        schema: The schema, or what its `to_dict` returned.
        chain: Names of tasks, each following from the one before.
        tower_units: Widths of each task's tower; the paper's by default.
        **kwargs: See `SchemaModel`: `embedding_dim`, `backbone`, `dropout`, `l2`, `name`.

    Raises:
        ValueError: If the chain is empty or names a task twice or one that is not binary or not in the schema.

    Example:
        >>> from tf_gradcraft.data_pipelines.schema import Feature, Task
        >>> schema = Schema(features=[Feature(name="user", kind="categorical", dtype="int64", size=9)],
        ...                 tasks=[Task(name="click"), Task(name="buy")])
        >>> predictions = ESMM(schema, chain=("click", "buy"))({"user": keras.ops.array([1, 2])})
        >>> bool(keras.ops.all(predictions["buy"] < predictions["click"]))
        True
    """

    def __init__(
        self,
        schema: Schema,
        *,
        chain: Sequence[str],
        tower_units: Sequence[int] = (360, 200, 80),
        **kwargs: Any,
    ) -> None:
        schema = as_schema(schema)
        chain = checked_chain(chain, schema.tasks, "ESMM")

        def represent(encoded: Any) -> list[Any]:
            seen = SharedRepresentation(name="representation")(encoded)
            return [encoded if task in chain[:-1] else seen for task in schema.task_names]

        def link(logits: Any, predict: Predict) -> dict[str, Any]:
            return multiplied(chain, logits, predict)

        super().__init__(schema, represent, {"chain": list(chain)}, link=link, tower_units=tower_units, **kwargs)

    def prepare_labels(self, y: Any, sample_weight: Any) -> tuple[Any, Any]:
        """Returns the labels and weights over the entire space."""
        return entire_space(self._settings["chain"], *super().prepare_labels(y, sample_weight))
