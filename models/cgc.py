"""CGC: shared experts and experts of each task, mixed by a gate of each task."""

from __future__ import annotations

from typing import Any

import keras

from tf_gradcraft.data_pipelines.schema import Schema
from tf_gradcraft.models.ple import PLE


@keras.saving.register_keras_serializable("tf_gradcraft")
class CGC(PLE):
    """Customised gate control, the single-level form of PLE.

    Tang et al., RecSys 2020, see `GateControl`; the same as `PLE` with one level. Implemented as the paper has it, but
    with as many own experts for one task as for another. Shared: embeddings and shared experts. Private: the experts,
    the gate and the tower of a task. Marked: the shared experts, and the input as the tasks' own experts and gates see
    it.

    Args:
        schema: The schema, or what its `to_dict` returned.
        **kwargs: See `PLE`; all but `num_levels`.

    Example:
        >>> from tf_gradcraft.data_pipelines.schema import Feature, Task
        >>> schema = Schema(features=[Feature(name="user", kind="categorical", dtype="int64", size=9)],
        ...                 tasks=[Task(name="click"), Task(name="like")])
        >>> len(CGC(schema, shared_experts=2).get_layer("level_0").shared)
        2
    """

    def __init__(self, schema: Schema, **kwargs: Any) -> None:
        super().__init__(schema, num_levels=1, **kwargs)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = super().get_config()
        del config["num_levels"]
        return config
