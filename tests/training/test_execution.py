"""Ways that Keras runs a step: each trains, and gives what the plain way gives within a stated tolerance."""

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import toy

from tf_gradcraft import MultiTaskModel
from tf_gradcraft.balancing import GradCraft, MetaBalance
from tf_gradcraft.optimizers import LazyAdam


@pytest.fixture(scope="module")
def plainly_trained():
    model = toy.compiled("metabalance", LazyAdam(0.01), l2=0.01)
    toy.train(model)
    return model


@pytest.mark.in_turns
@pytest.mark.parametrize(
    ("settings", "tolerance"),
    [({"steps_per_execution": 4}, 1e-6), ({"run_eagerly": True}, 1e-5), ({"jit_compile": True}, 1e-4)],
    ids=["steps_per_execution", "run_eagerly", "jit_compile"],
)
def test_ways_to_run_a_step_agree(settings, tolerance, plainly_trained):
    model = toy.compiled("metabalance", LazyAdam(0.01), l2=0.01, **settings)
    toy.train(model)
    assert toy.difference(model, plainly_trained) < tolerance


@pytest.mark.parametrize(("method", "optimizer"), [("gradcraft", "sgd"), ("mean", "lazy"), ("famo", "lazy")])
@pytest.mark.quick("gradcraft-sgd")
def test_xla_gives_what_the_graph_gives(method, optimizer):
    make = {"sgd": lambda: keras.optimizers.SGD(0.3), "lazy": lambda: LazyAdam(0.01)}[optimizer]
    compiled, plain = (toy.compiled(method, make(), l2=0.01, jit_compile=jit) for jit in (True, False))
    for model in (compiled, plain):
        toy.train(model)
    assert toy.difference(compiled, plain) < 1e-4


@pytest.mark.thorough
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_trains_and_stays_near_float32(policy, plainly_trained):
    keras.mixed_precision.set_dtype_policy(policy)
    model = toy.compiled("metabalance", LazyAdam(0.01), l2=0.01)
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer) == (policy == "mixed_float16")
    history = toy.train(model)
    assert history["loss"][-1] < history["loss"][0]
    assert {variable.dtype for variable in model.trainable_variables} == {"float32"}
    weights = (model.get_weights(), plainly_trained.get_weights())
    # Eight steps of at most 0.01 each; half precision turns a few of them.
    assert toy.difference(model, plainly_trained) < 0.05
    assert np.mean([np.abs(a - b).mean() for a, b in zip(*weights, strict=True)]) < 2e-3


@pytest.mark.eager
def test_the_loss_scale_does_not_reach_the_balancer():
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1), initial_scale=2.0**10)
    scaled = toy.compiled(MetaBalance(beta=0.5), optimizer)
    plain = toy.compiled(MetaBalance(beta=0.5), keras.optimizers.SGD(0.1))
    for model in (scaled, plain):
        toy.train(model)
    assert toy.difference(scaled, plain) < 1e-5
    state, expected = (model._balancer_state.tensors()["norms"] for model in (scaled, plain))
    np.testing.assert_allclose(state, expected, rtol=1e-4)


def test_an_overflow_under_loss_scaling_is_skipped_and_lowers_the_scale():
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1), initial_scale=2.0**10)
    model = toy.compiled("gradcraft", optimizer)
    features, labels = toy.log()
    features["numbers"][3] = np.nan
    before = [value.copy() for value in model.get_weights()]
    model.train_on_batch(features, labels)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert float(keras.ops.convert_to_numpy(optimizer.dynamic_scale)) == 2.0**9


