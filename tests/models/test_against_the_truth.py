"""On a synthetic log the true probabilities are known: PLE comes near them."""

import keras
import pandas as pd
import pyarrow.parquet as pq
from sklearn.metrics import roc_auc_score

import tf_gradcraft as gc
from tf_gradcraft.data_pipelines import datasets
from tf_gradcraft.models import PLE


def test_a_trained_ple_reaches_98_percent_of_the_oracles_auc_on_the_dense_tasks(tmp_path):
    """Few users and videos with many rows each, so that what is true of them can be learnt at all."""
    log = datasets.Synthetic.write(tmp_path / "raw", rows=60_000, seed=1, users=30, videos=30)
    data = log.prepare(tmp_path / "prepared", valid_from=11, test_from=13)
    keras.utils.set_random_seed(1)
    train, valid, test = data.load(batch_size=512, seed=1)
    model = PLE(data.schema, expert_units=[64, 32], tower_units=[16], dropout=0.1)
    model.compile(gc.optimizers.LazyAdam(1e-2), balancing="gradcraft", balance_over="representation")
    best = keras.callbacks.EarlyStopping("val_auc_mean", mode="max", patience=8, restore_best_weights=True)
    model.fit(train, validation_data=valid, epochs=6, verbose=0, callbacks=[best])
    found = model.evaluate(test, return_dict=True, verbose=0)
    rows, truth = pd.read_csv(tmp_path / "raw" / "log.csv"), pq.read_table(tmp_path / "raw" / "truth.parquet")
    late = (rows["day"] >= 13).to_numpy()
    for task in ("click", "long_view"):
        oracle = roc_auc_score(rows[task][late], truth[task].to_numpy()[late])
        assert found[f"{task}_auc"] > 0.98 * oracle, task
        assert found[f"{task}_auc"] < oracle + 0.01  # no model knows more than the truth, but by luck
        print(task, found[f"{task}_auc"] / oracle)
