"""One thing to predict, as the schema describes it."""

from __future__ import annotations

import dataclasses
import itertools
import math
from typing import Any

from tf_gradcraft.data_pipelines.task_kinds import TASK_KINDS, TaskLoss
from tf_gradcraft.suggestions import unknown_name

TRANSFORMS = (None, "log1p")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Task:
    r"""One thing to predict: its label, its loss, and with them head, link function and default metrics.

    | kind | label | losses (default first) | prediction |
    |---|---|---|---|
    | `"binary"` | 0 or 1 | `"crossentropy"` | probability [B, 1] |
    | `"multiclass"` | a class, 0 to `classes` - 1 | `"crossentropy"` | probabilities [B, classes] |
    | `"regression"` | a number | `"mse"`, `"huber"` | the number [B, 1] |
    | `"watch_time"` | a time >= 0 | `"weighted_logistic"`, `"duration_quantile"` | expected or typical time [B, 1] |
    | `"ranking"` | a relevance >= 0 | `"pairwise_logistic"` and others, see `TASK_KINDS` | a score [B, 1] |

    Args:
        name: Name of the task: of the model's output, of its label column and of its metrics.
        kind: What is predicted, see the table.
        mask: Name of the column with the weight of each row's label (0 = not labelled), or None when every row is.
        loss: Name of the loss; the first of the kind by default.
        sample_space: Name of the binary task whose event must have happened for a row to count, or None. The label of
            that task (0 where it has none) is the weight of the row, times that of `mask`.
        classes: Multi-class tasks: number of classes, at least 2.
        transform: Regression: `"log1p"` fits $\log(1 + y)$, and the prediction is taken back by `expm1`; labels are
            then >= 0. None fits y itself.
        delta: Huber loss: the (transformed) error from which on it is linear.
        duration: Loss `"duration_quantile"`: name of the numeric feature with the length of the item.
        boundaries: Loss `"duration_quantile"`: durations that part the G groups of rows, increasing, G - 1 numbers.
        quantiles: Loss `"duration_quantile"`: for each group the quantiles of its watch times at evenly spaced levels
            from 0 to 1, not decreasing. Empty until `fit_duration_quantiles` sets both from the training rows.
        lists: Ranking: name of the column whose values tell the lists apart: `"group"` or a feature. None: every
            `list_size` rows in a row are a list, for batches that hold whole lists in order.
        list_size: Ranking: most rows of one list in a batch; further ones do not count.

    Raises:
        ValueError: If a kind or loss is not known, or an argument does not fit them.

    Example:
        >>> Task(name="click").loss, Task(name="watch", kind="regression", transform="log1p").link
        ('crossentropy', 'expm1')
    """

    name: str
    kind: str = "binary"
    mask: str | None = None
    loss: str = ""
    sample_space: str | None = None
    classes: int | None = None
    transform: str | None = None
    delta: float = 1.0
    duration: str | None = None
    boundaries: tuple[float, ...] = ()
    quantiles: tuple[tuple[float, ...], ...] = ()
    lists: str | None = "group"
    list_size: int = 50

    def __post_init__(self) -> None:
        where = f"task {self.name!r}"
        if self.kind not in TASK_KINDS:
            raise ValueError(f"{where}: " + unknown_name("kind", self.kind, tuple(TASK_KINDS)))
        losses = TASK_KINDS[self.kind].losses
        if not self.loss:
            object.__setattr__(self, "loss", next(iter(losses)))
        if self.loss not in losses:
            raise ValueError(f"{where}: " + unknown_name(f"loss of a {self.kind} task", self.loss, tuple(losses)))
        # JSON knows no tuples; a schema must stay hashable.
        object.__setattr__(self, "boundaries", tuple(self.boundaries))
        object.__setattr__(self, "quantiles", tuple(tuple(of_group) for of_group in self.quantiles))
        self._check_arguments(where)
        if self.sample_space == self.name:
            raise ValueError(f"{where}: sample_space names the task itself; name the task whose event must come first")
        if self.classes is not None and self.classes < 2:
            raise ValueError(f"{where}: classes must be at least 2, got {self.classes}")
        if self.transform not in TRANSFORMS:
            raise ValueError(f"{where}: transform={self.transform!r} is not known; use 'log1p' or None")
        if not (self.delta > 0 and math.isfinite(self.delta)):
            raise ValueError(f"{where}: delta must be positive, got {self.delta}")
        if self.list_size < 2:
            raise ValueError(f"{where}: list_size must be at least 2, got {self.list_size}")
        self._check_quantiles(where)

    @property
    def outputs(self) -> int:
        """Number of outputs of the head, and of columns of the prediction."""
        return self.classes or 1

    @property
    def link(self) -> str:
        """Name of the function from the head's outputs to the prediction."""
        return "expm1" if self.transform else self._of_loss.link

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the default metrics."""
        return TASK_KINDS[self.kind].metrics

    @property
    def _of_loss(self) -> TaskLoss:
        return TASK_KINDS[self.kind].losses[self.loss]

    def _check_arguments(self, where: str) -> None:
        """Refuses arguments that belong to other losses, and the lack of those that this one needs."""
        optional = {field for kind in TASK_KINDS.values() for loss in kind.losses.values() for field in loss.arguments}
        defaults: dict[str, Any] = {field.name: field.default for field in dataclasses.fields(self)}
        for field in sorted(optional):
            given = getattr(self, field) != defaults[field]
            if given and field not in self._of_loss.arguments:
                raise ValueError(f"{where}: {field} has no meaning for kind={self.kind!r} with loss={self.loss!r}")
            if field in self._of_loss.required and not given:
                raise ValueError(f"{where}: kind={self.kind!r} with loss={self.loss!r} needs {field}")

    def _check_quantiles(self, where: str) -> None:
        boundaries, quantiles = self.boundaries, self.quantiles
        if not boundaries and not quantiles:
            return
        if len(quantiles) != len(boundaries) + 1 or not increasing(boundaries, strictly=True):
            raise ValueError(
                f"{where}: boundaries must increase and part one group more than there are, got {len(boundaries)} "
                f"boundaries and quantiles of {len(quantiles)} groups; take those of fit_duration_quantiles"
            )
        if len({len(of_group) for of_group in quantiles}) > 1 or len(quantiles[0]) < 2:
            raise ValueError(f"{where}: every group needs the same number of quantiles, two or more")
        if not all(increasing(of_group) and of_group[0] >= 0 for of_group in quantiles):
            raise ValueError(f"{where}: the quantiles of a group must be finite, >= 0, and not decrease")


def increasing(values: tuple[float, ...], strictly: bool = False) -> bool:
    """Whether finite values increase, or at least do not decrease.

    Example:
        >>> increasing((1.0, 1.0, 2.0)), increasing((1.0, 1.0), strictly=True)
        (True, False)
    """
    pairs = itertools.pairwise(values)
    return all(map(math.isfinite, values)) and all(a < b or (a == b and not strictly) for a, b in pairs)
