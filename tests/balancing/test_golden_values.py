"""Values worked out by hand from the equations of the papers."""

import numpy as np
import tensorflow as tf

from tf_gradcraft.balancing import (
    DBMTL,
    IMTL,
    IMTLG,
    IMTLL,
    MGDA,
    AlignedMTL,
    CAGrad,
    Chain,
    ConFIG,
    DualProj,
    FairGrad,
    GradCraft,
    GradVac,
    Magnitude,
    Mean,
    MetaBalance,
    NashMTL,
    PCGrad,
    PCGradPlus,
    Sum,
    UPGrad,
)

# Each in conflict with (-1, 1, 0) projected off that one comes into conflict with another.
CHAINED = [[1, 0, 0], [-1, 1, 0], [1, -2, 2]]


def weights_of(balancer, *vectors, losses=None):
    vectors = np.array(vectors, float)
    state = balancer.init(len(vectors))
    losses = tf.ones(len(vectors)) if losses is None else tf.constant(losses)
    weights, _ = balancer.weights(tf.constant((vectors @ vectors.T)[np.newaxis]), losses, state)
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


def test_gradcraft_in_one_shot_leaves_the_conflict_that_the_exact_projection_removes():
    # Task 0 conflicts with task 1 only: g0 + g1 / 2 = (1/2, 1/2, 0), in conflict with task 2. The nearest vector
    # without conflict is g0 + 2/3 g1 + 1/9 g2 = (4, 4, 2) / 9. Task 1: g1 + 3/4 g0 + 1/4 g2 = (0, 1/2, 1/2) in both.
    # Task 2: g2 + 3/2 g1 = (-1/2, -1/2, 2), in conflict with task 0; against g2 + g0 + 2 g1 = (0, 0, 2).
    one_shot = [[1, 1 / 2, 0], [3 / 4, 1, 1 / 4], [0, 3 / 2, 1]]
    exact = [[1, 2 / 3, 1 / 9], [3 / 4, 1, 1 / 4], [1, 2, 1]]
    crafted = tf.constant((np.array(CHAINED) @ np.array(CHAINED).T)[np.newaxis], tf.float64)
    for projection, expected in {"one_shot": one_shot, "exact": exact}.items():
        balancer = GradCraft(tau=0, epsilon=0, projection=projection)
        np.testing.assert_allclose(balancer.projections(crafted)[0], expected, atol=1e-12)
        np.testing.assert_allclose(weights_of(balancer, *CHAINED), np.mean(expected, axis=0), atol=1e-12)


def test_gradcraft_projects_one_by_one_as_pcgrad():
    weights = weights_of(GradCraft(tau=0, projection="local"), [1, 0], [-1, 1])
    np.testing.assert_allclose(weights, [1.0, 0.75], rtol=1e-12)
    # Equal norms first: M = 2 makes (2, 0) of (1, 0); cosine -1/2, so each adds half of the other.
    weights = weights_of(GradCraft(tau=1, projection="local"), [1, 0], [-1, 3**0.5])
    np.testing.assert_allclose(weights, [1.5, 0.75], rtol=1e-12)


def test_gradcraft_aligns_norms_towards_the_target():
    # Orthogonal gradients with tau = 1: w = M / n / T.
    three, two = [[1, 0, 0], [0, 2, 0], [0, 0, 6]], [[3, 0], [0, 1]]
    targets = {"max": (6, 3), "mean": (3, 2), "median": (2, 2), "geometric": (12 ** (1 / 3), 3**0.5), 1: (2, 1)}
    for magnitude, (of_three, of_two) in targets.items():
        balancer = GradCraft(tau=1, magnitude=magnitude)
        np.testing.assert_allclose(weights_of(balancer, *three), of_three / np.array([1, 2, 6]) / 3, rtol=1e-12)
        np.testing.assert_allclose(weights_of(balancer, *two), of_two / np.array([3, 1]) / 2, rtol=1e-12)


def test_gradcraft_aligns_norms_towards_a_named_task():
    balancer = GradCraft(tau=1, magnitude="like").for_tasks(["click", "like"])
    np.testing.assert_allclose(weights_of(balancer, [3, 0], [0, 1]), [1 / 6, 1 / 2], rtol=1e-12)
    # It has no gradient: nothing to align to.
    np.testing.assert_allclose(weights_of(balancer, [3, 0], [0, 0]), [1, 0], rtol=1e-12)


