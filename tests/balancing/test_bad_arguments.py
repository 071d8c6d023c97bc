"""Hyper-parameters out of range and names that are not known: the message says what is wrong and what is allowed."""

import math
import re

import numpy as np
import pytest
import tensorflow as tf

from tf_gradcraft import balancing
from tf_gradcraft.balancing import (
    DWA,
    FAMO,
    GLS,
    IMTL,
    IMTLL,
    MGDA,
    STCH,
    AlignedMTL,
    Balancer,
    CAGrad,
    DualProj,
    FairGrad,
    Fixed,
    GradCraft,
    GradNorm,
    GradVac,
    Magnitude,
    Mean,
    MetaBalance,
    PCGrad,
    PCGradPlus,
    Sum,
    UncertaintyWeighting,
    UPGrad,
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


@pytest.mark.parametrize("value", [0, -1.0, math.nan, math.inf])
@pytest.mark.parametrize(
    ("make", "argument"),
    [
        (UncertaintyWeighting, "learning_rate"),
        (DWA, "temperature"),
        (STCH, "mu"),
        (FAMO, "learning_rate"),
        (GradNorm, "learning_rate"),
    ],
    ids=lambda v: str(v),
)
def test_a_value_that_must_be_above_zero_is_named(make, argument, value):
    wanted = rf"{make.__name__}: {argument}={re.escape(repr(value))} is out of range; it must be in \(0, inf\)"
    with pytest.raises(ValueError, match=wanted):
        make(**{argument: value})


def test_other_ranges_of_methods_by_loss():
    with pytest.raises(ValueError, match=r"FAMO: weight_decay=-1 is out of range; it must be in \[0, 1\]"):
        FAMO(weight_decay=-1)
    with pytest.raises(ValueError, match=r"GradNorm: alpha=-0.5 is out of range; it must be in \[0, 10\]"):
        GradNorm(alpha=-0.5)
    for epochs in (-1, 1.5):
        with pytest.raises(ValueError, match=rf"STCH: warmup_epochs={epochs} must be a whole number, 0 or more"):
            STCH(warmup_epochs=epochs)
    with pytest.raises(ValueError, match="leave out ideal"):
        STCH(warmup_epochs=1, ideal=[0, 0])


NOT_NEGATIVE = [(Fixed, "weights"), (STCH, "preference"), (UPGrad, "preference"), (DualProj, "preference")]
VALUES_BY_TASK = [*NOT_NEGATIVE, (STCH, "ideal"), (FAMO, "min_losses")]
by_task = pytest.mark.parametrize(("make", "argument"), VALUES_BY_TASK, ids=lambda v: str(v))
TASKS = ["click", "like"]


@by_task
def test_values_by_task_must_fit_the_tasks(make, argument):
    with pytest.raises(ValueError, match=rf"{argument}='clik' is not known; did you mean 'click'.*click, like"):
        make(**{argument: {"clik": 1.0, "like": 1.0}}).for_tasks(TASKS)
    with pytest.raises(ValueError, match=rf"{make.__name__}: {argument} has no value for like"):
        make(**{argument: {"click": 1.0}}).for_tasks(TASKS)
    with pytest.raises(ValueError, match=rf"{make.__name__}: {argument} has 3 values for 2 tasks"):
        make(**{argument: [1.0, 2.0, 3.0]}).for_tasks(TASKS)


@by_task
def test_values_by_task_must_be_resolved_before_weights_are_asked_for(make, argument):
    balancer = make(**{argument: {"click": 1.0, "like": 1.0}})
    gram, losses = np.eye(2)[np.newaxis], tf.ones(2)
    with pytest.raises(ValueError, match=rf"names in {argument} are not resolved; call for_tasks"):
        balancer.weights(tf.constant(gram), losses, balancer.init(2))
    balancer = make(**{argument: [1.0]})
    with pytest.raises(ValueError, match=rf"{argument} has 1 values for 2 tasks"):
        balancer.weights(tf.constant(gram), losses, balancer.init(2))


@by_task
@pytest.mark.parametrize("values", [3, "click", {}, []])
def test_values_by_task_are_a_dict_or_a_list(make, argument, values):
    with pytest.raises(ValueError, match=rf"{make.__name__}: {argument} must be {{task: value}} or a list of values"):
        make(**{argument: values})


@by_task
@pytest.mark.parametrize("value", [math.nan, math.inf, "1", True])
def test_values_by_task_are_finite_numbers(make, argument, value):
    with pytest.raises(ValueError, match=rf"{make.__name__}: {argument}\['like'\]={value!r} is out of range"):
        make(**{argument: {"like": value}})


@pytest.mark.parametrize(("make", "argument"), NOT_NEGATIVE)
def test_some_values_by_task_are_not_negative(make, argument):
    with pytest.raises(ValueError, match=rf"{argument}\[1\]=-0.1 is out of range; it must be in \[0, inf\)"):
        make(**{argument: [1, -0.1]})


def test_fixed_weights_are_given_once():
    assert balancing.get("fixed", weights=[1, 2]) == Fixed(task_weights=(1.0, 2.0))
    assert Fixed(weights=[np.float32(0.5), np.int64(2)]) == Fixed(weights=[0.5, 2.0])
    with pytest.raises(ValueError, match="weights and task_weights are the same thing"):
        Fixed(weights=[1, 2], task_weights=[1, 2])
    with pytest.raises(ValueError, match="hyper-parameter='weight' is not known; did you mean 'weights'"):
        balancing.get("fixed", weight=[1, 2])


@pytest.mark.parametrize("balancer", [GLS(), DWA(), STCH(warmup_epochs=1), GradNorm()], ids=lambda b: type(b).__name__)
def test_negative_losses_are_refused_where_they_have_no_meaning(balancer):
    gram = tf.eye(2, batch_shape=[1])
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"{type(balancer).__name__} is defined for losses that"):
        balancer.weights(gram, tf.constant([1.0, -0.1]), balancer.init(2))
    # A loss that is no number is left to the training step, which names the task.
    balancer.weights(gram, tf.constant([1.0, math.nan]), balancer.init(2))


class Outside(Mean):
    """A method that someone else wrote."""


def test_what_can_not_be_registered_is_refused():
    with pytest.raises(ValueError, match="balancing 'mean' is Mean already; take another name"):
        balancing.register("mean", Outside)
    with pytest.raises(ValueError, match="derives from Balancer, got <object"):
        balancing.register("outside", object())
    with pytest.raises(ValueError, match="derives from Balancer, got <class 'dict'>"):
        balancing.register("outside", dict)
    with pytest.raises(ValueError, match="balancing 'out side': a method's name is a plain word"):
        balancing.register("out side", Outside)

    class Demanding(Balancer):
        def __init__(self, tau):
            """Takes tau."""

    with pytest.raises(ValueError, match="give each hyper-parameter a default; none has tau"):
        balancing.register("demanding", Demanding)
    assert "outside" not in balancing.names()
    assert "demanding" not in balancing.names()
    balancing.register("sum", Sum)  # once more is no harm


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
