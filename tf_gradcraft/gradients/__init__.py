"""The gradient engine: per-task gradients, their Gram matrix and their weighted combination. Knows no method."""

from tf_gradcraft.gradients.parts import Parts, assign_parts
from tf_gradcraft.gradients.replicas import replica_count, sum_over_replicas
from tf_gradcraft.gradients.representation import MarksError, Representation, RepresentationGradients
from tf_gradcraft.gradients.rows import add_gradients, join_gradients, split_gradients, sum_duplicate_rows
from tf_gradcraft.gradients.task_gradients import TaskGradients, task_gradients
from tf_gradcraft.gradients.weighted import weighted_gradients

__all__ = [
    "MarksError",
    "Parts",
    "Representation",
    "RepresentationGradients",
    "TaskGradients",
    "add_gradients",
    "assign_parts",
    "join_gradients",
    "replica_count",
    "split_gradients",
    "sum_duplicate_rows",
    "sum_over_replicas",
    "task_gradients",
    "weighted_gradients",
]
