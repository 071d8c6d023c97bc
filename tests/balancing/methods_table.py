"""Every balancing method: how it is made, its NumPy oracle, and the laws that hold for it. A method is one row."""

import dataclasses

import balancing_oracles as oracles
import loss_oracles
from laws import (
    Method,
    call_and_look_back,
    call_in_epochs,
    call_in_order,
    call_with_draws,
)

from tf_gradcraft import balancing
from tf_gradcraft.balancing import (
    DBMTL,
    DWA,
    FAMO,
    GLS,
    IMTL,
    IMTLG,
    IMTLL,
    MGDA,
    RLW,
    STCH,
    AlignedMTL,
    CAGrad,
    ConFIG,
    DualProj,
    FairGrad,
    Fixed,
    GradCraft,
    GradNorm,
    GradVac,
    MetaBalance,
    NashMTL,
    PCGrad,
    PCGradPlus,
    UncertaintyWeighting,
    UPGrad,
)

# Values for 16 tasks, where a hyper-parameter has one for each.
SIXTEEN = tuple(1 + 0.1 * position for position in range(16))
SMALL = tuple(0.02 * position for position in range(16))


def with_target(balancer, tasks):
    """The same target among other tasks."""
    return dataclasses.replace(balancer, target=list(tasks).index(balancer.target))


def with_values_of(*arguments):
    """The same values of these hyper-parameters for some of the tasks."""

    def select(balancer, tasks):
        cut = {argument: tuple(getattr(balancer, argument)[task] for task in tasks) for argument in arguments}
        return dataclasses.replace(balancer, **cut)

    return select


def call_gradvac(balancer, gram, losses, state, order):
    weights, cosines = balancer.weights_in_order(gram, order, state["cosines"])
    return weights, state | {"cosines": cosines}


def with_magnitude(balancer, tasks):
    """The same task's magnitude among other tasks."""
    return dataclasses.replace(balancer, magnitude=list(tasks).index(balancer.magnitude))


def crafted_in_order(balancer, gram, losses, state, order):
    return balancer.weights_in_order(gram, state, order)


PREFERENCE = tuple(1.0 + task % 3 for task in range(16))
# No update is good for all tasks, or only up to rounding.
CANCELLING = ("rank 1, opposed", "stationary", "more tasks than dimensions")

