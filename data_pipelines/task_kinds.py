"""What a task's kind and loss stand for: labels, head, link function and default metrics, by name."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class TaskLoss:
    """One loss of a kind of task.

    Args:
        link: Name of the function from the head's outputs to the prediction.
        arguments: Names of the further fields of `Task` that belong to this loss.
        required: Those of them that must be given.
    """

    link: str
    arguments: tuple[str, ...] = ()
    required: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class TaskKind:
    """One kind of task.

    Args:
        losses: The losses by name, the default one first.
        metrics: Names of the default metrics. Those that need groups are left out where there is no group key.
    """

    losses: dict[str, TaskLoss]
    metrics: tuple[str, ...]


_RANKING = TaskLoss("identity", ("lists", "list_size"))

TASK_KINDS = {
    "binary": TaskKind({"crossentropy": TaskLoss("sigmoid")}, ("auc", "gauc")),
    "multiclass": TaskKind({"crossentropy": TaskLoss("softmax", ("classes",), ("classes",))}, ("accuracy", "log_loss")),
    "regression": TaskKind(
        {"mse": TaskLoss("identity", ("transform",)), "huber": TaskLoss("identity", ("transform", "delta"))},
        ("rmse", "mae"),
    ),
    "watch_time": TaskKind(
        {
            "weighted_logistic": TaskLoss("exp"),
            "duration_quantile": TaskLoss("quantile_value", ("duration", "boundaries", "quantiles"), ("duration",)),
        },
        ("rmse", "mae"),
    ),
    "ranking": TaskKind(
        {
            "pairwise_logistic": _RANKING,
            "pairwise_hinge": _RANKING,
            "pairwise_soft_zero_one": _RANKING,
            "list_mle": _RANKING,
        },
        ("ndcg_at_10",),
    ),
}
