"""Hyper-parameters out of range and names that are not known: the message says what is wrong and what is allowed."""

import math
import re

import pytest

from tf_gradcraft import balancing
from tf_gradcraft.balancing import (
    MGDA,
    Balancer,
    CAGrad,
    DualProj,
    FairGrad,
    GradCraft,
    MetaBalance,
    PCGrad,
    UPGrad,
)


@pytest.mark.parametrize("value", [2, -0.1, math.nan, math.inf])
@pytest.mark.parametrize(
    ("make", "argument"),
    [(GradCraft, "tau"), (GradCraft, "epsilon"), (MetaBalance, "relax_factor")],
    ids=lambda v: str(v),
)
def test_a_value_out_of_range_is_named_with_the_range(make, argument, value):
    wanted = rf"{make.__name__}: {argument}={re.escape(repr(value))} is out of range; it must be in \[0, 1\]"
    with pytest.raises(ValueError, match=wanted):
        make(**{argument: value})


@pytest.mark.parametrize("value", [1, 1.0, -0.5, math.nan])
@pytest.mark.parametrize(("make", "argument"), [(MetaBalance, "beta"), (GradCraft, "beta"), (CAGrad, "c")])
def test_a_share_must_leave_something(make, argument, value):
    wanted = rf"{make.__name__}: {argument}={value!r} is out of range; it must be in \[0, 1\)"
    with pytest.raises(ValueError, match=wanted):
        make(**{argument: value})


@pytest.mark.parametrize("value", [0, 0.05, 11, math.nan, math.inf])
def test_fairness_out_of_range_is_named_with_the_range(value):
    with pytest.raises(ValueError, match=rf"FairGrad: alpha={value!r} is out of range; it must be in \[0.1, 10\]"):
        FairGrad(alpha=value)


@pytest.mark.parametrize("value", [0, 10**6])
def test_iterations_out_of_range_are_named_with_the_range(value):
    with pytest.raises(ValueError, match=rf"MGDA: iterations={value} is out of range; it must be in \[1, 10000\]"):
        MGDA(iterations=value)


@pytest.mark.parametrize(
    ("make", "argument", "given", "meant", "known"),
    [
        (GradCraft, "projection", "exakt", "exact", "one_shot, exact, local"),
        (MGDA, "normalization", "los", "loss", "none, l2, loss, loss+"),
        (MGDA, "solver", "exakt", "exact", "exact, frank_wolfe"),
        (CAGrad, "rescale", "linaer", "linear", "none, linear, square"),
    ],
)
def test_an_unknown_choice_is_named_with_those_there_are(make, argument, given, meant, known):
    wanted = rf"{make.__name__}: {argument}='{given}' is not known; did you mean '{meant}'\? Known: {re.escape(known)}"
    with pytest.raises(ValueError, match=wanted):
        make(**{argument: given})


def test_a_magnitude_must_be_a_kind_of_mean_or_a_task():
    with pytest.raises(ValueError, match=r"GradCraft: magnitude='clik' is not known; did you mean 'click'.*max, mean"):
        GradCraft(magnitude="clik").for_tasks(["click", "like"])
    with pytest.raises(ValueError, match=r"GradCraft: magnitude=2 .*2 tasks"):
        GradCraft(magnitude=2).for_tasks(["click", "like"])
    with pytest.raises(ValueError, match=r"GradCraft: magnitude='click' is not resolved.*for_tasks"):
        GradCraft(magnitude="click").weights([[[1.0]]], [1.0], {})
    assert GradCraft(magnitude="like").for_tasks(["click", "like"]) == GradCraft(magnitude=1)
    assert GradCraft().for_tasks(["max", "like"]) == GradCraft()


@pytest.mark.parametrize("make", [UPGrad, DualProj])
def test_a_preference_must_be_positive_and_for_the_tasks(make):
    name = make.__name__
    for bad in ([1, -1], [0.0, 1.0], {"click": math.inf}, [math.nan]):
        with pytest.raises(
            ValueError, match=rf"{name}: preference=.* is out of range; each value must be in \(0, inf\)"
        ):
            make(preference=bad)
    with pytest.raises(ValueError, match=rf"{name}: task of the preference='clik' is not known; did you mean 'click'"):
        make(preference={"clik": 1.0}).for_tasks(["click", "like"])
    with pytest.raises(ValueError, match=f"{name}: preference has no value for like"):
        make(preference={"click": 1.0}).for_tasks(["click", "like"])
    with pytest.raises(ValueError, match=f"{name}: preference has 3 values for 2 tasks"):
        make(preference=[1, 2, 3]).for_tasks(["click", "like"])
    with pytest.raises(ValueError, match=rf"{name}: preference is not resolved.*for_tasks"):
        make(preference={"click": 1.0}).weights([[[1.0]]], [1.0], {})


def test_the_ends_of_a_range_are_allowed():
    assert GradCraft(tau=0, epsilon=0) != GradCraft(tau=1, epsilon=1)
    assert MetaBalance(relax_factor=0, beta=0) != MetaBalance(relax_factor=1)


def test_an_unknown_strategy_is_named_with_those_there_are():
    with pytest.raises(ValueError, match=r"MetaBalance: strategy='D' is not known; .*Known: A, B, C"):
        MetaBalance(strategy="D")


def test_an_unknown_reduction_is_named_with_those_there_are():
    with pytest.raises(ValueError, match="PCGrad: reduction='men' is not known; did you mean 'mean'"):
        PCGrad(reduction="men")


def test_an_unknown_target_task_is_named_with_those_there_are():
    with pytest.raises(ValueError, match=r"target='clik' is not known; did you mean 'click'.*click, like"):
        MetaBalance(target="clik").for_tasks(["click", "like"])


@pytest.mark.parametrize("target", [2, -1])
def test_a_target_position_must_be_that_of_a_task(target):
    with pytest.raises(ValueError, match=f"target={target} .*2 tasks"):
        MetaBalance(target=target).for_tasks(["click", "like"])


def test_a_target_name_must_be_resolved_before_weights_are_asked_for():
    balancer = MetaBalance(target="click")
    with pytest.raises(ValueError, match=r"target='click' is not resolved.*for_tasks"):
        balancer.weights([[[1.0]]], [1.0], balancer.init(1))


def test_an_unknown_method_is_named_with_a_near_one():
    with pytest.raises(ValueError, match="balancing='gradcarft' is not known; did you mean 'gradcraft'"):
        balancing.get("gradcarft")


def test_an_unknown_hyper_parameter_is_named_with_those_there_are():
    with pytest.raises(ValueError, match=r"'gradcraft'.*hyper-parameter='tua' is not known; did you mean 'tau'"):
        balancing.get("gradcraft", tua=0.5)


@pytest.mark.parametrize("name", balancing.names())
def test_every_method_checks_its_parts(name):
    with pytest.raises(ValueError, match="parts='variables' is not known; did you mean 'variable'"):
        balancing.get(name, parts="variables")
    with pytest.raises(ValueError, match=r"parts\['tables'\]='\(' is no regular expression"):
        balancing.get(name, parts={"tables": "("})
    with pytest.raises(ValueError, match="non-empty dict"):
        balancing.get(name, parts={})


def test_hyper_parameters_are_given_by_name():
    with pytest.raises(TypeError):
        GradCraft(0.5)


def test_the_base_class_has_no_weights():
    with pytest.raises(NotImplementedError):
        Balancer().weights(None, None, {})
