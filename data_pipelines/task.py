"""One thing to predict, as the schema describes it."""

from __future__ import annotations

import dataclasses

from tf_gradcraft.suggestions import unknown_name

TASK_KINDS = ("binary",)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Task:
    """One thing to predict.

    Args:
        name: Name of the task: of the model's output, of its label column and of its metrics.
        kind: `"binary"`: a label in {0, 1}, a predicted probability.
        mask: Name of the column with the weight of each row's label (0 = not labelled), or None when every row is.

    Raises:
        ValueError: If the kind is not known.

    Example:
        >>> Task(name="click").kind
        'binary'
    """

    name: str
    kind: str = "binary"
    mask: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in TASK_KINDS:
            raise ValueError(f"task {self.name!r}: " + unknown_name("kind", self.kind, TASK_KINDS))
