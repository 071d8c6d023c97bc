"""Which variables of the models are shared, and which private to which task, against lists written by hand."""

import re

import pytest
import schemas
import tensorflow as tf

from tf_gradcraft.gradients import task_gradients
from tf_gradcraft.models import AITM, CGC, ESCM2, ESMM, PLE, STEM, DSelectK, HoME, MMoE, OMoE, SharedBottom

pytestmark = pytest.mark.eager

SMALL = {"tower_units": [3], "embedding_dim": 2, "dropout": 0.0}
TOWER = r"task{t}_tower/|task{t}_logit/"

# Patterns of shared variables, and of those private to task {t}, or by task where the tasks are not alike.
CASES = {
    "shared bottom": (lambda s: SharedBottom(s, bottom_units=[4], **SMALL), ["embeddings/", "bottom/"], [TOWER]),
    "mmoe": (
        lambda s: MMoE(s, num_experts=2, expert_units=[4], **SMALL),
        ["embeddings/", r"mixture/expert_\d/"],
        [TOWER, "mixture/gate_{t}/"],
    ),
    "ple of one level": (
        lambda s: PLE(s, expert_units=[4], specific_experts=2, **SMALL),
        ["embeddings/", r"level_0/shared_expert_\d/"],
        [TOWER, "level_0/task_{t}_expert_[01]/", "level_0/gate_{t}/"],
    ),
    "ple of two levels": (
        lambda s: PLE(s, expert_units=[4], num_levels=2, **SMALL),
        ["embeddings/", r"level_0/(shared|task_\d)_expert_0/", "level_0/shared_gate/", "level_1/shared_expert_0/"],
        # A task's gate of the last but one level feeds only its own experts and gate of the last.
        [TOWER, "level_0/gate_{t}/", "level_1/task_{t}_expert_0/", "level_1/gate_{t}/"],
    ),
    "ple of three levels": (
        lambda s: PLE(s, expert_units=[4], num_levels=3, **SMALL),
        [
            "embeddings/",
            r"level_[01]/(shared|task_\d)_expert_0/",
            r"level_[01]/shared_gate/",
            r"level_0/gate_\d/",
            "level_2/shared_expert_0/",
        ],
        [TOWER, "level_1/gate_{t}/", "level_2/task_{t}_expert_0/", "level_2/gate_{t}/"],
    ),
    "omoe": (
        lambda s: OMoE(s, num_experts=2, expert_units=[4], **SMALL),
        ["embeddings/", r"expert_\d/", "gate/"],
        [TOWER],
    ),
    "dselect-k": (
        lambda s: DSelectK(s, num_experts=2, num_selected=1, expert_units=[4], **SMALL),
        ["embeddings/", r"mixture/expert_\d/"],
        [TOWER, "mixture/gate_{t}/"],
    ),
    "cgc": (
        lambda s: CGC(s, expert_units=[4], shared_experts=2, **SMALL),
        ["embeddings/", r"level_0/shared_expert_[01]/"],
        [TOWER, "level_0/task_{t}_expert_0/", "level_0/gate_{t}/"],
    ),
    "stem": (
        lambda s: STEM(s, expert_units=[4], **SMALL),
        ["embeddings/", "shared_expert_0/"],
        [TOWER, "task_embeddings/task_{t}/", "task_{t}_expert_0/", "gate_{t}/"],
    ),
    "home": (
        lambda s: HoME(s, groups=[["task0"], ["task2", "task1"]], meta_units=[5], expert_units=[4], rank=2, **SMALL),
        [
            "embeddings/",
            r"meta_(common|group_\d)_expert_0/",
            "meta_common_gate/",
            "meta_group_1_gate/",
            r"(common|group_1)_expert_0/",
        ],
        {
            # A group of one task: what is its alone is the task's.
            0: [TOWER, "task_0_expert_0/", "task_0_gate/", "meta_group_0_gate/", "group_0_expert_0/"],
            1: [TOWER, "task_1_expert_0/", "task_1_gate/"],
            2: [TOWER, "task_2_expert_0/", "task_2_gate/"],
        },
    ),
    "aitm": (
        lambda s: AITM(s, chain=("task1", "task0", "task2"), expert_units=[4], **SMALL),
        ["embeddings/", "task1_network/", "task0_(network|transfer)/"],
        {0: [TOWER], 1: [TOWER], 2: [TOWER, "task2_(network|transfer)/"]},
    ),
    "esmm": (
        lambda s: ESMM(s, chain=("task1", "task0"), **SMALL),
        ["embeddings/", "task1_(tower|logit)/"],
        {0: [TOWER], 1: [], 2: [TOWER]},
    ),
    "escm2": (
        lambda s: ESCM2(s, chain=("task1", "task0"), estimator="dr", **SMALL),
        ["embeddings/", "task1_(tower|logit)/"],
        {0: [TOWER, "task0_error(_tower)?/"], 1: [], 2: [TOWER]},
    ),
}


@pytest.mark.in_turns
@pytest.mark.parametrize("case", CASES)
def test_shared_and_private_variables_are_those_of_the_list(case):
    make, shared, private = CASES[case]
    schema = schemas.schema(num_tasks=3)
    model = make(schema)
    features, labels, _ = schemas.batch(schema, rows=4)
    model.compile("sgd")
    with tf.GradientTape(persistent=True) as tape:
        predictions = model(tf.nest.map_structure(tf.constant, features))
        losses = model.compute_task_losses(features, labels, predictions)
    gradients = task_gradients(tape, losses, model.trainable_variables)
    paths = [variable.path for variable in model.trainable_variables]

    def matching(patterns):
        return {path for path in paths if any(re.match(pattern, path) for pattern in patterns)}

    assert {paths[position] for position in gradients.shared} == matching(shared)
    for t in range(3):
        of_task = {paths[position] for position, task in gradients.private.items() if task == t}
        patterns = private[t] if isinstance(private, dict) else private
        assert of_task == matching([pattern.format(t=t) for pattern in patterns])
    assert len(gradients.shared) + len(gradients.private) == len(paths)
