"""Smooth Tchebycheff scalarisation: descend on a smooth maximum of the losses."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import ClassVar

import tensorflow as tf

from tf_gradcraft.balancing.base import Balancer, active_tasks, check_above, norms_of
from tf_gradcraft.balancing.by_task import TaskValues, check_length, in_task_order, task_values
from tf_gradcraft.balancing.epoch_means import epoch_means, means_init, with_losses
from tf_gradcraft.balancing.positive_losses import positive_losses
from tf_gradcraft.balancing.task_softmax import task_softmax
from tf_gradcraft.linalg import safe_divide


@dataclasses.dataclass(frozen=True, kw_only=True)
class STCH(Balancer):
    r"""Takes the gradient of a smooth maximum of the tasks' losses.

    $L = \mu \log \sum_t \exp\left(\lambda_t (L_t - z_t) / \mu\right)$, so
    $w_t = \lambda_t\, \mathrm{softmax}\left(\lambda (L - z) / \mu\right)_t$: the task that is furthest from its ideal
    value $z_t$ counts most; the smaller $\mu$, the more it alone does.

    Losses of different kinds can't be compared by their value. With `warmup_epochs` the method works on logarithms, as
    in the paper's multi-task experiments: during the warm-up it descends on the mean of $\lambda_t \log L_t$, then on
    the smooth maximum of $\log (L_t / \bar L_t)$, with $\bar L_t$ the mean loss in the last epoch of the warm-up;
    weights are then $w_t = \lambda_t\, \mathrm{softmax}\left(\lambda \log (L / \bar L) / \mu\right)_t / L_t$, and $z$
    is 0. `fit` tells the balancer when an epoch ends; with `train_on_batch` call `model.end_epoch()`.

    Paper: Lin et al., "Smooth Tchebycheff Scalarization for Multi-Objective Optimization", ICML 2024, arXiv 2402.19078.

    Args:
        mu: Smoothness, above 0.
        preference: $\lambda$: `{task: value}` or a list in the order of the tasks; values are not negative. 1 each by
            default.
        ideal: The ideal point $z$, in the same form; 0 by default. Not with a warm-up.
        warmup_epochs: Epochs of warm-up, 0 or more; 0 works on the losses as they are.
        parts: See `Balancer`. Makes no difference to this method.

    Raises:
        ValueError: If a hyper-parameter is out of range. When the tasks are known, in `for_tasks`: if a name is no task
            or a task has no value.

    Example:
        >>> weights, _ = STCH(mu=0.5).weights(tf.eye(2)[tf.newaxis], tf.constant([1.0, 0.5]), STCH().init(2))
        >>> weights.numpy().round(3).tolist()
        [[0.731, 0.269]]
    """

    mu: float = 1.0
    preference: TaskValues | None = None
    ideal: TaskValues | None = None
    warmup_epochs: int = 0

    needs: ClassVar[str] = "losses"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_above("STCH", "mu", self.mu, 0)
        object.__setattr__(self, "preference", task_values("STCH", "preference", self.preference, low=0))
        object.__setattr__(self, "ideal", task_values("STCH", "ideal", self.ideal))
        if not (isinstance(self.warmup_epochs, int) and self.warmup_epochs >= 0):
            raise ValueError(f"STCH: warmup_epochs={self.warmup_epochs!r} must be a whole number, 0 or more")
        if self.warmup_epochs and self.ideal is not None:
            raise ValueError("STCH: with warmup_epochs the ideal point is that of log losses, 0; leave out ideal")

    def for_tasks(self, tasks: Sequence[str]) -> STCH:
        """See `Balancer.for_tasks`."""
        return dataclasses.replace(
            self,
            preference=in_task_order("STCH", "preference", self.preference, tasks),
            ideal=in_task_order("STCH", "ideal", self.ideal, tasks),
        )

    def init(self, num_tasks, num_parts=1):
        """Returns, with a warm-up, its epochs so far, sums and counts of losses, and mean losses [T]; else nothing."""
        if not self.warmup_epochs:
            return {}
        reference = tf.zeros([num_tasks], tf.float64)
        return {**means_init(num_tasks), "epochs": tf.zeros([], tf.int64), "reference": reference}

    def weights(self, gram, losses, state, seed=None):
        """See `Balancer.weights`."""
        active = active_tasks(gram)
        preference = self._values("preference", active, 1.0)
        if not self.warmup_epochs:
            excess = tf.cast(losses, tf.float64) - self._values("ideal", active, 0.0)
            weights = preference * task_softmax(preference * excess / self.mu, active)
            return tf.ones_like(norms_of(gram)) * weights, state

        losses = positive_losses("STCH", losses, active)
        known = state["reference"] > 0
        # A task that had no labelled row in the warm-up counts as one that stands at its mean.
        ratios = tf.where(known, losses / tf.where(known, state["reference"], losses), tf.ones_like(losses))
        shares = tf.where(
            state["epochs"] < self.warmup_epochs,
            safe_divide(active, tf.reduce_sum(active)),
            task_softmax(preference * tf.math.log(ratios) / self.mu, active),
        )
        weights = preference * shares / losses
        return tf.ones_like(norms_of(gram)) * weights, with_losses(state, losses, active)

    def end_epoch(self, state):
        """See `Balancer.end_epoch`."""
        if not self.warmup_epochs:
            return state
        means, seen, emptied = epoch_means(state)
        taken = seen & (state["epochs"] < self.warmup_epochs)
        return {
            **emptied,
            "epochs": state["epochs"] + 1,
            "reference": tf.where(taken, means, state["reference"]),
        }

    def _values(self, argument: str, active: tf.Tensor, default: float) -> tf.Tensor:
        values = getattr(self, argument)
        if values is None:
            return default * tf.ones_like(active)
        check_length("STCH", argument, values, active.shape[0])
        return tf.constant(values, tf.float64)
