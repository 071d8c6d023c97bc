"""PCGrad: project each task gradient off the others it conflicts with, one after the other."""

import dataclasses

import tensorflow as tf

from tf_gradcraft.balancing.base import Balancer, active_tasks, norms_of
from tf_gradcraft.linalg import safe_divide
from tf_gradcraft.suggestions import unknown_name

REDUCTIONS = ("sum", "mean")


@dataclasses.dataclass(frozen=True, kw_only=True)
class PCGrad(Balancer):
    r"""Projects each task's gradient onto the normal plane of every other that it conflicts with, in random order.

    Starting from $P = I$, for each task i and each other task j in random order: $q = (P A)_{ij}$, and if $q < 0$ then
    $P_{ij} \leftarrow P_{ij} - q / A_{jj}$. The update is $g = \sum_i \sum_k P_{ik} g_k$.

    Paper: Yu et al., "Gradient Surgery for Multi-Task Learning", NeurIPS 2020, arXiv 2001.06782.

    Args:
        reduction: `"sum"` of the projected gradients, as in the paper, or their `"mean"`.
        seed: Seed of the random orders. They come from a counter in the state: equal seeds, equal runs.
        parts: How the shared variables are grouped, see `Balancer`.

    Raises:
        ValueError: If the reduction is not known.

    Example:
        >>> balancer = PCGrad()
        >>> conflict = tf.constant([[[1.0, -0.5], [-0.5, 4.0]]])
        >>> weights, _ = balancer.weights(conflict, losses=tf.ones(2), state=balancer.init(2))
        >>> weights.numpy().tolist()
        [[1.5, 1.125]]
    """

    reduction: str = "sum"
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.reduction not in REDUCTIONS:
            raise ValueError("PCGrad: " + unknown_name("reduction", self.reduction, REDUCTIONS))

    def init(self, num_tasks, num_parts=1):
        """Returns `{"seed": int64 [2]}`: the seed and the number of steps so far."""
        return {"seed": tf.constant([self.seed, 0], tf.int64)}

    def weights(self, gram, losses, state, seed=None):
        """See `Balancer.weights`."""
        order = random_order(gram.shape[-1], state["seed"] if seed is None else seed)
        return self.weights_in_order(gram, order), {"seed": state["seed"] + tf.constant([0, 1], tf.int64)}

    def weights_in_order(self, gram: tf.Tensor, order: tf.Tensor) -> tf.Tensor:
        """Returns the weights [P, T] for given orders.

        Args:
            gram: Gram matrices [P, T, T].
            order: int32 [T, T]: row i is the order in which task i meets the tasks (itself is passed over).
        """
        gram = tf.cast(gram, tf.float64)
        projection = project_in_order(gram, order)
        weights = tf.reduce_sum(projection * tf.cast(norms_of(gram) > 0, tf.float64)[..., tf.newaxis], axis=1)
        if self.reduction == "mean":
            weights = safe_divide(weights, tf.reduce_sum(active_tasks(gram)))
        return weights


def random_order(num_tasks: int, seed: tf.Tensor) -> tf.Tensor:
    """Returns an order of the tasks for each task, int32 [T, T], drawn from an int64 seed [2]."""
    # Whole-range integers: the only draws that are the same in the graph and under XLA.
    draws = tf.random.stateless_uniform(
        [num_tasks, num_tasks], seed, minval=None, maxval=None, dtype=tf.int64, alg="philox"
    )
    return tf.argsort(draws, axis=-1)


def project_in_order(gram: tf.Tensor, order: tf.Tensor) -> tf.Tensor:
    """Returns P [P, T, T]: task i's projected gradient is the sum of P[i, k] times task k's gradient.

    Args:
        gram: Gram matrices [P, T, T], float64.
        order: int32 [T, T]: row i is the order in which task i meets the tasks.
    """
    num_tasks = gram.shape[-1]
    identity = tf.eye(num_tasks, dtype=tf.float64)
    inverse_squares = safe_divide(tf.ones([], tf.float64), tf.linalg.diag_part(gram))
    projection = identity + tf.zeros_like(gram)
    for step in range(num_tasks):
        # All tasks take their step-th projection together: row i meets task order[i, step].
        met = tf.one_hot(order[:, step], num_tasks, dtype=tf.float64) * (1 - identity)
        products = tf.reduce_sum(tf.matmul(projection, gram) * met, axis=-1)
        lengths = tf.linalg.matvec(inverse_squares[:, tf.newaxis] * met, tf.ones([num_tasks], tf.float64))
        projection -= (tf.minimum(products, 0) * lengths)[..., tf.newaxis] * met
    return projection
