"""The network, the data and the modes that `step_time.py` measures."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf
from dense_engine import DenseEngineModel

import tf_gradcraft as gc
from tf_gradcraft.data_pipelines.schema import Feature, Schema, Task
from tf_gradcraft.models import MMoE

LOOKUPS, DIMENSION, BATCH = 8, 16, 2048
EXPERTS, UNITS, TOWER = 7, (256, 128, 64), (32, 16)

# What compile() gets beside the optimizer. "every 10" is the exact mode with new weights every tenth step.
MODES = {
    "keras adam": {},
    "lazy adam": {},
    "exact": {"balancing": "gradcraft"},
    "representation": {"balancing": "gradcraft", "balance_over": "representation"},
    "every 10": {"balancing": "gradcraft", "balance_every": 10},
    "dense engine": {},
    "keras sgd": {},
}


def make_model(mode: str, tasks: int, rows: int, jit_compile: bool = False) -> keras.Model:
    """Returns a compiled MMoE: 8 lookups a row into one table of `rows` x 16."""
    keras.utils.set_random_seed(1)
    # The sizes of one table's features are that of the table.
    features = [
        Feature(name=f"id_{i}", kind="categorical", dtype="int64", table="ids", size=rows) for i in range(LOOKUPS)
    ]
    schema = Schema(features=features, tasks=[Task(name=f"task_{t}") for t in range(tasks)])
    model = MMoE(
        schema, num_experts=EXPERTS, expert_units=UNITS, tower_units=TOWER, embedding_dim=DIMENSION, dropout=0.0
    )
    if mode == "dense engine":
        model = DenseEngineModel(inputs=model.input, outputs=model.output)
    optimizers = {"keras adam": keras.optimizers.Adam, "dense engine": keras.optimizers.Adam}
    optimizer = {**optimizers, "keras sgd": keras.optimizers.SGD}.get(mode, gc.optimizers.LazyAdam)
    losses = {f"task_{t}": keras.losses.BinaryCrossentropy() for t in range(tasks)}
    model.compile(optimizer=optimizer(1e-3), loss=losses, metrics={}, jit_compile=jit_compile, **MODES[mode])
    return model


def make_data(tasks: int, rows: int, batches: int = 20) -> tf.data.Dataset:
    """Returns an endless stream of ready batches: uniform random ids, the worst case for a cache, and labels."""
    random = np.random.default_rng(0)
    ids = random.integers(1, rows, (batches, BATCH, LOOKUPS)).astype("int32")
    labels = random.integers(0, 2, (batches, tasks, BATCH, 1)).astype("float32")
    x = {f"id_{i}": ids[:, :, i] for i in range(LOOKUPS)}
    y = {f"task_{t}": labels[:, t] for t in range(tasks)}
    return tf.data.Dataset.from_tensor_slices((x, y)).repeat().prefetch(2)


def variable_bytes(model: keras.Model) -> int:
    """Returns the size of all variables of a model and of its optimizer."""
    variables = [variable.value for variable in (*model.variables, *model.optimizer.variables)]
    return sum(variable.shape.num_elements() * variable.dtype.size for variable in variables)
