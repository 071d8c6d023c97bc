"""Two methods in a row: what the second sees, the state of both, what is needed, and the way through a config."""

import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf
from laws import gradients_of, gram_of, losses_of, random_order

import tf_gradcraft as gc
from tf_gradcraft.balancing import (
    DWA,
    FAMO,
    IMTL,
    IMTLG,
    IMTLL,
    STCH,
    Chain,
    GradCraft,
    GradVac,
    Magnitude,
    Mean,
    MetaBalance,
    PCGrad,
    PCGradPlus,
)

LOSSES = tf.constant(losses_of(4))
GRAMS = [gram_of(gradients_of(4, seed)) for seed in range(3)]
TWO_PARTS = [tf.concat([one, 2 * other], axis=0) for one, other in zip(GRAMS, GRAMS[1:] + GRAMS[:1], strict=True)]


def steps(balancer, grams=GRAMS):
    """Returns the weights of each step and the last state."""
    state, weights = balancer.init(4, grams[0].shape[0]), []
    for gram in grams:
        of_step, state = balancer.weights(gram, LOSSES, state)
        weights.append(of_step.numpy())
    return np.array(weights), state


@pytest.mark.parametrize("grams", [GRAMS, TWO_PARTS], ids=["one part", "two parts"])
def test_the_second_works_on_gradients_that_the_first_has_scaled(grams):
    magnitude, direction = MetaBalance(beta=0.5, target=2), GradVac(beta=0.5, seed=4)
    weights, state = steps(Chain(magnitude=magnitude, direction=direction), grams)
    scales, magnitude_state = steps(magnitude, grams)
    scaled = [gram * scale[:, :, None] * scale[:, None, :] for gram, scale in zip(grams, scales, strict=True)]
    directions, direction_state = steps(direction, scaled)
    np.testing.assert_allclose(weights, scales * directions, rtol=1e-12)
    assert set(state) == {"first.norms", "second.seed", "second.cosines"}
    np.testing.assert_array_equal(state["first.norms"], magnitude_state["norms"])
    np.testing.assert_array_equal(state["second.seed"], direction_state["seed"])
    np.testing.assert_allclose(state["second.cosines"], direction_state["cosines"], rtol=1e-12)


@pytest.mark.parametrize(
    "step", [{"tau": 0.7}, {"tau": 0.4, "magnitude": "median", "beta": 0.5}, {"magnitude": 2}], ids=str
)
def test_magnitude_and_then_only_a_projection_are_gradcraft(step):
    # Without its own magnitude step GradCraft only projects.
    chain = Chain(magnitude=Magnitude(**step), direction=GradCraft(tau=0, epsilon=0.01))
    expected, _ = steps(GradCraft(epsilon=0.01, **step))
    np.testing.assert_allclose(steps(chain)[0], expected, rtol=1e-12)


def test_the_magnitude_of_a_task_is_found_by_name_through_the_chain():
    chain = Chain(magnitude=Magnitude(tau=1, magnitude="like"), direction=Mean()).for_tasks(["click", "like"])
    weights, _ = chain.weights(tf.linalg.diag([[16.0, 1.0]]), tf.ones(2), chain.init(2))
    np.testing.assert_allclose(weights, [[0.125, 0.5]], rtol=1e-12)


def test_pcgrad_plus_is_this_chain():
    chain = Chain(magnitude=Magnitude(tau=0.3), direction=PCGrad(reduction="mean", seed=9))
    plus = PCGradPlus(tau=0.3, reduction="mean", seed=9)
    np.testing.assert_array_equal(steps(plus)[0], steps(chain)[0])
    # And its orders are those of the seed: with the order given, the same weights.
    order = random_order(4)
    scales, _ = Magnitude(tau=0.3).weights(GRAMS[0], LOSSES, {})
    scaled = GRAMS[0] * scales[:, :, None] * scales[:, None, :]
    np.testing.assert_allclose(
        plus.weights_in_order(GRAMS[0], order), scales * plus.members[1].weights_in_order(scaled, order), rtol=1e-12
    )


def test_imtl_is_this_chain_and_goes_where_its_gradient_half_goes():
    chain = Chain(magnitude=IMTLL(learning_rate=0.1), direction=IMTLG())
    weights, _ = steps(IMTL(learning_rate=0.1))
    np.testing.assert_array_equal(weights, steps(chain)[0])
    alone, _ = steps(IMTLG())
    ratio = weights / alone
    np.testing.assert_allclose(ratio, np.broadcast_to(ratio[..., :1], ratio.shape), rtol=1e-9)
    assert not np.allclose(ratio[-1], 1)


def test_a_chain_of_chains_keeps_all_states_in_one_flat_dict():
    inner = Chain(magnitude=IMTLL(), direction=MetaBalance(), parts="variable")
    state = Chain(magnitude=inner, direction=PCGrad(), parts="variable").init(3, num_parts=2)
    assert {"first.first.log_scales", "first.second.norms", "second.seed"} < set(state)
    assert all(isinstance(value, tf.Tensor) for value in state.values())


