"""GradCraft: equalise the task gradients' norms in part, then project away all conflicts at once."""

import dataclasses

import tensorflow as tf

from tf_gradcraft.balancing.base import Balancer, active_tasks, check_range, norms_of
from tf_gradcraft.balancing.magnitude import magnitude_scales, scaled_gram
from tf_gradcraft.linalg import masked_solve, safe_divide


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

    A task outside of $C$ may come into conflict by the projection; at T = 2 no conflict is left. Stateless, and
    invariant to scaling all losses.

    Paper: Bai et al., "GradCraft: Elevating Multi-task Recommendations through Holistic Gradient Crafting", KDD 2024,
    arXiv 2407.19682, which searched tau in {0, .1, ..., 1} and epsilon in {1e-10, 1e-9, 1e-8}.

    Args:
        tau: How far norms move towards the largest, in [0, 1]: 0 keeps them, 1 makes them equal.
        epsilon: Cosine that a projected gradient has to each gradient it conflicted with, in [0, 1].
        parts: How the shared variables are grouped, see `Balancer`. The paper balances all at once.

    Raises:
        ValueError: If a hyper-parameter is out of range.

    Example:
        >>> conflict = tf.constant([[[1.0, -0.5], [-0.5, 4.0]]])
        >>> weights, _ = GradCraft(tau=0.0, epsilon=0.0).weights(conflict, losses=tf.ones(2), state={})
        >>> weights.numpy().round(4).tolist()
        [[0.75, 0.5625]]
    """

    tau: float = 0.5
    epsilon: float = 1e-8

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("GradCraft", "tau", self.tau, 0, 1)
        check_range("GradCraft", "epsilon", self.epsilon, 0, 1)

    def weights(self, gram, losses, state, seed=None):
        """See `Balancer.weights`."""
        gram = tf.cast(gram, tf.float64)
        norms = norms_of(gram)
        present = tf.cast(norms > 0, tf.float64)
        scale = magnitude_scales(norms, self.tau)
        crafted = scaled_gram(gram, scale)
        crafted_norms = norms * scale

        conflict = crafted < 0
        wanted = self.epsilon * crafted_norms[:, :, tf.newaxis] * crafted_norms[:, tf.newaxis, :]
        # Row i of the answer holds task i's u, so the T systems of a part are one batch.
        shift = masked_solve(crafted[:, tf.newaxis], wanted - crafted, conflict)
        projection = tf.eye(gram.shape[-1], dtype=tf.float64) + shift

        share = safe_divide(tf.ones([], tf.float64), tf.reduce_sum(active_tasks(gram)))
        # A task with no gradient here has neither a row nor a column in the system.
        return share * scale * tf.reduce_sum(projection * present[:, :, tf.newaxis], axis=1), state