@pytest.mark.eager
def test_accumulated_gradients_are_the_mean_of_those_of_the_batches():
    # Two batches alike, accumulated over two steps, are one step.
    features, labels = toy.log(16)
    once = toy.compiled("gradcraft", keras.optimizers.SGD(0.5))
    once.train_on_batch(features, labels)
    accumulated = toy.compiled("gradcraft", keras.optimizers.SGD(0.5, gradient_accumulation_steps=2))
    start = accumulated.get_weights()
    accumulated.train_on_batch(features, labels)
    assert all((a == b).all() for a, b in zip(start, accumulated.get_weights(), strict=True))
    accumulated.train_on_batch(features, labels)
    assert toy.difference(once, accumulated) < 1e-6


@pytest.mark.eager
def test_lazy_adam_accumulates_too():
    history = toy.train(toy.compiled("gradcraft", LazyAdam(0.05, gradient_accumulation_steps=2)), epochs=6)
    assert history["loss"][-1] < history["loss"][0]


@pytest.mark.parametrize("method", ["metabalance", "dwa", "famo"])
@pytest.mark.quick("metabalance", "famo")
def test_nothing_is_traced_again_after_the_first_epoch(method):
    traces = []

    class Counting(MultiTaskModel):
        def __init__(self):
            inputs, outputs = toy.tensors()
            super().__init__(inputs=inputs, outputs=outputs)

        def compute_task_losses(self, *args, **kwargs):
            traces.append(len(traces))
            return super().compute_task_losses(*args, **kwargs)

    model = Counting()
    model.compile("sgd", loss=toy.crossentropy(), balancing=method)
    after = keras.callbacks.LambdaCallback(on_batch_end=lambda batch, logs: counts.append(len(traces)))
    counts = []
    toy.train(model, toy.log(72), epochs=3, callbacks=[after])  # the last batch of an epoch is a short one
    assert len(counts) == 15
    assert counts[-1] == counts[0]


@pytest.mark.eager
def test_overridden_task_losses_are_what_is_balanced():
    class WithRankingLoss(MultiTaskModel):
        def __init__(self):
            inputs, outputs = toy.tensors()
            super().__init__(inputs=inputs, outputs=outputs)

        def compute_task_losses(self, x, y, y_pred, sample_weight=None, training=True):
            losses = super().compute_task_losses(x, y, y_pred, sample_weight, training)
            return {"click": 2 * losses["click"], "like": losses["like"]}

    keras.utils.set_random_seed(3)
    model = WithRankingLoss()
    model.compile(keras.optimizers.SGD(0.5), loss=toy.crossentropy(), balancing="gradcraft")
    expected = toy.compiled(
        "gradcraft",
        keras.optimizers.SGD(0.5),
        loss=toy.crossentropy(("click", "like")),
        loss_weights={"click": 2.0, "like": 1.0},
    )
    for made in (model, expected):
        made.train_on_batch(*toy.log())
    assert toy.difference(model, expected) < 1e-6


def test_compiling_again_takes_another_method():
    model = toy.compiled("metabalance")
    toy.train(model, epochs=1)
    model.compile("sgd", loss=toy.crossentropy(), balancing=GradCraft(tau=0))
    assert model.balancing == GradCraft(tau=0)
    toy.train(model, epochs=1)
    model.compile("sgd", loss=toy.crossentropy())
    assert model.balancing is None
    toy.train(model, epochs=1)


DETERMINISTIC = """
import tensorflow as tf, toy
from tf_gradcraft.optimizers import LazyAdam
tf.config.experimental.enable_op_determinism()
runs = []
for _ in range(2):
    model = toy.compiled("{method}", LazyAdam(0.01), l2=0.01)
    toy.train(model, toy.log(256))
    runs.append(b"".join(value.tobytes() for value in model.get_weights()))
print(runs[0] == runs[1])
"""


def test_one_seed_gives_one_result_bit_for_bit():
    # In a process of its own: determinism can't be switched off again.
    result = subprocess.run(
        [sys.executable, "-c", DETERMINISTIC.format(method="pcgrad")],
        capture_output=True,
        text=True,
        cwd=Path(toy.__file__).parent,
    )
    assert result.stdout.strip() == "True", result.stderr[-2000:]