def test_gradcraft_follows_its_moving_average_of_norms():
    # Norms (1, 4), then (3, 4): with beta = 1/2 the averages are (1, 4), then (2, 4); M = 4.
    balancer = GradCraft(tau=1, beta=0.5)
    first, state = balancer.weights(tf.linalg.diag([[1.0, 16.0]]), tf.ones(2), balancer.init(2))
    second, state = balancer.weights(tf.linalg.diag([[9.0, 16.0]]), tf.ones(2), state)
    np.testing.assert_allclose(first, [[2, 0.5]], rtol=1e-12)
    np.testing.assert_allclose(second, [[1, 0.5]], rtol=1e-12)
    _, state = balancer.weights(tf.linalg.diag([[0.0, 16.0]]), tf.ones(2), state)
    np.testing.assert_allclose(state["norms"], [[2, 4]], rtol=1e-12)


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


def test_pcgrad_plus_projects_gradients_of_equal_norm():
    # g = (3, 0), h = (-1, 1): norms 3 and sqrt 2. tau = 1: h' = 3 / sqrt 2 h. cos = -1 / sqrt 2, so g + h' / sqrt 2 and
    # h' + g / sqrt 2: weights 1 + 1 / sqrt 2 each, of g and h'.
    weights = weights_of(PCGradPlus(tau=1), [3, 0], [-1, 1])
    np.testing.assert_allclose(weights, (1 + 0.5**0.5) * np.array([1, 3 * 0.5**0.5]), rtol=1e-12)


def test_magnitude_moves_norms_towards_the_largest():
    # M = 4: s = (1, (4 / 1 + 1) / 2, (4 / 2 + 1) / 2).
    np.testing.assert_allclose(weights_of(Magnitude(tau=0.5), [4, 0], [0, 1], [2, 0]), [1, 2.5, 1.5], rtol=1e-12)


def test_a_chain_of_metabalance_and_pcgrad():
    # MetaBalance brings (-2, 2) to the norm 1 of (1, 0): s = (1, 1 / (2 sqrt 2)); the cosine is -1 / sqrt 2, so both
    # get the weight 1 + 1 / sqrt 2 in the scaled gradients.
    chain = Chain(magnitude=MetaBalance(relax_factor=1, beta=0), direction=PCGrad())
    weights = weights_of(chain, [1, 0], [-2, 2])
    np.testing.assert_allclose(weights, (1 + 0.5**0.5) * np.array([1, 0.5 / 2**0.5]), rtol=1e-12)


def test_gradvac_is_pcgrad_at_first():
    # Expected cosines are 0 before the first step.
    np.testing.assert_allclose(weights_of(GradVac(), [1, 0], [-1, 1]), [2.0, 1.5], rtol=1e-12)
    np.testing.assert_allclose(weights_of(GradVac(reduction="mean"), [1, 0], [-1, 1]), [1.0, 0.75], rtol=1e-12)


def test_gradvac_turns_gradients_to_the_expected_cosine():
    # Step 1: cosine 0.8, beta = 0.5: expected 0.4. Step 2: (2, 0) and (0, 1), cosine 0: by the law of sines
    # P_01 = 2 * 0.4 / (1 sqrt(1 - 0.16)), P_10 = 1 * 0.4 / (2 sqrt(0.84)); expected 0.2 afterwards. Step 3: cosine 0.5
    # is above: nothing turns, and the expected cosine moves to 0.35.
    balancer, losses = GradVac(beta=0.5), tf.ones(2)
    state = balancer.init(2)
    first, state = balancer.weights(tf.constant([[[1, 0.8], [0.8, 1]]]), losses, state)
    second, state = balancer.weights(tf.constant([[[4.0, 0], [0, 1]]]), losses, state)
    np.testing.assert_allclose(first, [[1, 1]], rtol=1e-12)
    cotangent = 0.4 / 0.84**0.5
    np.testing.assert_allclose(second, [[1 + cotangent / 2, 1 + 2 * cotangent]], rtol=1e-6)
    np.testing.assert_allclose(state["cosines"], [[[0, 0.2], [0.2, 0]]], rtol=1e-6)
    turned = np.array([2, 2 * cotangent])
    np.testing.assert_allclose(turned[1] / np.linalg.norm(turned), 0.4, rtol=1e-12)
    third, state = balancer.weights(tf.constant([[[1, 0.5], [0.5, 1]]]), losses, state)
    np.testing.assert_allclose(third, [[1, 1]], rtol=1e-12)
    np.testing.assert_allclose(state["cosines"], [[[0, 0.35], [0.35, 0]]], rtol=1e-6)


