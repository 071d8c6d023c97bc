"""Trains a small model with `BackupAndRestore`, going on where a backup stands (a program of its own to be killed).

Arguments: the prepared folder, the backup folder, the mode of reading, and the step before which the process ends
itself, or 0.
"""

import os
import sys
from pathlib import Path

import keras
import numpy as np

from tf_gradcraft.data_pipelines import PreparedData

EPOCH_STEPS, EPOCHS = 4, 5


def train(folder, backup, mode, die_before=0):
    """Returns the weights after EPOCHS x EPOCH_STEPS steps, over more than one pass through the rows."""
    keras.utils.set_random_seed(1)
    inputs = {"price": keras.Input((), name="price"), "row": keras.Input((), name="row", dtype="int32")}
    hidden = keras.layers.Embedding(100, 3)(inputs["row"])
    hidden = keras.layers.Concatenate()([hidden, keras.layers.Reshape((1,))(inputs["price"])])
    model = keras.Model(inputs, {"click": keras.layers.Dense(1, activation="sigmoid")(hidden)})
    model.compile(keras.optimizers.Adam(0.05), "binary_crossentropy")
    model.optimizer.build(model.trainable_variables)
    weights = Path(backup) / "latest.weights.h5"
    if weights.exists():
        model.load_weights(weights)
    rows = PreparedData(folder).load(
        8,
        seed=2,
        tasks=["click"],
        features=["price", "row"],
        mode=mode,
        shuffle_rows=30,
        repeat=True,
        start_step=int(model.optimizer.iterations),
    )[0]

    class Dying(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            if die_before and int(self.model.optimizer.iterations) == die_before:
                os._exit(9)

    backups = keras.callbacks.BackupAndRestore(backup, save_freq="epoch", delete_checkpoint=False)
    rows = rows.map(lambda x, y: ({name: x[name] for name in inputs}, y))
    model.fit(rows, steps_per_epoch=EPOCH_STEPS, epochs=EPOCHS, verbose=0, callbacks=[backups, Dying()])
    assert int(model.optimizer.iterations) == EPOCHS * EPOCH_STEPS
    return [np.asarray(value) for value in model.get_weights()]


if __name__ == "__main__":
    train(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