@pytest.mark.parametrize(
    ("first", "second", "needs"),
    [
        (Magnitude(), PCGrad(), "gram"),
        (PCGrad(), Mean(), "gram"),
        (Magnitude(), MetaBalance(), "norms"),
        (IMTLL(), Magnitude(), "norms"),
        (IMTLL(), Mean(), "losses"),
    ],
)
def test_a_chain_needs_what_its_members_need(first, second, needs):
    assert Chain(magnitude=first, direction=second).needs == needs


def test_members_hear_of_the_end_of_an_epoch_and_of_the_losses_after_the_update():
    chain = Chain(magnitude=DWA(), direction=FAMO())
    assert chain.looks_back
    assert not Chain(magnitude=DWA(), direction=Mean()).looks_back
    state = chain.init(4)
    _, state = chain.weights(GRAMS[0], LOSSES, state)
    after = chain.after_update(LOSSES, 0.9 * LOSSES, state)
    ended = chain.end_epoch(after)

    dwa, famo = DWA(), FAMO()
    _, dwa_state = dwa.weights(GRAMS[0], LOSSES, dwa.init(4))
    _, famo_state = famo.weights(GRAMS[0], LOSSES, famo.init(4))
    famo_state = famo.after_update(LOSSES, 0.9 * LOSSES, famo_state)
    dwa_state = dwa.end_epoch(dwa_state)
    for name, value in dwa_state.items():
        np.testing.assert_array_equal(ended["first." + name], value)
    for name, value in famo_state.items():
        np.testing.assert_array_equal(ended["second." + name], value)


def test_a_target_is_found_by_name_through_the_chain():
    chain = Chain(magnitude=MetaBalance(target="like", beta=0, relax_factor=1), direction=Mean())
    resolved = chain.for_tasks(["click", "like"])
    assert resolved.magnitude.target == 1
    weights, _ = resolved.weights(tf.linalg.diag([[16.0, 1.0]]), tf.ones(2), resolved.init(2))
    np.testing.assert_allclose(weights, [[0.125, 0.5]], rtol=1e-12)
    with pytest.raises(ValueError, match="target='like' is not known"):
        chain.for_tasks(["click", "follow"])


CHAINS = [
    Chain(magnitude=MetaBalance(target="like", beta=0.5), direction=PCGrad(seed=3), parts="variable"),
    Chain(magnitude=Magnitude(tau=0.2), direction=GradVac(), parts={"bottom": "shared"}),
    Chain(magnitude=Chain(magnitude=IMTLL(), direction=Magnitude()), direction=STCH(mu=0.5)),
]


@pytest.mark.parametrize("chain", CHAINS, ids=repr)
def test_a_config_is_plain_data_and_makes_an_equal_chain(chain):
    config = json.loads(json.dumps(chain.get_config()))
    assert Chain.from_config(config) == chain
    assert Chain.from_config(config).get_config() == chain.get_config()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Halved(Magnitude):
    """A user's own method."""

    def weights(self, gram, losses, state, seed=None):
        scales, state = super().weights(gram, losses, state)
        return scales / 2, state


def test_a_users_own_method_is_found_again():
    chain = Chain(magnitude=Halved(tau=0.1), direction=Mean())
    assert Chain.from_config(chain.get_config()) == chain


def test_a_member_that_is_not_known_is_named():
    config = Chain(magnitude=Magnitude(), direction=Mean()).get_config()
    config["direction"]["class_name"] = "tf_gradcraft>Meen"
    with pytest.raises(ValueError, match="'tf_gradcraft>Meen' is not known; did you mean 'tf_gradcraft>Mean'"):
        Chain.from_config(config)


def test_a_saved_model_goes_on_with_its_chain(tmp_path):
    chain = CHAINS[0]
    toy = pytest.importorskip("toy", reason="whole models need Keras 3", exc_type=ImportError)
    model = toy.compiled(chain)
    toy.train(model)
    model.save(tmp_path / "model.keras")
    loaded = gc.load_model(tmp_path / "model.keras")
    assert loaded.balancing == chain
    toy.train(model, toy.log(seed=8))
    toy.train(loaded, toy.log(seed=8))
    assert toy.difference(model, loaded) < 1e-6


def test_a_member_must_be_a_method():
    with pytest.raises(ValueError, match=r"Chain: direction must be a Balancer, such as GradCraft.*got 'pcgrad'"):
        Chain(magnitude=Magnitude(), direction="pcgrad")


def test_parts_are_given_to_the_chain():
    with pytest.raises(ValueError, match=r"magnitude has parts='variable', the chain 'all'.*Chain.*parts='variable'"):
        Chain(magnitude=Magnitude(parts="variable"), direction=PCGrad())
    Chain(magnitude=Magnitude(parts="variable"), direction=PCGrad(), parts="variable")