def test_gradvac_pauses_the_cosines_of_a_task_without_gradient():
    balancer = GradVac(beta=0.5)
    _, state = balancer.weights(tf.constant([[[1, 0.8], [0.8, 1]]]), tf.ones(2), balancer.init(2))
    weights, after = balancer.weights(tf.linalg.diag([[1.0, 0.0]]), tf.ones(2), state)
    np.testing.assert_array_equal(weights, [[1, 0]])
    np.testing.assert_array_equal(after["cosines"], state["cosines"])


def test_imtl_g_of_two_tasks_that_conflict():
    # g = (2, 0), h = (-0.6, 0.8): units with cosine -0.6, C^+ 1 = (1, 1) / 0.4; over the norms (1/2, 1): a third, two.
    weights = weights_of(IMTLG(), [2, 0], [-0.6, 0.8])
    np.testing.assert_allclose(weights, [1 / 3, 2 / 3], rtol=1e-12)
    update = weights @ [[2, 0], [-0.6, 0.8]]
    np.testing.assert_allclose(update @ [1, 0], update @ [-0.6, 0.8], rtol=1e-12)


def test_imtl_g_may_climb_every_loss():
    # Only a large negative weight of the last unit vector brings the product with it down to those with the other two.
    # Its gradient is the smallest, so that weight outweighs the others, and the sum of all is negative.
    vectors = np.array([[1, 0.1, 0], [-1, 0.1, 0], [0, 1, 0.01]]) * [[10], [10], [0.1]]
    weights = weights_of(IMTLG(), *vectors)
    np.testing.assert_allclose(weights.sum(), 1, rtol=1e-9)
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    projections = units @ (weights @ vectors)
    np.testing.assert_allclose(projections, projections[0], rtol=1e-6)
    assert projections[0] < 0


def test_imtl_g_of_opposite_gradients_is_zero():
    np.testing.assert_array_equal(weights_of(IMTLG(), [1, 0], [-1, 0]), [0, 0])


def test_imtl_l_learns_the_inverse_of_a_constant_loss():
    balancer, losses = IMTLL(learning_rate=0.05), tf.constant([4.0, 0.1])
    state = balancer.init(2)
    for _ in range(400):
        weights, state = balancer.weights(tf.eye(2)[tf.newaxis], losses, state)
    np.testing.assert_allclose(weights, [[0.25, 10.0]], rtol=1e-3)


def test_imtl_weighs_gradients_of_scaled_losses():
    # The first step of Adam is the learning rate, by sign: scales (e^-0.1, e^0.1) in the second step. Orthogonal
    # gradients of norms 3 and 1, scaled: m = 3 e^-0.1, e^0.1; IMTL-G of those: w' = (1 / m_t) / sum; times the scales,
    # (1/3, 1) / (e^0.1 / 3 + e^-0.1).
    balancer, losses = IMTL(learning_rate=0.1), tf.constant([5.0, 0.2])
    gram = tf.linalg.diag([[9.0, 1.0]])
    _, state = balancer.weights(gram, losses, balancer.init(2))
    weights, _ = balancer.weights(gram, losses, state)
    np.testing.assert_allclose(weights, np.array([[1 / 3, 1]]) / (np.exp(0.1) / 3 + np.exp(-0.1)), rtol=1e-6)


