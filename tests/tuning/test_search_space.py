"""Axes, the space of methods, and the models that trials are made of."""

import inspect

import keras
import keras_tuner
import pytest

import tf_gradcraft as gc
from tf_gradcraft import balancing, models
from tf_gradcraft.data_pipelines import Feature, Schema, Task
from tf_gradcraft.tuning import MultiTaskHyperModel, Range, balancing_space
from tf_gradcraft.tuning.axes import AXES, declare, parse_axis
from tf_gradcraft.tuning.oracles import RandomOracle

SCHEMA = Schema(
    features=(Feature(name="user", kind="categorical", dtype="int64", size=9),),
    tasks=(Task(name="click"), Task(name="like")),
    group="user",
    vocabularies={},
)
ACTIVE = {
    "gradcraft": {"tau", "epsilon"},
    "metabalance": {"relax_factor", "strategy", "metabalance_target"},
    "cagrad": {"cagrad_c"},
    "sum": set(),
}


def drawn(build, count, tmp_path):
    """Values that KerasTuner draws from the space that a function declares."""
    oracle = RandomOracle("val_loss", max_trials=count, seed=3)
    oracle.verbose = 0
    oracle._set_project_dir(tmp_path, "drawn")
    hp = oracle.get_space()
    build(hp)
    oracle.update_space(hp)
    return [oracle.create_trial(f"worker{at}").hyperparameters.values for at in range(count)]


def test_every_drawn_method_has_its_own_hyper_parameters_and_no_other_ones(tmp_path):
    settings = {"metabalance": {"target": ["like", "click"]}, "cagrad": {"c": Range(0.1, 0.9)}}
    values = drawn(lambda hp: balancing_space(hp, list(ACTIVE), settings=settings), 40, tmp_path)
    assert {of["method"] for of in values} == set(ACTIVE)
    for of in values:
        assert set(of) - {"method"} == ACTIVE[of["method"]]
        hp = keras_tuner.HyperParameters()
        hp.values = dict(of)
        balancer = balancing_space(hp, list(ACTIVE), settings=settings)
        assert balancer == balancing.get(
            of["method"],
            **{name.removeprefix(f"{of['method']}_"): value for name, value in of.items() if name != "method"},
        )
        assert balancer.for_tasks(["click", "like"])


def test_the_first_values_are_the_defaults_and_equal_seeds_draw_equal_values(tmp_path):
    space = MultiTaskHyperModel(SCHEMA)
    one, other = (drawn(space.declare_hyperparameters, 6, tmp_path / name) for name in ("one", "other"))
    assert one == other
    settings = {"architecture": "ple", "experts": 1, "units": "256-128-64", "dropout": 0.2, "embedding_dim": 16}
    balanced = {"method": "gradcraft", "tau": 0.5, "epsilon": 1e-8, "balance_over": "parameters"}
    assert one[0] == {**balanced, **settings, "learning_rate": 1e-3}


@pytest.mark.parametrize("name", [name for name in models.names() if name not in ("esmm", "escm2")])
def test_units_and_experts_reach_the_model(name):
    space = MultiTaskHyperModel(
        SCHEMA, method="sum", architecture=name, experts=2, units="8-4", dropout=0.1, embedding_dim=3
    )
    model = space.build(keras_tuner.HyperParameters())
    config = model.get_config()
    assert config["embedding_dim"] == 3
    widths = {setting: value for setting, value in config.items() if setting.endswith("_units")}
    assert [8, 4] in widths.values() or [widths["meta_units"], widths["expert_units"]] == [[8], [4]]
    experts = {value for setting, value in config.items() if setting.endswith("_experts")}
    assert experts == ({2} if name not in ("shared_bottom", "aitm") else set())
    assert config["dropout"] == 0.1


def test_a_model_that_needs_a_chain_gets_it():
    space = MultiTaskHyperModel(SCHEMA, architecture="esmm", units="8-4", model_settings={"chain": ["click", "like"]})
    assert space.build(keras_tuner.HyperParameters()).get_config()["tower_units"] == [8, 4]


def test_values_reach_compile():
    space = MultiTaskHyperModel(
        SCHEMA,
        method="metabalance",
        relax_factor=0.9,
        strategy="A",
        balancing_settings={"metabalance": {"target": "like"}},
        balance_over="representation",
        learning_rate=0.02,
        architecture="shared_bottom",
        units="4",
    )
    hp = keras_tuner.HyperParameters()
    model = space.build(hp)
    assert model.balancing == balancing.MetaBalance(relax_factor=0.9, strategy="A", target="like")
    assert isinstance(model.optimizer, gc.optimizers.LazyAdam)
    assert float(model.optimizer.learning_rate) == pytest.approx(0.02)
    assert hp.values["balance_over"] == "representation"
    assert "batch_size" not in hp.values  # data come from the user
    assert {type(of).__name__ for of in hp.space if of.name != "dropout"} == {"Fixed"}


def test_a_user_s_own_build_function_takes_the_space():
    def build(hp):
        one = keras.Input([2])
        hidden = keras.layers.Dense(2)(one)
        outputs = {task: keras.layers.Dense(1, name=task)(hidden) for task in ("a", "b")}
        model = gc.MultiTaskModel(inputs=one, outputs=outputs)
        model.compile("sgd", {"a": "mse", "b": "mse"}, balancing=gc.tuning.balancing_space(hp, ["upgrad", "gradcraft"]))
        return model

    hp = keras_tuner.HyperParameters()
    hp.values = {"method": "upgrad"}
    assert build(hp).balancing == balancing.UPGrad()


def test_axes_are_the_arguments_that_take_them():
    arguments = inspect.signature(MultiTaskHyperModel.__init__).parameters
    assert {name for name, of in arguments.items() if "Axis" in str(of.annotation)} == {*AXES, "balancing_settings"}
    assert set(AXES) <= set(arguments)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MultiTaskHyperModel(SCHEMA, method=["gradcarft"]), "method='gradcarft' is not known; did you mean"),
        (lambda: MultiTaskHyperModel(SCHEMA, architecture="plee"), "model='plee' is not known; did you mean 'ple'"),
        (lambda: MultiTaskHyperModel(SCHEMA, units="8x4"), "units '8x4' are no widths"),
        (lambda: MultiTaskHyperModel(SCHEMA, balance_over="params"), "balance_over='params' is not known"),
        (lambda: MultiTaskHyperModel(SCHEMA, tasks=["clack"]), "clack"),
        (lambda: MultiTaskHyperModel(SCHEMA, tau=[]), "tau: there is nothing to choose from"),
        (
            lambda: MultiTaskHyperModel(SCHEMA, balancing_settings={"gradcraft": {"bta": 0.1}}),
            "method 'gradcraft': hyper-parameter='bta' is not known; did you mean 'beta'",
        ),
        (lambda: Range(1, 1), "a range goes from a smaller to a larger number"),
        (lambda: Range(0.0, 1.0, log=True), "a range with log starts above 0"),
        (lambda: Range(1.0, 2.0, step=-1), "the step of a range is above 0"),
        (lambda: declare(keras_tuner.HyperParameters(), "x", ["a", 1]), "x: the values to choose from are of several"),
        (lambda: parse_axis("0..a"), "'0..a' is no range; write it such as"),
        (lambda: parse_axis("0..1..2"), "is no range"),
        (lambda: parse_axis("1..0"), "from a smaller to a larger"),
        (lambda: parse_axis(","), "holds no value"),
    ],
)
def test_wrong_spaces_are_refused_before_a_search(make, message):
    with pytest.raises(ValueError, match=message):
        make()
