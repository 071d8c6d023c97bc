"""A small prepared folder, and hypermodels that cost nothing."""

import keras
import keras_tuner
import numpy as np
import pandas as pd

from tf_gradcraft.data_pipelines import TableSpec, Task, prepare

SPACE = {
    "architecture": "shared_bottom",
    "units": "4",
    "embedding_dim": 2,
    "batch_size": 256,
    "dropout": 0.0,
    "model_settings": {"tower_units": [2]},
}
"""Fixes what makes a trial slow."""


def write_prepared(folder, rows=240):
    """Prepares a log of two tasks, whose labels follow from latent vectors."""
    random = np.random.default_rng(0)
    users, videos = random.integers(0, 20, rows), random.integers(0, 15, rows)
    fit = (random.normal(size=(20, 2))[users] * random.normal(size=(15, 2))[videos]).sum(axis=1)
    log = pd.DataFrame({"user": users, "video": videos, "time": np.arange(rows)})
    for task, shift in (("click", 0), ("like", -1)):
        log[task] = (random.random(rows) < 1 / (1 + np.exp(-2 * fit - shift))).astype("float32")
    spec = TableSpec(
        user="user",
        item="video",
        time="time",
        tasks=(Task(name="click"), Task(name="like")),
        categorical={"user": "int64", "video": "int64"},
    )
    prepare(log, spec, folder)
    return folder


class Free(keras_tuner.HyperModel):
    """Trials that are not trained: two axes, a score that follows from them, and a list of what was run.

    Args:
        interrupt_at: Stops, as Ctrl-C does, within this trial (from 0).
        fail_if: Trials of which this is true fail.
    """

    def __init__(self, interrupt_at=None, fail_if=lambda values: False):
        super().__init__()
        self.ran = []
        self._interrupt_at, self._fail_if = interrupt_at, fail_if

    def build(self, hp):
        hp.Choice("a", [1, 2, 3])
        hp.Choice("b", [10, 20])
        return keras.Sequential([keras.Input([1]), keras.layers.Dense(1)])

    def fit(self, hp, model, *args, **kwargs):
        if len(self.ran) == self._interrupt_at:
            raise KeyboardInterrupt
        if self._fail_if(hp.values):
            raise ValueError(f"a of {hp.values['a']} is too much")
        self.ran.append((hp.values["a"], hp.values["b"]))
        model.save_weights(kwargs["callbacks"][-1].filepath)
        return {"val_score": hp.values["a"] + hp.values["b"] / 100, "val_loss": 1.0}