def test_db_mtl_brings_the_gradients_of_log_losses_to_the_largest_norm():
    # n / L = 2 / 4 and 3 / 1: the largest is 3: w = (3 / 2, 3 / 3).
    gram = tf.linalg.diag([[4.0, 9.0]])
    weights, _ = DBMTL().weights(gram, tf.constant([4.0, 1.0]), {})
    np.testing.assert_allclose(weights, [[1.5, 1.0]], rtol=1e-12)
    # Another unit for the first loss changes nothing: its gradient is ten times, its weight a tenth.
    weights, _ = DBMTL().weights(tf.linalg.diag([[400.0, 9.0]]), tf.constant([40.0, 1.0]), {})
    np.testing.assert_allclose(weights, [[0.15, 1.0]], rtol=1e-12)


def test_db_mtl_takes_a_loss_of_zero():
    weights, _ = DBMTL().weights(tf.linalg.diag([[1.0, 1.0]]), tf.constant([0.0, 1.0]), {})
    np.testing.assert_allclose(weights, [[1e8, 1e8]], rtol=1e-12)


def test_aligned_mtl_of_orthogonal_gradients():
    # Norms 4, 2, 1, 2: brought to 1 (the smallest), to sqrt 4 (the median of 16, 4, 1, 4), to sqrt (25 / 4).
    vectors = np.diag([4.0, 2.0, 1.0, 2.0])
    for scale, length in {"min": 1, "median": 2, "rmse": 2.5}.items():
        expected = length / np.array([4.0, 2, 1, 2])
        np.testing.assert_allclose(weights_of(AlignedMTL(scale=scale), *vectors), expected / 4, rtol=1e-12)
        weights = weights_of(AlignedMTL(scale=scale, reduction="sum"), *vectors)
        np.testing.assert_allclose(weights, expected, rtol=1e-12)


def test_aligned_mtl_of_two_tasks_that_conflict():
    # Unit vectors with cosine c = -0.28: eigenvalues 0.72 along (1, 1), 1.28 along (1, -1). p = (1, 1) / 2 has only the
    # first component: sqrt 0.72 / sqrt 0.72 p.
    np.testing.assert_allclose(weights_of(AlignedMTL(), [1, 0], [-0.28, 0.96]), [0.5, 0.5], rtol=1e-12)
    # With lengths 1 and 2, along (1, 0) and (0, 2), turned by nothing: 1 / 2 (1, 1 / 2).
    np.testing.assert_allclose(weights_of(AlignedMTL(), [1, 0], [0, 2]), [0.5, 0.25], rtol=1e-12)


def test_aligned_mtl_of_a_dependent_gradient():
    # (1, 0) twice and (0, 1): eigenvalues 2, 1, 0. w = sqrt 1 (1/sqrt 2 v1 v1^T + v2 v2^T) p, v1 = (1, 1, 0) / sqrt 2.
    weights = weights_of(AlignedMTL(reduction="sum"), [1, 0], [1, 0], [0, 1])
    np.testing.assert_allclose(weights, [0.5**0.5, 0.5**0.5, 1], rtol=1e-12)


def test_config_of_two_tasks_that_conflict():
    # g = (2, 0), h = (-0.6, 0.8): the unit bisector is (0.2, 0.4) / sqrt 0.2, with the cosine sqrt 0.2 to both; the
    # length is 3 sqrt 0.2, so the update is 3 (0.2, 0.4) = 3/4 g + 3/2 h.
    weights = weights_of(ConFIG(), [2, 0], [-0.6, 0.8])
    np.testing.assert_allclose(weights @ [[2, 0], [-0.6, 0.8]], [0.6, 1.2], rtol=1e-12)
    np.testing.assert_allclose(weights, [0.75, 1.5], rtol=1e-12)


def test_config_of_opposite_gradients_is_zero():
    np.testing.assert_array_equal(weights_of(ConFIG(), [1, 0], [-1, 0]), [0, 0])


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


def test_mgda_takes_the_shortest_combination():
    # Orthogonal: weights in proportion to 1 / n^2.
    np.testing.assert_allclose(weights_of(MGDA(), [1, 0], [0, 2]), [0.8, 0.2], rtol=1e-12)
    # (1, 0) itself is shorter than any mixture with (2, 1).
    np.testing.assert_allclose(weights_of(MGDA(), [1, 0], [2, 1]), [1, 0], atol=1e-12)
    # 1/3 of each adds up to nothing.
    np.testing.assert_allclose(weights_of(MGDA(), [1, 0], [0, 1], [-1, -1]), [1 / 3] * 3, rtol=1e-9)


