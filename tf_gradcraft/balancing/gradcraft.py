"""GradCraft: equalise the task gradients' norms in part, then project away all conflicts at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import tensorflow as tf

from tf_gradcraft.balancing.base import Balancer, State, active_tasks, check_range, norms_of, scaled_gram
from tf_gradcraft.balancing.magnitude import MAGNITUDES, resolve_magnitude, target_norm
from tf_gradcraft.balancing.pcgrad import project_in_order, random_order
from tf_gradcraft.linalg import masked_solve, nonnegative_qp, safe_divide
from tf_gradcraft.suggestions import unknown_name

PROJECTIONS = ("one_shot", "exact", "local")

SMALLEST_RIDGE = 1e-13
"""Ridge of the exact projection, where epsilon asks for no larger one."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class GradCraft(Balancer):
    r"""Aligns gradient norms towards the largest, then projects each gradient to agree with all it conflicts with.

    With norms $n_i$, $M = \max_t n_t$ and the Gram matrix $A$ of a part:

    1. Magnitude: $s_i = \tau M / n_i + (1 - \tau)$, $\hat g_i = s_i g_i$, $K = \mathrm{diag}(s) A\, \mathrm{diag}(s)$.
    2. Direction: with the conflict set $C = \{k : K_{ik} < 0\}$ of task i, solve
       $K[C, C]\, u = -K[C, i] + \epsilon \|\hat g_i\| \|\hat g_C\|$, so that the projected gradient
       $\tilde g_i = \hat g_i + \sum_{k \in C} u_k \hat g_k$ has
       $\langle \tilde g_i, \hat g_k \rangle = \epsilon \|\hat g_i\| \|\hat g_k\|$ for every $k \in C$ at once.
    3. Update: $g = \frac{1}{T} \sum_i \tilde g_i$.

    A task outside of $C$ may come into conflict by the projection; at T = 2 no conflict is left. `projection="exact"`
    replaces the equations on C by inequalities over all tasks: the smallest change for which
    $\langle \tilde g_i, \hat g_k \rangle \ge \epsilon \|\hat g_i\| \|\hat g_k\|$ for every k, so that no conflict is
    left, neither of a projected gradient nor of the update. `projection="local"` is the paper's ablation: the
    projections of PCGrad, one conflict after the other, in random order.

    Invariant to scaling all losses. Stateless by default.

    Paper: Bai et al., "GradCraft: Elevating Multi-task Recommendations through Holistic Gradient Crafting", KDD 2024,
    arXiv 2407.19682, which searched tau in {0, .1, ..., 1} and epsilon in {1e-10, 1e-9, 1e-8}.

    Args:
        tau: How far norms move towards the target norm M, in [0, 1]: 0 keeps them, 1 makes them equal.
        epsilon: Cosine that a projected gradient has to each gradient it conflicted with, in [0, 1]. With "exact", the
            least cosine to each gradient, as far as there is a vector that has it. No part of "local".
        projection: `"one_shot"` as in the paper, `"exact"` or `"local"`.
        magnitude: The target norm M: `"max"` of the tasks' norms as in the paper, their `"mean"`, `"median"` or
            `"geometric"` mean, or that of one task: its name or its position. Where that task has no gradient, norms
            are left as they are.
        beta: Weight of the past in a moving average of the norms that the magnitudes are taken from, in [0, 1). A
            task's average starts at its first norm, and rests while it has no gradient. 0 is the paper: no average.
        seed: Seed of the random orders of "local". They come from a counter in the state: equal seeds, equal runs.
        parts: How the shared variables are grouped, see `Balancer`. The paper balances all at once.

    Raises:
        ValueError: If a hyper-parameter is out of range or not known.

    Example:
        >>> conflict = tf.constant([[[1.0, -0.5], [-0.5, 4.0]]])
        >>> weights, _ = GradCraft(tau=0.0, epsilon=0.0).weights(conflict, losses=tf.ones(2), state={})
        >>> weights.numpy().round(4).tolist()
        [[0.75, 0.5625]]
    """

    tau: float = 0.5
    epsilon: float = 1e-8
    projection: str = "one_shot"
    magnitude: str | int = "max"
    beta: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("GradCraft", "tau", self.tau, 0, 1)
        check_range("GradCraft", "epsilon", self.epsilon, 0, 1)
        if self.projection not in PROJECTIONS:
            raise ValueError("GradCraft: " + unknown_name("projection", self.projection, PROJECTIONS))
        if not 0 <= self.beta < 1:
            raise ValueError(f"GradCraft: beta={self.beta!r} is out of range; it must be in [0, 1)")

    def init(self, num_tasks, num_parts=1):
        """Returns `{"norms": zeros [P, T]}` if there is a moving average, and `{"seed": int64 [2]}` for "local"."""
        state = {}
        if self.beta > 0:
            state["norms"] = tf.zeros([num_parts, num_tasks], tf.float64)
        if self.projection == "local":
            state["seed"] = tf.constant([self.seed, 0], tf.int64)
        return state

    def for_tasks(self, tasks: Sequence[str]) -> GradCraft:
        """See `Balancer.for_tasks`."""
        return dataclasses.replace(self, magnitude=resolve_magnitude("GradCraft", self.magnitude, tasks))

    def weights(self, gram, losses, state, seed=None):
        """See `Balancer.weights`."""
        order = None
        if self.projection == "local":
            order = random_order(gram.shape[-1], state["seed"] if seed is None else seed)
            state = {**state, "seed": state["seed"] + tf.constant([0, 1], tf.int64)}
        return self.weights_in_order(gram, state, order)

    def weights_in_order(self, gram: tf.Tensor, state: State, order: tf.Tensor | None) -> tuple[tf.Tensor, State]:
        """Returns the weights [P, T] and the state, the order in which each task meets the others being given.

        Args:
            gram: Gram matrices [P, T, T].
            state: See `Balancer.weights`.
            order: For "local", int32 [T, T]: row i is the order in which task i meets the tasks.
        """
        gram = tf.cast(gram, tf.float64)
        scale, state = self.scales(gram, state)
        crafted = scaled_gram(gram, scale)
        projection = self.projections(crafted, order)
        share = safe_divide(tf.ones([], tf.float64), tf.reduce_sum(active_tasks(gram)))
        return share * scale * tf.reduce_sum(projection, axis=1), state

    def scales(self, gram: tf.Tensor, state: State) -> tuple[tf.Tensor, State]:
        """Returns the magnitude step: factors s [P, T], 0 for a task without gradient, and the new state."""
        if isinstance(self.magnitude, str) and self.magnitude not in MAGNITUDES:
            raise ValueError(f"GradCraft: magnitude={self.magnitude!r} is not resolved; call for_tasks(names) first")
        norms = norms_of(gram)
        present = norms > 0
        if self.beta > 0:
            past = state["norms"]
            average = tf.where(past > 0, self.beta * past + (1 - self.beta) * norms, norms)
            norms = tf.where(present, average, past)
            state = {**state, "norms": norms}
        target = target_norm(self.magnitude, norms, present)
        ratio = tf.where(target > 0, safe_divide(target, norms), tf.ones_like(norms))
        return tf.cast(present, tf.float64) * (self.tau * ratio + (1 - self.tau)), state

    def projections(self, crafted: tf.Tensor, order: tf.Tensor | None = None) -> tf.Tensor:
        r"""Returns the direction step: P [P, T, T] with $\tilde g_i = \sum_k P_{ik} \hat g_k$.

        Args:
            crafted: Gram matrices K [P, T, T] after the magnitude step, float64.
            order: For "local", the order in which each task meets the tasks, int32 [T, T].
        """
        if self.projection == "local":
            projection = project_in_order(crafted, order)
        else:
            norms = norms_of(crafted)
            short_of = crafted - self.epsilon * norms[:, :, tf.newaxis] * norms[:, tf.newaxis, :]
            # Row i of the answer holds task i's u, so the T systems of a part are one batch.
            if self.projection == "one_shot":
                shift = masked_solve(crafted[:, tf.newaxis], -short_of, crafted < 0)
            else:
                # Where gradients cancel out no vector has a positive product with all; the ridge bounds the attempt.
                ridge = max(SMALLEST_RIDGE, 1e-3 * self.epsilon)
                shift = nonnegative_qp(crafted[:, tf.newaxis], short_of, ridge)
            projection = tf.eye(crafted.shape[-1], dtype=tf.float64) + shift
        # A task with no gradient here has neither a row nor a column.
        return projection * tf.cast(norms_of(crafted) > 0, tf.float64)[:, :, tf.newaxis]
