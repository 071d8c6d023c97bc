"""Which variables of the models are shared, and which private to which task, against lists written by hand."""

import re

import pytest
import schemas
import tensorflow as tf

from tf_gradcraft.gradients import task_gradients
from tf_gradcraft.models import PLE, MMoE, SharedBottom

SMALL = {"tower_units": [3], "embedding_dim": 2, "dropout": 0.0}
TOWER = r"task{t}_tower/|task{t}_logit/"

# Patterns of shared variables, and of those private to task {t}.
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
}


@pytest.mark.parametrize("case", CASES)
def test_shared_and_private_variables_are_those_of_the_list(case):
    make, shared, private = CASES[case]
    schema = schemas.schema(num_tasks=3)
    model = make(schema)
    features, _, _ = schemas.batch(schema, rows=4)
    with tf.GradientTape(persistent=True) as tape:
        losses = {task: tf.reduce_sum(out) for task, out in model(tf.nest.map_structure(tf.constant, features)).items()}
    gradients = task_gradients(tape, losses, model.trainable_variables)
    paths = [variable.path for variable in model.trainable_variables]

    def matching(patterns):
        return {path for path in paths if any(re.match(pattern, path) for pattern in patterns)}

    assert {paths[position] for position in gradients.shared} == matching(shared)
    for t in range(3):
        of_task = {paths[position] for position, task in gradients.private.items() if task == t}
        assert of_task == matching([pattern.format(t=t) for pattern in private])
    assert len(gradients.shared) + len(gradients.private) == len(paths)