def test_mgda_normalises_gradients_first():
    # (1, 0) and (0, 2) at losses 1 and 2 become unit vectors, unit vectors, and (1, 0) and (0, 1/2).
    expected = {"l2": [0.5, 0.5], "loss": [0.5, 0.5], "loss+": [0.2, 0.8]}
    for normalization, weights in expected.items():
        balancer = MGDA(normalization=normalization)
        np.testing.assert_allclose(weights_of(balancer, [1, 0], [0, 2], losses=[1.0, 2.0]), weights, rtol=1e-12)


def test_mgda_by_frank_wolfe_comes_to_the_same():
    vectors = np.random.default_rng(0).normal(size=(5, 20))
    by_steps = weights_of(MGDA(solver="frank_wolfe", iterations=1000), *vectors)
    np.testing.assert_allclose(by_steps, weights_of(MGDA(), *vectors), atol=1e-8)


def test_cagrad_spends_its_radius_on_the_smallest_gain():
    # Mean (1/2, 1), gains 1/2 and 2, radius k = 0.4 sqrt(5/4) < 3/2: all of it goes to the first task.
    radius = 0.4 * 1.25**0.5
    np.testing.assert_allclose(weights_of(CAGrad(c=0.4), [1, 0], [0, 2]), [0.5 + radius, 0.5], rtol=1e-9)
    # Alike: it goes along the mean.
    for rescale, divisor in {"none": 1, "linear": 1.5, "square": 1.25}.items():
        weights = weights_of(CAGrad(c=0.5, rescale=rescale), [1, 0], [0, 1])
        np.testing.assert_allclose(weights, np.full(2, 0.75 / divisor), rtol=1e-9)


def test_nash_mtl_of_two_unit_vectors():
    # w (1 + cos) = 1 / w: at a cosine of -1/2 both weights are sqrt(2).
    np.testing.assert_allclose(weights_of(NashMTL(), [1, 0], [-0.5, 0.75**0.5]), [2**0.5] * 2, rtol=1e-8)
    np.testing.assert_allclose(weights_of(NashMTL(), [3, 0], [0, 0.25]), [1 / 3, 4], rtol=1e-8)


def test_one_task_alone_has_nothing_to_bargain_about():
    for balancer in (NashMTL(), FairGrad(), CAGrad()):
        np.testing.assert_array_equal(weights_of(balancer, [3, 0], [0, 0]), [1, 0])


def test_fairgrad_of_orthogonal_gradients():
    # n^2 w = w^(-1 / alpha): w = n^(-2 alpha / (1 + alpha)).
    for alpha, weight in {0.5: 1 / 4, 1.0: 1 / 8, 2.0: 1 / 16}.items():
        weights = weights_of(FairGrad(alpha=alpha), [8, 0], [0, 1])
        np.testing.assert_allclose(weights, [weight, 1], rtol=1e-7)


def test_upgrad_projects_each_and_averages():
    rows = np.array([[1, 2 / 3, 1 / 9], [3 / 4, 1, 1 / 4], [1, 2, 1]])
    np.testing.assert_allclose(weights_of(UPGrad(), *CHAINED), rows.mean(axis=0), rtol=1e-9)
    weights = weights_of(UPGrad(preference=[1, 2, 5]), *CHAINED)
    np.testing.assert_allclose(weights, np.array([1, 2, 5]) / 8 @ rows, rtol=1e-9)


def test_dualproj_projects_the_mean():
    # Mean (1, 0) / 2 + (-2, sqrt(12)) / 2 has the product -1/2 with the first: half of it more undoes that.
    vectors = [[1, 0], [-2, 12**0.5]]
    np.testing.assert_allclose(weights_of(DualProj(), *vectors), [1, 0.5], rtol=1e-9)
    # 4/5 (1, 0) + 1/5 (-2, sqrt(12)) conflicts with none.
    balancer = DualProj(preference={"like": 1, "click": 4}).for_tasks(["click", "like"])
    np.testing.assert_allclose(weights_of(balancer, *vectors), [0.8, 0.2], rtol=1e-9)
