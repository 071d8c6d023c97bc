"""GradVac: turn each task gradient until its cosine to each other task's is what it usually is."""

import dataclasses

import tensorflow as tf

from tf_gradcraft.balancing.base import Balancer, active_tasks, check_range, norms_of
from tf_gradcraft.balancing.pcgrad import random_order
from tf_gradcraft.linalg import safe_divide
from tf_gradcraft.suggestions import unknown_name

REDUCTIONS = ("sum", "mean")

VANISHED = 1e-14
"""A squared norm below this times what it was is what rounding leaves of a gradient that was turned to zero."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class GradVac(Balancer):
    r"""Raises the cosine of each pair of task gradients to its moving average, wherever it is below.

    Each pair of tasks has an expected cosine $\bar\phi_{ij}$, 0 at first. Starting from $P = I$, for each task i and
    each other task j in random order, with $g_i' = \sum_k P_{ik} g_k$ and $\phi = \cos(g_i', g_j)$: if
    $\phi < \bar\phi_{ij}$ then

    $P_{ij} \leftarrow P_{ij} + \frac{\|g_i'\| (\bar\phi_{ij} \sqrt{1 - \phi^2} - \phi \sqrt{1 - \bar\phi_{ij}^2})}
    {n_j \sqrt{1 - \bar\phi_{ij}^2}}$,

    which makes that cosine $\bar\phi_{ij}$; and in any case
    $\bar\phi_{ij} \leftarrow (1 - \beta) \bar\phi_{ij} + \beta \phi$. The update is $g = \sum_i g_i'$. With the
    expected cosine at 0 this is PCGrad. A pair of which a task has no gradient keeps its expected cosine.

    Paper: Wang et al., "Gradient Vaccine: Investigating and Improving Multi-task Optimization in Massively Multilingual
    Models", ICLR 2021, arXiv 2010.05874.

    Args:
        beta: Weight of the present in the moving average, in [0, 1]: 0 is PCGrad.
        reduction: `"sum"` of the turned gradients, as in the paper, or their `"mean"`.
        seed: Seed of the random orders. They come from a counter in the state: equal seeds, equal runs.
        parts: How the shared variables are grouped, see `Balancer`. The paper finds one part a layer best.

    Raises:
        ValueError: If `beta` is out of range or the reduction is not known.

    Example:
        >>> balancer = GradVac(beta=1.0)
        >>> agreeing = tf.constant([[[1.0, 0.6], [0.6, 1.0]]])
        >>> weights, state = balancer.weights(agreeing, losses=tf.ones(2), state=balancer.init(2))
        >>> weights, state = balancer.weights(tf.eye(2)[tf.newaxis], losses=tf.ones(2), state=state)
        >>> weights.numpy().round(6).tolist()  # turned from a cosine of 0 to one of 0.6
        [[1.75, 1.75]]
    """

    beta: float = 0.01
    reduction: str = "sum"
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("GradVac", "beta", self.beta, 0, 1)
        if self.reduction not in REDUCTIONS:
            raise ValueError("GradVac: " + unknown_name("reduction", self.reduction, REDUCTIONS))

    def init(self, num_tasks, num_parts=1):
        """Returns `{"seed": int64 [2], "cosines": zeros [P, T, T]}`: seed and step count, and the expected cosines."""
        return {
            "seed": tf.constant([self.seed, 0], tf.int64),
            "cosines": tf.zeros([num_parts, num_tasks, num_tasks], tf.float64),
        }

    def weights(self, gram, losses, state, seed=None):
        """See `Balancer.weights`."""
        order = random_order(gram.shape[-1], state["seed"] if seed is None else seed)
        weights, cosines = self.weights_in_order(gram, order, state["cosines"])
        return weights, {"seed": state["seed"] + tf.constant([0, 1], tf.int64), "cosines": cosines}

    def weights_in_order(self, gram: tf.Tensor, order: tf.Tensor, cosines: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the weights [P, T] for given orders, and the expected cosines [P, T, T] after this step.

        Args:
            gram: Gram matrices [P, T, T].
            order: int32 [T, T]: row i is the order in which task i meets the tasks (itself is passed over).
            cosines: Expected cosines [P, T, T] before this step.
        """
        gram = tf.cast(gram, tf.float64)
        num_tasks = gram.shape[-1]
        norms = norms_of(gram)
        present = tf.cast(norms > 0, tf.float64)
        pairs = present[:, :, tf.newaxis] * present[:, tf.newaxis, :] * (1 - tf.eye(num_tasks, dtype=tf.float64))
        inverse_norms = safe_divide(present, norms)[:, tf.newaxis, :] * pairs
        # Each pair meets once, so all that depends on the expected cosine alone is known beforehand.
        wanted_sines = tf.sqrt(tf.maximum(1 - tf.square(cosines), 0))
        cotangents = safe_divide(cosines, wanted_sines)
        turnable = tf.cast(wanted_sines > 0, tf.float64) * inverse_norms
        vanished = VANISHED * tf.square(norms)

        projection = tf.eye(num_tasks, dtype=tf.float64) + tf.zeros_like(gram)
        seen = []
        for met in tf.unstack(tf.one_hot(tf.transpose(order), num_tasks, dtype=tf.float64), num=num_tasks):
            # All tasks turn for the step-th time together: row i meets task order[i, step].
            products = tf.matmul(projection, gram)
            square = tf.reduce_sum(products * projection, axis=-1)
            own_norm = tf.sqrt(tf.where(square > vanished, square, tf.zeros_like(square)))
            cosine = safe_divide(tf.reduce_sum(products * inverse_norms * met, axis=-1), own_norm)
            sine = tf.sqrt(tf.maximum(1 - tf.square(cosine), 0))
            cotangent = tf.reduce_sum(cotangents * met, axis=-1)
            turn = own_norm * tf.maximum(cotangent * sine - cosine, 0)
            projection += turn[..., tf.newaxis] * (turnable * met)
            seen.append(cosine[..., tf.newaxis] * met)
        cosines += self.beta * (tf.add_n(seen) - cosines) * pairs
        weights = tf.reduce_sum(projection * present[..., tf.newaxis], axis=1)
        if self.reduction == "mean":
            weights = safe_divide(weights, tf.reduce_sum(active_tasks(gram)))
        return weights, cosines
