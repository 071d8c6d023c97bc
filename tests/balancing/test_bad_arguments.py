"""Hyper-parameters out of range and names that are not known: the message says what is wrong and what is allowed."""

import math
import re

import pytest

from tf_gradcraft import balancing
from tf_gradcraft.balancing import (
    IMTL,
    IMTLL,
    AlignedMTL,
    Balancer,
    GradCraft,
    GradVac,
    Magnitude,
    MetaBalance,
    PCGrad,
    PCGradPlus,
)


@pytest.mark.parametrize("value", [2, -0.1, math.nan, math.inf])
@pytest.mark.parametrize(
    ("make", "argument"),
    [
        (GradCraft, "tau"),
        (GradCraft, "epsilon"),
        (MetaBalance, "relax_factor"),
        (Magnitude, "tau"),
        (PCGradPlus, "tau"),
        (GradVac, "beta"),
    ],
    ids=lambda v: str(v),
)
def test_a_value_out_of_range_is_named_with_the_range(make, argument, value):
    wanted = rf"{make.__name__}: {argument}={re.escape(repr(value))} is out of range; it must be in \[0, 1\]"
    with pytest.raises(ValueError, match=wanted):
        make(**{argument: value})


@pytest.mark.parametrize("value", [1, 1.0, -0.5, math.nan])
def test_beta_must_leave_room_for_the_present(value):
    with pytest.raises(ValueError, match=rf"MetaBalance: beta={value!r} is out of range; it must be in \[0, 1\)"):
        MetaBalance(beta=value)


def test_the_ends_of_a_range_are_allowed():
    assert GradCraft(tau=0, epsilon=0) != GradCraft(tau=1, epsilon=1)
    assert MetaBalance(relax_factor=0, beta=0) != MetaBalance(relax_factor=1)


def test_an_unknown_strategy_is_named_with_those_there_are():
    with pytest.raises(ValueError, match=r"MetaBalance: strategy='D' is not known; .*Known: A, B, C"):
        MetaBalance(strategy="D")


def test_an_unknown_reduction_is_named_with_those_there_are():
    with pytest.raises(ValueError, match="PCGrad: reduction='men' is not known; did you mean 'mean'"):
        PCGrad(reduction="men")


@pytest.mark.parametrize("make", [IMTLL, IMTL])
@pytest.mark.parametrize("value", [0, -0.1, math.nan, math.inf])
def test_a_learning_rate_must_be_above_zero(make, value):
    wanted = rf"{make.__name__}: learning_rate={re.escape(repr(value))} is out of range; it must be in \(0, inf\)"
    with pytest.raises(ValueError, match=wanted):
        make(learning_rate=value)


@pytest.mark.parametrize(
    ("make", "argument", "value", "meant"),
    [
        (AlignedMTL, "scale", "med", "Known: min, median, rmse"),
        (AlignedMTL, "reduction", "some", "Known: mean, sum"),
        (GradVac, "reduction", "meen", "did you mean 'mean'"),
        (PCGradPlus, "reduction", "meen", "did you mean 'mean'"),
    ],
)
def test_an_unknown_option_is_named_with_those_there_are(make, argument, value, meant):
    with pytest.raises(ValueError, match=f"{argument}='{value}' is not known.*{meant}"):
        make(**{argument: value})


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
