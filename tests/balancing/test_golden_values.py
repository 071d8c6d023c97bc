"""Values worked out by hand from the equations of the papers."""

import numpy as np
import tensorflow as tf

from tf_gradcraft.balancing import GradCraft, Mean, MetaBalance, PCGrad, Sum


def weights_of(balancer, *vectors):
    vectors = np.array(vectors, float)
    state = balancer.init(len(vectors))
    weights, _ = balancer.weights(tf.constant((vectors @ vectors.T)[np.newaxis]), tf.ones(len(vectors)), state)
    return weights.numpy()[0]


def test_sum_and_mean_of_two_tasks():
    np.testing.assert_array_equal(weights_of(Sum(), [1, 0], [-5, 3]), [1, 1])
    np.testing.assert_array_equal(weights_of(Mean(), [1, 0], [-5, 3]), [0.5, 0.5])


def test_gradcraft_without_conflict_only_equalises_norms():
    # Norms 3 and 1, M = 3. tau = 1/2: s = (1, 1/2 * 3 + 1/2) = (1, 2); w = s / T.
    np.testing.assert_allclose(weights_of(GradCraft(tau=0.5), [3, 0], [0, 1]), [0.5, 1.0], rtol=1e-12)


def test_gradcraft_projects_both_tasks_of_a_conflict():
    # g = (1, 0), h = (-1, 1): g~ = g + h/2 = (1/2, 1/2), h~ = h + g = (0, 1); mean: (1 + 1)/2 g + (1 + 1/2)/2 h.
    weights = weights_of(GradCraft(tau=0, epsilon=0), [1, 0], [-1, 1])
    np.testing.assert_allclose(weights, [1.0, 0.75], rtol=1e-12)
    np.testing.assert_allclose(weights @ [[1, 0], [-1, 1]], [0.25, 0.75], rtol=1e-12)


def test_gradcraft_reaches_the_wanted_cosine():
    # Unit vectors at a cosine of -0.6, epsilon = 0.2: u = 0.6 + 0.2 for both; w = (1 + 0.8) / 2.
    weights = weights_of(GradCraft(tau=1, epsilon=0.2), [1, 0], [-0.6, 0.8])
    np.testing.assert_allclose(weights, [0.9, 0.9], rtol=1e-12)


def test_gradcraft_solves_for_all_conflicts_at_once():
    # g = (-1, -1, 1) conflicts with (1, 0, 0) and (1, 1, 0), which agree: the change must undo both: g~ = (0, 0, 1),
    # that is g + 0 (1, 0, 0) + 1 (1, 1, 0). One after the other would leave a conflict. The other two project off g:
    # (1, 0, 0) + g / 3 and (1, 1, 0) + 2 g / 3.
    vectors = [[-1, -1, 1], [1, 0, 0], [1, 1, 0]]
    weights = weights_of(GradCraft(tau=0, epsilon=0), *vectors)
    np.testing.assert_allclose(weights, np.array([1 + 1 / 3 + 2 / 3, 1, 1 + 1]) / 3, rtol=1e-12)


def test_gradcraft_counts_a_task_that_has_a_gradient_in_another_part():
    gram = tf.constant([[[1.0, 0.0], [0.0, 0.0]], [[4.0, 0.0], [0.0, 4.0]]], tf.float64)
    weights, _ = GradCraft().weights(gram, tf.ones(2), {})
    np.testing.assert_allclose(weights, [[0.5, 0.0], [0.5, 0.5]], rtol=1e-12)


def test_pcgrad_of_two_tasks():
    # g = (1, 0), h = (-1, 1): g + h/2 and h + g, added up.
    np.testing.assert_allclose(weights_of(PCGrad(), [1, 0], [-1, 1]), [2.0, 1.5], rtol=1e-12)
    np.testing.assert_allclose(weights_of(PCGrad(reduction="mean"), [1, 0], [-1, 1]), [1.0, 0.75], rtol=1e-12)


def test_pcgrad_depends_on_the_order():
    # Task 0 = (-1, -1, 1) meets (1, 0, 0) first: (0, -1, 1), product with (1, 1, 0) is -1: adds half of it.
    # Meeting (1, 1, 0) first: (0, 0, 1), and no conflict is left.
    vectors = np.array([[-1.0, -1, 1], [1, 0, 0], [1, 1, 0]])
    gram = tf.constant((vectors @ vectors.T)[np.newaxis])
    others = [[0, 1, 2], [0, 1, 2]]
    one_first = PCGrad().weights_in_order(gram, np.array([[0, 1, 2], *others]))
    two_first = PCGrad().weights_in_order(gram, np.array([[0, 2, 1], *others]))
    # Tasks 1 and 2 project off task 0 only: g / 3 and 2 g / 3.
    np.testing.assert_allclose(one_first, [[2.0, 1 + 1, 1 + 0.5]], rtol=1e-12)
    np.testing.assert_allclose(two_first, [[2.0, 1 + 0, 1 + 1]], rtol=1e-12)


def test_metabalance_strategies():
    vectors = [[2.0, 0], [4.0, 0], [0, 1.0]]
    for strategy, expected in {"A": [1, 0.75, 1], "B": [1, 1, 1.5], "C": [1, 0.75, 1.5]}.items():
        weights = weights_of(MetaBalance(relax_factor=0.5, beta=0, strategy=strategy), *vectors)
        np.testing.assert_allclose(weights, expected, rtol=1e-12)


def test_metabalance_follows_its_moving_average():
    # Norms (1, 4), then (3, 1): with beta = 0.5 the averages are (0.5, 2), then (1.75, 1.5).
    balancer = MetaBalance(relax_factor=1, beta=0.5)
    state = balancer.init(2)
    first, state = balancer.weights(tf.linalg.diag([[1.0, 16.0]]), tf.ones(2), state)
    second, state = balancer.weights(tf.linalg.diag([[9.0, 1.0]]), tf.ones(2), state)
    np.testing.assert_allclose(first, [[1, 0.25]], rtol=1e-12)
    np.testing.assert_allclose(second, [[1, 1.75 / 1.5]], rtol=1e-12)
    np.testing.assert_allclose(state["norms"], [[1.75, 1.5]], rtol=1e-12)


def test_metabalance_pauses_the_average_of_a_task_without_gradient():
    balancer = MetaBalance(relax_factor=1, beta=0.5)
    state = balancer.init(2)
    _, state = balancer.weights(tf.linalg.diag([[1.0, 16.0]]), tf.ones(2), state)
    weights, state = balancer.weights(tf.linalg.diag([[1.0, 0.0]]), tf.ones(2), state)
    np.testing.assert_allclose(weights, [[1, 0]], rtol=1e-12)
    np.testing.assert_allclose(state["norms"], [[0.75, 2.0]], rtol=1e-12)


def test_metabalance_scales_nothing_before_its_target_has_a_gradient():
    balancer = MetaBalance(relax_factor=1)
    for strategy in "ABC":
        balancer = MetaBalance(relax_factor=1, strategy=strategy)
        weights, _ = balancer.weights(tf.linalg.diag([[0.0, 9.0]]), tf.ones(2), balancer.init(2))
        np.testing.assert_array_equal(weights, [[0, 1]])


def test_metabalance_balances_towards_the_named_target():
    balancer = MetaBalance(relax_factor=1, beta=0, target="like").for_tasks(["click", "like"])
    np.testing.assert_allclose(weights_of(balancer, [2, 0], [0, 6]), [3, 1], rtol=1e-12)