METHODS = [
    Method("sum", balancing.Sum, oracles.total),
    Method("mean", balancing.Mean, oracles.mean),
    Method("gradcraft", GradCraft, lambda: oracles.gradcraft(0.5, 1e-8), non_conflicting_at_two=True),
    Method(
        "gradcraft",
        lambda: GradCraft(tau=0, epsilon=0),
        lambda: oracles.gradcraft(0, 0),
        non_conflicting_at_two=True,
    ),
    Method(
        "gradcraft",
        lambda: GradCraft(tau=1, epsilon=0.1),
        lambda: oracles.gradcraft(1, 0.1),
        non_conflicting_at_two=True,
    ),
    Method(
        "gradcraft",
        lambda: GradCraft(projection="exact"),
        lambda: oracles.gradcraft(0.5, 1e-8, "exact"),
        non_conflicting=True,
        undefined_on=CANCELLING,
    ),
    Method(
        "gradcraft",
        lambda: GradCraft(tau=1, epsilon=0, projection="exact"),
        lambda: oracles.gradcraft(1, 0, "exact"),
        non_conflicting=True,
    ),
    Method(
        "gradcraft",
        lambda: GradCraft(tau=0.3, projection="local"),
        lambda: oracles.gradcraft(0.3, 0, "local"),
        crafted_in_order,
        non_conflicting_at_two=True,
    ),
    *(
        Method(
            "gradcraft",
            lambda magnitude=magnitude: GradCraft(magnitude=magnitude),
            lambda magnitude=magnitude: oracles.gradcraft(0.5, 1e-8, magnitude=magnitude),
            non_conflicting_at_two=True,
        )
        for magnitude in ("mean", "median", "geometric")
    ),
    Method(
        "gradcraft",
        lambda: GradCraft(magnitude=0, beta=0.7),
        lambda: oracles.gradcraft(0.5, 1e-8, magnitude=0, beta=0.7),
        select=with_magnitude,
        non_conflicting_at_two=True,
    ),
    Method("metabalance", MetaBalance, lambda: oracles.metabalance(0.7, 0.9, "C", 0), select=with_target),
    Method(
        "metabalance",
        lambda: MetaBalance(relax_factor=1, beta=0, strategy="A"),
        lambda: oracles.metabalance(1, 0, "A", 0),
        select=with_target,
    ),
    Method(
        "metabalance",
        lambda: MetaBalance(relax_factor=0.4, beta=0.5, strategy="B"),
        lambda: oracles.metabalance(0.4, 0.5, "B", 0),
        select=with_target,
    ),
    Method("metabalance", lambda: MetaBalance(relax_factor=0), oracles.total, select=with_target),
    Method("pcgrad", PCGrad, lambda: oracles.pcgrad("sum"), call_in_order, non_conflicting_at_two=True),
    Method(
        "pcgrad",
        lambda: PCGrad(reduction="mean"),
        lambda: oracles.pcgrad("mean"),
        call_in_order,
        non_conflicting_at_two=True,
    ),
    Method("pcgrad_plus", PCGradPlus, lambda: oracles.pcgrad_plus(0.5), call_in_order, non_conflicting_at_two=True),
    Method(
        "pcgrad_plus",
        lambda: PCGradPlus(tau=1, reduction="mean"),
        lambda: oracles.pcgrad_plus(1, "mean"),
        call_in_order,
        non_conflicting_at_two=True,
    ),
    Method("gradvac", GradVac, lambda: oracles.gradvac(0.01), call_gradvac, non_conflicting_at_two=True),
    Method(
        "gradvac",
        lambda: GradVac(beta=0.5, reduction="mean"),
        lambda: oracles.gradvac(0.5, "mean"),
        call_gradvac,
        non_conflicting_at_two=True,
    ),
    Method("imtl_g", IMTLG, oracles.imtl_g),
    Method("imtl_l", IMTLL, lambda: loss_oracles.imtl_l(1e-3)),
    Method("imtl_l", lambda: IMTLL(learning_rate=0.2), lambda: loss_oracles.imtl_l(0.2)),
    Method("imtl", IMTL, lambda: oracles.imtl(1e-3)),
    Method("imtl", lambda: IMTL(learning_rate=0.2), lambda: oracles.imtl(0.2)),
    Method("db_mtl", DBMTL, oracles.db_mtl),
    Method("aligned_mtl", AlignedMTL, lambda: oracles.aligned_mtl("min")),
    Method("aligned_mtl", lambda: AlignedMTL(scale="median"), lambda: oracles.aligned_mtl("median")),
    Method(
        "aligned_mtl",
        lambda: AlignedMTL(scale="rmse", reduction="sum"),
        lambda: oracles.aligned_mtl("rmse", "sum"),
    ),
    Method("config", ConFIG, oracles.config),
    Method("fixed", Fixed, oracles.total),
    Method(
        "fixed",
        lambda: Fixed(weights=SIXTEEN),
        lambda: loss_oracles.fixed(SIXTEEN),
        select=with_values_of("task_weights"),
    ),
    Method("uw", UncertaintyWeighting, lambda: loss_oracles.uncertainty_weighting(1e-3)),
    Method("uw", lambda: UncertaintyWeighting(learning_rate=0.2), lambda: loss_oracles.uncertainty_weighting(0.2)),
    Method("dwa", DWA, lambda: loss_oracles.dwa(2), call_in_epochs),
    Method("dwa", lambda: DWA(temperature=0.5), lambda: loss_oracles.dwa(0.5), call_in_epochs),
    Method("rlw", RLW, loss_oracles.rlw, call_with_draws),
    Method("gls", GLS, loss_oracles.gls),
    Method("stch", STCH, lambda: loss_oracles.stch(1)),
    Method(
        "stch",
        lambda: STCH(mu=0.3, preference=SIXTEEN, ideal=SMALL),
        lambda: loss_oracles.stch(0.3, SIXTEEN, SMALL),
        select=with_values_of("preference", "ideal"),
    ),
    Method(
        "stch",
        lambda: STCH(mu=0.5, warmup_epochs=1),
        lambda: loss_oracles.stch_of_logs(0.5),
        call_in_epochs,
        plain_alone=False,
    ),
    Method("famo", FAMO, lambda: loss_oracles.famo(0.025, 1e-3), call_and_look_back),
    Method(
        "famo",
        lambda: FAMO(learning_rate=0.3, weight_decay=0.1, min_losses=SMALL),
        lambda: loss_oracles.famo(0.3, 0.1, SMALL),
        call_and_look_back,
        select=with_values_of("min_losses"),
    ),
    Method("gradnorm", GradNorm, lambda: loss_oracles.gradnorm(1.5, 0.025)),
    Method("gradnorm", lambda: GradNorm(alpha=0.5, learning_rate=0.2), lambda: loss_oracles.gradnorm(0.5, 0.2)),
    Method("mgda", MGDA, oracles.mgda, non_conflicting=True),
    *(
        Method(
            "mgda",
            lambda normalization=normalization: MGDA(normalization=normalization),
            lambda normalization=normalization: oracles.mgda(normalization),
            undefined_on=CANCELLING,
        )
        for normalization in ("l2", "loss", "loss+")
    ),
    Method("cagrad", CAGrad, lambda: oracles.cagrad(0.4)),
    Method("cagrad", lambda: CAGrad(c=0.9, rescale="square"), lambda: oracles.cagrad(0.9, 1.81)),
    Method("cagrad", lambda: CAGrad(c=0), oracles.mean),
    Method(
        "nash_mtl",
        NashMTL,
        lambda: oracles.fair(1),
        scale_degree=-1,
        non_conflicting=True,
        undefined_on=CANCELLING,
    ),
    Method(
        "fairgrad",
        FairGrad,
        lambda: oracles.fair(2),
        scale_degree=-4 / 3,
        non_conflicting=True,
        undefined_on=(*CANCELLING, "scales 1e-10 to 1e15"),
    ),
    Method(
        "fairgrad",
        lambda: FairGrad(alpha=0.5),
        lambda: oracles.fair(0.5),
        scale_degree=-2 / 3,
        non_conflicting=True,
        undefined_on=(*CANCELLING, "scales 1e-10 to 1e15"),
    ),
    Method("upgrad", UPGrad, oracles.upgrad, non_conflicting=True),
    Method(
        "upgrad",
        lambda: UPGrad(preference=PREFERENCE),
        lambda: oracles.upgrad(PREFERENCE),
        select=with_values_of("preference"),
        non_conflicting=True,
    ),
    Method("dualproj", DualProj, oracles.dualproj, non_conflicting=True),
    Method(
        "dualproj",
        lambda: DualProj(preference=PREFERENCE),
        lambda: oracles.dualproj(PREFERENCE),
        select=with_values_of("preference"),
        non_conflicting=True,
    ),
]
