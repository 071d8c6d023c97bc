"""What a batch holds."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tf_gradcraft.data_pipelines.schema import GROUP, Schema


@dataclasses.dataclass(frozen=True)
class Layout:
    """What an element of a dataset holds.

    Args:
        features: Names of the columns of the first part of an element.
        masks: For each task (a column of labels) the name of its mask column, or None.
    """

    features: Sequence[str]
    masks: Mapping[str, str | None]

    @property
    def columns(self) -> list[str]:
        """Names of all columns that are needed, each once."""
        return list(dict.fromkeys([*self.features, *self.masks, *(mask for mask in self.masks.values() if mask)]))

    def element(self, batch: Mapping[str, Any]) -> tuple:
        """Returns `(features, labels)` or, when there is any mask, `(features, labels, weights)` of a batch."""
        parts: tuple = ({name: batch[name] for name in self.features}, {task: batch[task] for task in self.masks})
        if any(self.masks.values()):
            import tensorflow as tf

            ones = tf.ones_like(batch[next(iter(self.masks))])
            parts += ({task: batch[mask] if mask else ones for task, mask in self.masks.items()},)
        return parts


def layout_of(schema: Schema, tasks: Iterable[str] | None = None, features: Iterable[str] | None = None) -> Layout:
    """Returns the layout of batches with these tasks and features, and the group key.

    Args:
        schema: The schema.
        tasks: Names of the tasks, in this order; all by default. Those that open a sample space of one of them come
            along.
        features: Names of the features, in this order; all by default.

    Raises:
        ValueError: If a name is not known, or none is given.

    Example:
        >>> from tf_gradcraft.data_pipelines import Feature, Task
        >>> schema = Schema(features=[Feature(name="age", kind="numeric")], tasks=[Task(name="a"), Task(name="b")])
        >>> layout_of(schema, tasks=["b"]).columns
        ['age', 'group', 'b']
    """
    chosen = [schema.task(name) for name in (schema.task_names if tasks is None else tasks)]
    # What opens a sample space is needed as a label, whether the task itself is trained or not.
    chosen += [schema.task(task.sample_space) for task in chosen if task.sample_space]
    masks = {task.name: task.mask for task in chosen}
    names = [schema.feature(name).name for name in (schema.feature_names if features is None else features)]
    if not masks or not names:
        raise ValueError("load needs at least one task and one feature")
    return Layout([*names, GROUP], masks)
